"""A container that a Python program starts by `pyinit.spawn`: waiting for it, ending it."""

from __future__ import annotations

import asyncio
import os
import selectors
import signal
import subprocess
import sys
import threading
import time

import pytest

from pyinit import Container, Exit
from tests.harness import DEADLINE_S, children, python, status_field
from tests.spawning import line, own_namespaces, rest, spawn

pytestmark = pytest.mark.usefixtures("namespaces")

RECORD = python("record.py", "TERM", "USR1", "USR2")
# Tells that TERM came, and stays.
DEAF = python("record.py", "-", "TERM")


def test_the_command_has_an_init_that_is_pid_1() -> None:
    """And that is a child of ours, under the number in ``pid``."""
    with spawn(["sh", "-c", "echo $$ $PPID; read -r _"], stdin=subprocess.PIPE) as container:
        inner, parent = line(container.stdout).split()
        assert (int(inner) > 1, parent) == (True, "1")
        assert container.pid in children(os.getpid())
        assert status_field(container.pid, "NSpid").split()[-1] == "1"
        assert "running" in repr(container)


@pytest.mark.parametrize(("word", "expected"), [("exit 0", 0), ("exit 7", 7), ("exit 255", 255)])
def test_wait_returns_the_exit_code(word: str, expected: int) -> None:
    """As often as it is asked."""
    with spawn(["sh", "-c", word]) as container:
        assert container.wait(DEADLINE_S) == Exit(expected)
        assert container.wait() == container.poll() == Exit(expected)
        assert f"code={expected}" in repr(container)


def test_the_signal_that_killed_the_command_is_told() -> None:
    """A command that exits with 137 was not killed, and one that was says by what."""
    with spawn(["sh", "-c", "kill -USR1 $$"]) as container:
        assert container.wait(DEADLINE_S) == Exit(128 + signal.SIGUSR1, signal.SIGUSR1)
    with spawn(["sh", "-c", "exit 138"]) as container:
        assert container.wait(DEADLINE_S) == Exit(138)


def test_a_wait_can_time_out() -> None:
    """And the container goes on as before."""
    with spawn(RECORD) as container:
        assert line(container.stdout) == "ready"
        with pytest.raises(TimeoutError, match=f"container {container.pid} has not ended"):
            container.wait(0.01)
        assert container.poll() is None
        container.send_signal(signal.SIGUSR1)
        assert line(container.stdout) == "USR1"


def test_signals_are_relayed_by_the_init() -> None:
    """In the order in which they came."""
    with spawn(RECORD) as container:
        assert line(container.stdout) == "ready"
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM):
            container.send_signal(number)
            assert line(container.stdout) == number.name[3:]
        assert container.wait(DEADLINE_S) == Exit(0)


def test_no_signal_reaches_one_that_has_ended() -> None:
    """Its number may be somebody else's by then."""
    with spawn(["true"]) as container:
        container.wait(DEADLINE_S)
        with pytest.raises(ProcessLookupError):
            container.send_signal(signal.SIGTERM)
    with pytest.raises(ValueError, match="is closed"):
        container.send_signal(signal.SIGTERM)


def test_stop_asks_first() -> None:
    """With TERM, or what is given."""
    with spawn(RECORD) as container:
        assert line(container.stdout) == "ready"
        assert container.stop(1000) == Exit(0)
        assert line(container.stdout) == "TERM"
        assert container.stop(1000) == Exit(0)
    with spawn(["sh", "-c", "trap 'exit 3' USR1; echo ready; while read -r _; do :; done; wait"],
               stdin=subprocess.PIPE) as container:  # fmt: skip
        assert line(container.stdout) == "ready"
        assert container.stop(1000, signal.SIGINT).signal == signal.SIGINT


def test_stop_kills_what_does_not_end() -> None:
    """After the time given, and not before it was asked."""
    with spawn(DEAF) as container:
        assert line(container.stdout) == "ready"
        begun = time.monotonic()
        assert container.stop(0.2) == Exit(128 + signal.SIGKILL, signal.SIGKILL)
        assert time.monotonic() - begun >= 0.2
        assert rest(container.stdout) == "TERM"


@pytest.mark.parametrize("how", ["pid", "no pid", "no pid, detached"])
def test_kill_ends_everybody(how: str) -> None:
    """Also who has daemonized and ignores TERM; the pipe says that nobody has it open any more."""
    argv = python("leave.py", "daemon", "ignore", "3")
    kinds = {"pid", "mount"} if how == "pid" else {"mount"}
    detach = how.endswith("detached")
    with spawn(argv, kinds=kinds, detach=detach, stdin=subprocess.PIPE, grace_s=1000) as container:
        assert [line(container.stdout) for _ in range(3)] == ["ready"] * 3
        assert container.kill().code == 128 + signal.SIGKILL
        assert not rest(container.stdout)


