"""What becomes of a container when the program that started it ends."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from typing import Self

import pytest

from tests.harness import DEADLINE_S
from tests.spawning import USER, line

pytestmark = pytest.mark.usefixtures("namespaces")

# A program that starts a container, says which, and does what it is told.
CREATOR = f"""if True:
    import os, pyinit, signal, sys, threading
    how = dict(namespaces={{*sys.argv[1].split(","), {", ".join(map(repr, USER))}}} - {{""}})
    how["detach"] = sys.argv[2] == "detach"
    script = "(trap '' TERM HUP; echo ready; exec sleep 1000) & (trap '' TERM; exec sleep 1000)"
    made = []
    def start():
        made.append(pyinit.spawn(["sh", "-c", script], grace_s=1000, **how))
    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    os.write(1, b"%d\\n" % made[0].pid)  # whole, beside the words of others
    for word in sys.stdin:
        if word == "exit\\n":
            sys.exit()
        elif word == "raise\\n":
            os.abort()
        print(made[0].poll(), flush=True)
"""


class Creator:
    """The program, in a process of its own; use it in a ``with`` statement."""

    def __init__(self, kinds: str = "pid,mount", *words: str) -> None:
        pipe = subprocess.PIPE
        argv = [sys.executable, "-c", CREATOR, kinds, *(words or ("stay",))]
        self.process = subprocess.Popen(
            argv, bufsize=0, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL
        )
        told = {line(self.process.stdout), line(self.process.stdout)}
        assert "ready" in told
        (number,) = told - {"ready"}
        self.pidfd = os.pidfd_open(int(number))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not has_ended(self.pidfd, 0):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        self.process.kill()
        self.process.communicate()
        os.close(self.pidfd)

    def tell(self, word: str) -> None:
        """Tell it what to do."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n".encode())
        self.process.stdin.flush()


def has_ended(pidfd: int, timeout_s: float = DEADLINE_S) -> bool:
    """Return whether the process ends within that time."""
    return bool(select.select([pidfd], [], [], timeout_s)[0])


@pytest.fixture(params=["kill", "exit", "abort"])
def end(request: pytest.FixtureRequest) -> str:
    """Each way in which a program ends."""
    return str(request.param)


def finish(creator: Creator, end: str) -> None:
    """End the creator."""
    if end == "kill":
        creator.process.kill()
    else:
        creator.tell("exit" if end == "exit" else "raise")
    creator.process.wait(DEADLINE_S)


@pytest.mark.parametrize("kinds", ["pid,mount", "user,pid,mount"])
def test_it_dies_with_its_creator(end: str, kinds: str) -> None:
    """All of it: the pipe that each holds comes to its end."""
    with Creator(kinds) as creator:
        finish(creator, end)
        assert has_ended(creator.pidfd)
        assert not line(creator.process.stdout)


def test_the_end_of_the_thread_that_started_it_is_nothing() -> None:
    """PR_SET_PDEATHSIG is about the thread that forked, which is another one; see prctl(2)."""
    with Creator() as creator:
        creator.tell("look")
        assert line(creator.process.stdout) == "None"
        assert not has_ended(creator.pidfd, 0)


def test_a_detached_one_goes_on(end: str) -> None:
    """Until somebody ends it."""
    with Creator("pid,mount", "detach") as creator:
        finish(creator, end)
        signal.pidfd_send_signal(creator.pidfd, 0)
        assert not has_ended(creator.pidfd, 0.1)
        signal.pidfd_send_signal(creator.pidfd, signal.SIGKILL)
        assert has_ended(creator.pidfd)
        assert not line(creator.process.stdout)
