"""In a program with children of its own, pyinit waits for those alone that it has started."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

import pyinit
from tests import harness

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("namespaces")

# As an ordinary user, the way in is a user namespace.
KINDS = ("pid", "mount") if os.geteuid() == 0 else ("user", "pid", "mount")


def contain(*command: str) -> pyinit.Container:
    """Return a container with ``command``."""
    return pyinit.spawn(command, namespaces=KINDS)


def exits(code: int) -> list[str]:
    """Return a command that exits with ``code`` when its stdin ends."""
    return ["sh", "-c", f"read line; exit {code}"]


class Waiting:
    """A child of the host that waits for the end of a pipe."""

    def __init__(self, code: int) -> None:
        self.process = subprocess.Popen(exits(code), stdin=subprocess.PIPE)

    def end(self) -> int:
        """Let it end, and return its exit code."""
        self.process.communicate()
        return self.process.returncode


def test_subprocess_before_during_and_after() -> None:
    """Each side gets its own statuses, in whatever order they end."""
    before = Waiting(11)
    ended_before = subprocess.Popen(["sh", "-c", "exit 12"])
    with contain("sh", "-c", "exit 3") as container:
        during = Waiting(13)
        assert container.wait(harness.DEADLINE_S) == (3, None)
        after = Waiting(14)
    assert [before.end(), ended_before.wait(), during.end(), after.end()] == [11, 12, 13, 14]


def test_a_kill_is_told_apart() -> None:
    """The signal that killed the command, not what its init made of it."""
    with contain("sh", "-c", "kill -KILL $$") as container:
        other = Waiting(15)
        assert container.wait(harness.DEADLINE_S) == (137, 9)
        assert other.end() == 15


def test_threads() -> None:
    """Each waits for its own, side by side; nobody has to be in the main thread."""
    found: dict[int, int] = {}

    def one(code: int) -> None:
        with contain("sh", "-c", f"exit {code}") as container:
            child = subprocess.Popen(["sh", "-c", f"exit {code + 100}"])
            found[code] = container.wait(harness.DEADLINE_S).code
            found[code + 100] = child.wait(harness.DEADLINE_S)

    threads = [threading.Thread(target=one, args=(code,)) for code in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(harness.DEADLINE_S)
    assert found == {code: code for code in (1, 2, 3, 101, 102, 103)}


def test_a_container_outlives_the_thread_that_started_it() -> None:
    """The kernel counts the death of its parent by thread (prctl(2)); it dies with the process."""
    made: list[pyinit.Container] = []
    command = ["sh", "-c", "read line; exit 4"]

    def start() -> None:
        made.append(pyinit.spawn(command, namespaces=KINDS, stdin=subprocess.PIPE))

    thread = threading.Thread(target=start)
    thread.start()
    thread.join(harness.DEADLINE_S)
    with made[0] as container:
        assert container.poll() is None
        assert container.stdin is not None
        container.stdin.close()
        assert container.wait(harness.DEADLINE_S).code == 4


def test_several_threads_wait_for_one() -> None:
    """All get its status, which the kernel tells only once."""
    with pyinit.spawn(exits(6), namespaces=KINDS, stdin=subprocess.PIPE) as container:
        ends: list[pyinit.Exit] = []
        threads = [
            threading.Thread(target=lambda: ends.append(container.wait(harness.DEADLINE_S)))
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        assert container.stdin is not None
        container.stdin.close()
        for thread in threads:
            thread.join(harness.DEADLINE_S)
    assert [end.code for end in ends] == [6, 6, 6]


def test_asyncio_with_its_own_children() -> None:
    """Its child watcher and ours are after different children."""

    async def main() -> list[int | None]:
        before = await asyncio.create_subprocess_exec(*exits(21), stdin=subprocess.PIPE)
        with contain("sh", "-c", "exit 5") as container, contain("sh", "-c", "exit 6") as second:
            during = await asyncio.create_subprocess_exec("sh", "-c", "exit 22")
            ends = await asyncio.wait_for(
                asyncio.gather(wait(container), wait(second), wait(container), during.wait()),
                harness.DEADLINE_S,
            )
        await before.communicate(b"")
        return [*ends, before.returncode]

    assert asyncio.run(main()) == [5, 6, 5, 22, 21]


async def wait(container: pyinit.Container) -> int:
    """Return the exit code of a container without holding up the loop."""
    return (await container).code


def test_a_cancelled_await_leaves_the_container_alone() -> None:
    """It can be awaited again."""

    async def main() -> int:
        with pyinit.spawn(exits(8), namespaces=KINDS, stdin=subprocess.PIPE) as container:
            task = asyncio.ensure_future(wait(container))
            await asyncio.sleep(0)
            task.cancel()
            assert await asyncio.gather(task, return_exceptions=True)
            assert container.poll() is None
            assert container.stdin is not None
            container.stdin.close()
            return await asyncio.wait_for(wait(container), harness.DEADLINE_S)

    assert asyncio.run(main()) == 8


MULTIPROCESSING = """
import multiprocessing, os, sys
import pyinit