def test_the_end_of_a_with_statement_kills() -> None:
    """And closes what belongs to it; how it ended is still told."""
    with spawn(DEAF) as container:
        assert line(container.stdout) == "ready"
    assert container.wait() == Exit(128 + signal.SIGKILL, signal.SIGKILL)
    assert container.pidfd == -1
    assert container.stdout is not None
    assert container.stdout.closed


def test_the_init_ends_what_the_command_left() -> None:
    """In good order, as from the command line: TERM, and time to end."""
    argv = python("leave.py", "daemon", "slow")
    with spawn(argv, stdin=subprocess.PIPE, grace_s=1000) as container:
        assert line(container.stdout) == "ready"
        assert container.stdin is not None
        container.stdin.close()
        assert rest(container.stdout) == "TERM\ndone"
        assert container.wait(DEADLINE_S) == Exit(7)


def test_the_pidfd_works_with_selectors() -> None:
    """It is readable when the container has ended, not before."""
    with spawn(RECORD) as container, selectors.DefaultSelector() as selector:
        assert line(container.stdout) == "ready"
        selector.register(container.pidfd, selectors.EVENT_READ)
        assert not selector.select(0)
        container.send_signal(signal.SIGTERM)
        assert selector.select(DEADLINE_S)
        assert container.poll() == Exit(0)


def test_coroutines_can_await_it() -> None:
    """Several of them, of several containers, with no thread for each."""

    async def main() -> list[Exit]:
        threads = threading.active_count()
        first, second = (spawn(["sh", "-c", "read -r _; exit $0", code], stdin=subprocess.PIPE)
                         for code in ("3", "4"))  # fmt: skip
        with first, second:
            tasks = [asyncio.ensure_future(_end(each)) for each in (first, second, first)]
            await asyncio.sleep(0)
            assert threading.active_count() <= threads + 1
            assert not any(task.done() for task in tasks)
            for each in (second, first):
                assert each.stdin is not None
                each.stdin.write(b"\n")
            return await asyncio.gather(*tasks)

    async def _end(container: Container) -> Exit:
        return await container

    assert asyncio.run(main()) == [Exit(3), Exit(4), Exit(3)]


def test_a_coroutine_that_waits_can_be_cancelled() -> None:
    """It leaves no reader in the event loop, and the container goes on."""

    async def main() -> None:
        with spawn(RECORD) as container:
            assert line(container.stdout) == "ready"
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await container
            container.send_signal(signal.SIGTERM)
            assert await container == Exit(0)
            assert await container == Exit(0)

    asyncio.run(main())


def test_it_can_be_started_in_an_executor() -> None:
    """The thread in which spawn() was called may end: the container does not end with it."""

    async def main() -> None:
        container = await asyncio.to_thread(spawn, RECORD)
        with container:
            assert line(container.stdout) == "ready"
            container.send_signal(signal.SIGTERM)
            assert await container == Exit(0)

    asyncio.run(main())


def test_threads_that_end_and_many_at_once() -> None:
    """PR_SET_PDEATHSIG counts the thread that forked as the parent; see prctl(2)."""
    started: list[Container] = []
    threads = [threading.Thread(target=lambda: started.append(spawn(RECORD))) for _ in range(4)]
    before = own_namespaces()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert own_namespaces() == before
    assert len(started) == 4
    for container in started:
        with container:
            assert line(container.stdout) == "ready"
            container.send_signal(signal.SIGTERM)
            assert container.wait(DEADLINE_S) == Exit(0)


def test_several_threads_can_wait() -> None:
    """Each is told."""
    ends: list[Exit] = []
    with spawn(RECORD) as container:
        threads = [threading.Thread(target=lambda: ends.append(container.wait())) for _ in range(3)]
        for thread in threads:
            thread.start()
        container.stop(1000)
        for thread in threads:
            thread.join(DEADLINE_S)
    assert len(ends) == 3
    assert len(set(ends)) == 1


def test_other_children_of_the_program_are_not_waited_for() -> None:
    """Those of subprocess have their status afterwards, and ours that of the container."""
    with subprocess.Popen([sys.executable, "-IS", "-c", "raise SystemExit(9)"]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        with spawn(["sh", "-c", "exit 8"]) as container:
            assert container.wait(DEADLINE_S) == Exit(8)
        assert process.wait(DEADLINE_S) == 9


def test_the_callers_namespaces_and_next_children_stay() -> None:
    """With every kind of namespace that there is."""
    before = own_namespaces()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with spawn(["true"], "user", "uts", "ipc", "net", "cgroup", "time") as container:
        new = {str(each) for each in container.namespaces.values()}
        assert not new & set(before.values())
        assert len(new) == 8
        assert own_namespaces() == before
        child = subprocess.run(["readlink", "/proc/self/ns/pid"], capture_output=True, check=True)
        assert child.stdout.decode().strip() == before["pid"]
    assert own_namespaces() == before
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask
