"""Containers in an event loop: as asyncio.subprocess has processes, and nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import pytest
import trio

import pyinit
from pyinit import AsyncContainer, Exit
from tests.harness import DEADLINE_S, children, draw, python, until
from tests.spawning import USER, spawn

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from pyinit.container.asynchronous import Starting

pytestmark = pytest.mark.usefixtures("namespaces", "nothing_is_left")

PIPE = subprocess.PIPE
MUCH = b"0123456789abcde\n" * 100_000
RECORD = python("record.py", "TERM", "USR1", "USR2")
# Tells that TERM came, and stays.
DEAF = python("record.py", "-", "TERM")
T = TypeVar("T")


def start(argv: list[str], *more: str, **how: Any) -> Starting[AsyncContainer]:
    """Start one with an empty stdin and a pipe for stdout."""
    files: Any = {"stdin": subprocess.DEVNULL, "stdout": PIPE, **how}
    return pyinit.spawn_async(argv, namespaces={"pid", "mount", *more, *USER}, **files)


def held() -> dict[str, object]:
    """Return what can be left behind."""
    return {
        "children": children(os.getpid()),
        "descriptors": sorted(os.listdir("/proc/self/fd")),
        "threads": sorted(each.name for each in threading.enumerate()),
    }


@pytest.fixture
def nothing_is_left(namespaces: None) -> Iterator[None]:
    """Fail a test that leaves a process, a descriptor, a thread, or a warning at the end."""
    with spawn(["true"]):  # from the first one on there is a thread more
        pass
    before = held()
    yield
    gc.collect()
    with contextlib.suppress(AssertionError):
        until(lambda: held() == before, "there is as much as before")
    assert held() == before


def run(
    main: Coroutine[Any, Any, T], loop: Callable[[], asyncio.AbstractEventLoop] | None = None
) -> T:
    """Run a program in a loop in which nothing may go wrong unseen, or be left at the end."""
    told: list[dict[str, Any]] = []

    async def watched() -> T:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        async with asyncio.timeout(DEADLINE_S):
            result = await main
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return result

    with asyncio.Runner(loop_factory=loop) as runner:
        result = runner.run(watched())
    gc.collect()
    assert not told
    return result


async def line(stream: asyncio.StreamReader | None) -> str:
    """Return the next line without its end."""
    assert stream is not None
    return (await stream.readline()).decode().rstrip("\n")


# -- as asyncio.subprocess has it ------------------------------------------------------------------


def test_communicate() -> None:
    """More than pipes hold, in both directions."""

    async def main() -> None:
        async with start(["tee", "/dev/stderr"], stdin=PIPE, stderr=PIPE) as container:
            assert container.returncode is None
            out, err = await container.communicate(MUCH)
            assert (out == MUCH, err == MUCH) == (True, True)
            assert container.returncode == 0
        async with start(["true"], stdin=PIPE) as container:
            assert await container.communicate(MUCH) == (b"", None)

    run(main())


def test_streams() -> None:
    """Those of asyncio."""

    async def main() -> None:
        async with start(["cat"], stdin=PIPE) as container:
            assert container.stdin is not None
            assert container.stdout is not None
            container.stdin.writelines([b"one\n", b"two\n"])
            await container.stdin.drain()
            assert await container.stdout.readexactly(8) == b"one\ntwo\n"
            container.stdin.close()
            await container.stdin.wait_closed()
            assert await container.stdout.read() == b""
            assert await container.wait() == Exit(0)
            assert repr(container).startswith(f"<pyinit.AsyncContainer pid={container.pid} Exit(")

    run(main())


def test_it_can_be_awaited_or_entered() -> None:
    """A start that is only awaited is closed by ``async with`` later, or by hand."""

    async def main() -> None:
        container = await start(RECORD)
        async with container:
            assert await line(container.stdout) == "ready"
        assert container.returncode == -signal.SIGKILL
        with pytest.raises(ValueError, match=f"^container {container.pid} is closed$"):
            await container.communicate()
        other = await start(RECORD)
        await other.kill()
        other.close()

    run(main())


def test_signals_and_a_stop() -> None:
    """By name and number; what does not end is killed."""

    async def main() -> None:
        async with start(RECORD) as container:
            assert await line(container.stdout) == "ready"
            container.send_signal("USR1")
            assert await line(container.stdout) == "USR1"
            assert await container.stop(1000) == Exit(0)
            container.terminate()
            assert await container.stop() == Exit(0)
        async with start(DEAF) as container:
            assert await line(container.stdout) == "ready"
            assert (await container.stop(0.2)).signal is signal.SIGKILL
            assert await line(container.stdout) == "TERM"

    run(main())


def test_exec_and_what_is_inside() -> None:
    """One that starts while the container is waited for is waited for too."""

    async def main() -> None:
        async with start(["sh", "-c", "read -r _"], stdin=PIPE) as container:
            waiting = asyncio.ensure_future(container.wait())
            async with container.exec(["echo", "x"], stdout=PIPE) as process:
                assert await process.communicate() == (b"x\n", None)
            late = await container.exec(["sleep", "1000"])
            assert len(await container.processes()) == 4  # each has an init
            assert container.stdin is not None
            container.stdin.close()
            assert await waiting == Exit(1)
            async with late:
                assert late.returncode is not None

    run(main())


def test_freeze() -> None:
    """And thaw."""

    async def main() -> None:
        async with start(RECORD) as container:
            assert await line(container.stdout) == "ready"
            await container.freeze()
            container.send_signal("USR1")
            await container.thaw()
            assert await line(container.stdout) == "USR1"
            await container.freeze()

    run(main())


def test_events() -> None:
    """They are awaited."""

    async def main() -> list[str]:
        async with start(["sleep", "1000"], events=True) as container:
            names = []
            async for event in container.events():
                names.append(event["event"])
                if names[-1] == "child_started":
                    container.terminate()
            return names

    names = run(main())
    assert names == ["init_started", "child_started", "signal_received", "child_exited", "exiting"]


def test_events_by_a_callback() -> None:
    """It is called in the loop, has had all at the end, and what it raises is told there."""
    seen: list[str] = []
    told: list[Exception] = []
    loop: list[asyncio.AbstractEventLoop] = []

    def take(event: dict[str, Any]) -> None:
        assert asyncio.get_running_loop() is loop[0]
        seen.append(event["event"])
        raise LookupError

    async def main() -> None:
        loop.append(asyncio.get_running_loop())
        loop[0].set_exception_handler(lambda _, context: told.append(context["exception"]))
        async with start(["true"], events=take) as container:
            await container.wait()

    asyncio.run(main())
    assert seen == ["init_started", "child_started", "child_exited", "exiting"]
    assert [type(each) for each in told] == [LookupError] * 4


def test_run_container() -> None:
    """Start, communicate, wait and close in one."""

    async def main() -> None:
        kinds: Any = {"namespaces": {"pid", "mount", *USER}}
        done = await pyinit.run_container_async(
            ["cat"], input=b"x", capture_output=True, check=True, **kinds
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, b"x", b"")
        with pytest.raises(subprocess.CalledProcessError):
            await pyinit.run_container_async(["false"], check=True, **kinds)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await pyinit.run_container_async(["sleep", "1000"], **kinds)

    run(main())


def test_what_fails_is_told() -> None:
    """As by `spawn`, where it is awaited; what is wrong in the call is told at once."""

    async def main() -> None:
        with pytest.raises(pyinit.StartError):
            await start(["/nonexistent"])
        with pytest.raises(TypeError, match="expected a set of words"):
            await pyinit.spawn_async(["true"], namespaces="pid")  # type: ignore[arg-type]
        for how in ({"text": True}, {"encoding": "utf-8"}, {"errors": "strict"}):
            with pytest.raises(ValueError, match="streams of asyncio are bytes"):
                start(["true"], **how)

    run(main())


# -- nothing blocks the loop -----------------------------------------------------------------------


def waits() -> dict[str, float]:
    """Return for how many seconds each of our threads has waited for a processor.

    See /proc/PID/task/TID/schedstat in proc(5): the second number, in nanoseconds.
    """
    found = {}
    for thread in os.listdir("/proc/self/task"):
        with contextlib.suppress(OSError), open(f"/proc/self/task/{thread}/schedstat") as file:
            found[thread] = int(file.read().split()[1]) / 1e9
    return found


@contextlib.contextmanager
def watched(bound_s: float) -> Iterator[None]:
    """Fail for a callback of the loop that keeps it for longer than the bound."""
    kept: list[float] = []
    whole = asyncio.Handle._run

    def measured(self: asyncio.Handle) -> None:
        before, begun_s = waits(), time.monotonic()
        whole(self)
        kept.append(time.monotonic() - begun_s)
        if kept[-1] > bound_s:
            # Any of them may have had the interpreter meanwhile.
            kept[-1] -= sum(now - before.get(thread, 0) for thread, now in waits().items())
            print(f"{kept[-1] * 1000:.1f} ms in {self!r}")

    asyncio.Handle._run = measured  # type: ignore[method-assign]
    try:
        yield
    finally:
        asyncio.Handle._run = whole  # type: ignore[method-assign]
    print(f"{len(kept)} callbacks, at most {max(kept) * 1000:.1f} ms")
    assert max(kept) <= bound_s


def test_nothing_keeps_the_loop() -> None:
    """For longer than 20 ms, whatever is asked for."""

    async def main() -> None:
        async with start(DEAF, stdin=PIPE) as container:
            assert await line(container.stdout) == "ready"
            async with container.exec(["cat"], stdin=PIPE, stdout=PIPE) as process:
                await process.communicate(MUCH)
            await container.processes()
            await container.freeze()
            await container.thaw()
            await container.stop(0.1)
        kinds = {"mount", *USER}  # without an init that the kernel knows as one
        async with pyinit.spawn_async(DEAF, namespaces=kinds, stdout=PIPE) as container:
            assert await line(container.stdout) == "ready"
            await container.freeze()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                await _entered(start(["sleep", "1000"]))

    with watched(0.02):
        run(main())


# -- cancellation ----------------------------------------------------------------------------------


@pytest.mark.parametrize("turn", range(6))
def test_a_start_is_cancelled(turn: int) -> None:
    """At any moment: what it has made is gone when the cancelled start has returned."""
    after_s = draw(f"cancel {turn}").uniform(0, 0.15)

    async def main() -> None:
        before = children(os.getpid())
        task = asyncio.ensure_future(body())
        await asyncio.sleep(after_s)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert children(os.getpid()) == before

    async def body() -> None:
        async with start(["sleep", "1000"], stdin=PIPE, stderr=PIPE):
            await asyncio.sleep(DEADLINE_S)

    run(main())


@pytest.mark.parametrize("streams", [1, 2, 3])
def test_a_start_is_cancelled_between_its_streams(streams: int) -> None:
    """Those that are connected are closed, and those that are not yet."""

    async def main() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await _entered(start(["sleep", "1000"], stdin=PIPE, stderr=PIPE))

    run(main(), lambda: CancelsAt(streams))


class CancelsAt(asyncio.SelectorEventLoop):
    """A loop that cancels a task when it connects stream number ``streams``."""

    def __init__(self, streams: int) -> None:
        super().__init__()
        self._streams = streams

    def _count(self) -> None:
        self._streams -= 1
        if self._streams == 0:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()

    async def connect_write_pipe(self, *args: Any) -> Any:
        """Connect stdin."""
        self._count()
        return await super().connect_write_pipe(*args)

    async def connect_read_pipe(self, *args: Any) -> Any:
        """Connect another."""
        self._count()
        return await super().connect_read_pipe(*args)


async def _entered(starting: Starting[Any]) -> None:
    async with starting:
        await asyncio.sleep(DEADLINE_S)


async def _all(container: AsyncContainer) -> None:
    async for _ in container.events():
        pass


WAITS: dict[str, Callable[[AsyncContainer], Coroutine[Any, Any, object]]] = {
    "wait": AsyncContainer.wait,
    "communicate": lambda each: each.communicate(MUCH),
    "stop": lambda each: each.stop(1000, "WINCH"),
    "exec": lambda each: _entered(each.exec(["sleep", "1000"])),
    "events": _all,
}


@pytest.mark.parametrize("name", WAITS)
def test_a_wait_is_cancelled(name: str) -> None:
    """The container goes on, and can be waited for again."""

    async def main() -> None:
        script = "echo ready; exec 3<&0 0</dev/null; read -r _ <&3; sleep 1000"
        async with start(["sh", "-c", script], stdin=PIPE, events=True) as container:
            assert await line(container.stdout) == "ready"
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await WAITS[name](container)
            assert container.poll() is None
            container.terminate()
            assert (await container.wait()).signal is signal.SIGTERM

    run(main())


def test_the_end_is_cancelled_again_and_again() -> None:
    """It is dead all the same, and what was cancelled knows it."""

    async def main() -> None:
        container = await start(["sleep", "1000"])
        task = asyncio.ensure_future(container.__aexit__())
        await asyncio.sleep(0)
        while not task.done():
            task.cancel()
            await asyncio.sleep(0)
        assert task.cancelled()
        assert container.returncode == -signal.SIGKILL
        assert container.pidfd == -1

    run(main())


# -- other loops -----------------------------------------------------------------------------------


def test_under_anyio() -> None:
    """Its cancelled scopes cancel each await, also those of a clean-up."""

    async def main() -> None:
        with anyio.move_on_after(0.05):
            async with start(["sleep", "1000"]):
                await anyio.sleep(DEADLINE_S)
        with anyio.CancelScope() as scope:
            async with start(DEAF) as container:
                scope.cancel()
                await container.wait()
        assert scope.cancelled_caught
        assert container.returncode == -signal.SIGKILL
        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(one)

    async def one() -> None:
        async with start(["echo", "x"]) as container:
            assert await container.communicate() == (b"x\n", None)

    anyio.run(main)


def test_under_trio(monkeypatch: pytest.MonkeyPatch) -> None:
    """As docs/api.md has it: a start in a thread, and the pidfd."""
    # trio keeps its thread for 10 s, which `nothing_is_left` would wait for.
    monkeypatch.setattr("trio._core._thread_cache.IDLE_TIMEOUT", 0.01, raising=False)

    async def main() -> None:
        container = await trio.to_thread.run_sync(lambda: spawn(["sh", "-c", "exit 3"]))
        with container:
            await trio.lowlevel.wait_readable(container.pidfd)
            assert container.wait() == Exit(3)

    trio.run(main)


# -- many ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [20, pytest.param(200, marks=pytest.mark.long)])
def test_many_at_once(number: int) -> None:
    """All of them at the same time; see also the fixture."""

    async def one(code: int) -> Exit:
        async with start(["sh", "-c", f"echo x; read -r _; exit {code}"], stdin=PIPE) as container:
            assert container.stdin is not None
            assert await line(container.stdout) == "x"
            if code % 3 == 0:
                return await container.stop()
            container.stdin.close()
            return await container.wait()

    async def main() -> list[Exit]:
        return await asyncio.gather(*(one(code % 100) for code in range(number)))

    ends = run(main())
    assert [end.code for end in ends] == [
        143 if code % 100 % 3 == 0 else code % 100 for code in range(number)
    ]