def work(code, kinds):
    with pyinit.spawn(["sh", "-c", f"exit {code}"], namespaces=kinds) as container:
        os._exit(container.wait().code + 100)

if __name__ == "__main__":
    kinds = sys.argv[2:]
    context = multiprocessing.get_context(sys.argv[1])
    early = context.Process(target=os._exit, args=(31,))
    early.start()
    with pyinit.spawn(["sh", "-c", "exit 7"], namespaces=kinds) as container:
        within = context.Process(target=work, args=(32, kinds))
        within.start()
        print(container.wait().code)
    within.join()
    early.join()
    print(early.exitcode, within.exitcode)
    print(pyinit.spawn(["sh", "-c", "exit 9"], namespaces=kinds).wait().code)
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(method: str, tmp_path: object) -> None:
    """In the parent and in its workers; a forked one has no thread of ours, and starts its own."""
    program = f"{tmp_path}/program.py"
    with open(program, "w") as file:
        file.write(MULTIPROCESSING)
    argv = [sys.executable, "-W", "ignore::DeprecationWarning", program, method, *KINDS]
    done = subprocess.run(
        argv, check=False, capture_output=True, text=True, timeout=harness.DEADLINE_S
    )
    assert (done.stdout.split(), done.stderr) == (["7", "31", "132", "9"], "")


@pytest.fixture
def ignored_sigchld() -> Iterator[None]:
    """Ignore SIGCHLD for a test, so that the kernel keeps no status (wait(2))."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGCHLD, before)


def test_an_ignored_sigchld_is_refused(ignored_sigchld: None) -> None:
    """No status could be had of anybody: said at once, and nothing is started."""
    with pytest.raises(RuntimeError, match=r"SIGCHLD is ignored.*wait\(2\)"):
        contain("true")


def test_a_handler_of_sigchld_is_called_and_gets_nothing() -> None:
    """A program that reaps in its handler, each child by its PID, goes on doing so."""
    called: list[int] = []
    child = Waiting(41)
    before = signal.signal(signal.SIGCHLD, lambda number, _: called.append(number))
    try:
        with contain("sh", "-c", "exit 2") as container:
            assert container.wait(harness.DEADLINE_S).code == 2
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert child.end() == 41
    assert called


def test_a_host_that_reaps_everybody_is_told() -> None:
    """waitpid(-1) takes our status, too: an error that says so, and no made-up exit code."""
    with contain("sh", "-c", "exit 2") as container:
        pid, status = os.waitpid(-1, 0)
        while pid != container.pid:
            pid, status = os.waitpid(-1, 0)
        assert os.waitstatus_to_exitcode(status) == 2
        with pytest.raises(ChildProcessError):
            container.wait(harness.DEADLINE_S)
