"""`close()` of what `exec()` has started is not its end: the container's end still waits for it."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

from pyinit import Exit
from tests.harness import DEADLINE_S, children, python, until
from tests.spawning import line, spawn

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyinit import Container, Process

pytestmark = pytest.mark.usefixtures("namespaces")

PIPE = subprocess.PIPE
KILLED = Exit(128 + signal.SIGKILL, signal.SIGKILL)
DEAF = python("record.py", "-", "USR1")


def closed(inside: Container, *, is_over: bool) -> int:
    """Start a command there and close it, before or after its end; return its init's number."""
    process = inside.exec(DEAF, stdout=PIPE)
    assert line(process.stdout) == "ready"
    if is_over:
        process.send_signal(signal.SIGKILL)
        await_end(process)
    process.close()
    return process.pid


def await_end(process: Process) -> None:
    """Wait until it is a zombie, and leave that."""
    poll = select.poll()
    poll.register(process.pidfd, select.POLLIN)
    assert poll.poll(DEADLINE_S * 1000)


def by_wait(inside: Container) -> Exit:
    """Kill the init, and wait."""
    inside.send_signal(signal.SIGKILL)
    return inside.wait(DEADLINE_S)


def by_communicate(inside: Container) -> Exit:
    """Kill the init, and read to the end."""
    inside.send_signal(signal.SIGKILL)
    inside.communicate(timeout=DEADLINE_S)
    return inside.wait(DEADLINE_S)


def by_await(inside: Container) -> Exit:
    """Kill the init, and wait in an event loop."""

    async def main() -> Exit:
        async with asyncio.timeout(DEADLINE_S):
            return await inside

    inside.send_signal(signal.SIGKILL)
    return asyncio.run(main())


WAYS: dict[str, Callable[[Container], Exit]] = {
    "wait": by_wait,
    "communicate": by_communicate,
    "await": by_await,
    "kill": lambda inside: inside.kill(),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("is_over", [True, False])
def test_who_waits_for_the_container_waits_for_a_closed_one_too(way: str, is_over: bool) -> None:  # noqa: FBT001
    """It is our child, and a zombie of the container's PID namespace until it is reaped."""
    with spawn(["sleep", "1000"]) as inside:
        pid = closed(inside, is_over=is_over)
        assert WAYS[way](inside) == KILLED
        assert pid not in children(os.getpid())


def test_a_close_while_another_thread_waits() -> None:
    """The wait goes on to the container's end."""
    with spawn(["sleep", "1000"]) as inside:
        process = inside.exec(DEAF, stdout=PIPE)
        assert line(process.stdout) == "ready"
        ends: list[object] = []
        waiting = threading.Thread(target=lambda: ends.append(inside.wait()))
        waiting.start()
        until(lambda: len(inside.on_inside) == 1, "it waits")
        process.close()
        # So that the thread has had to look anew at what there is.
        with inside.exec(["true"]) as other:
            other.wait(DEADLINE_S)
        inside.send_signal(signal.SIGKILL)
        waiting.join(DEADLINE_S)
        assert ends == [KILLED]


def test_a_close_while_a_task_waits() -> None:
    """In an event loop."""

    async def end(inside: Container) -> Exit:
        return await inside

    async def main() -> Exit:
        with spawn(["sleep", "1000"]) as inside:
            process = inside.exec(DEAF, stdout=PIPE)
            assert line(process.stdout) == "ready"
            waiting = asyncio.ensure_future(end(inside))
            await asyncio.sleep(0)
            assert len(inside.on_inside) == 1  # it waits
            process.close()
            inside.send_signal(signal.SIGKILL)
            async with asyncio.timeout(DEADLINE_S):
                return await waiting

    assert asyncio.run(main()) == KILLED


def test_somebody_else_has_waited_for_it() -> None:
    """It is gone, which is all that the container's end takes."""
    with spawn(["sleep", "1000"]) as inside:
        os.waitpid(closed(inside, is_over=True), 0)
        with inside.exec(["true"]) as process:
            os.waitpid(process.pid, 0)
            assert by_wait(inside) == KILLED
            with pytest.raises(ChildProcessError):
                process.wait()


@pytest.mark.parametrize("number", [10, pytest.param(200, marks=pytest.mark.long)])
def test_many_closed_ones(number: int) -> None:
    """Neither a descriptor nor a zombie for each stays while the container runs, or after it."""

    def held() -> tuple[int, int]:
        return len(os.listdir("/proc/self/fd")), len(children(os.getpid()))

    with spawn(["true"]) as container:
        container.wait(DEADLINE_S)
    before = held()
    with spawn(["sleep", "1000"]) as inside:
        after_first = None
        for _ in range(number):
            process = inside.exec(["true"])
            await_end(process)
            process.close()
            after_first = after_first or held()
        assert held() == after_first
        closed(inside, is_over=False)
    assert held() == before
