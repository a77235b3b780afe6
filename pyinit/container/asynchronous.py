"""Containers in an event loop of asyncio; nothing here keeps it waiting.

What takes its time without a descriptor to wait for (a start, a kill, a look at /proc) is done in
a thread of its own; see `pyinit.container.in_loop`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from pyinit.api.keywords import signal_of
from pyinit.container import in_loop
from pyinit.container.events import PIPE_SIZE, EventLines, event_of
from pyinit.container.process import Process
from pyinit.container.spawn import called_with, completed, run_options, spawn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Mapping
    from typing import IO, Unpack

    from pyinit.api.types import Exit, Signal, Word, Words
    from pyinit.container.container import Container
    from pyinit.container.options import ExecOptions, SpawnOptions
    from pyinit.container.spawn import Completed
    from pyinit.namespaces.found import Namespace
    from pyinit.namespaces.members import Member

_P = TypeVar("_P", bound="AsyncProcess")
_S = TypeVar("_S", bound=Process)

# Each start is an interpreter of its own: more at once would take longer, and memory.
_at_once = threading.BoundedSemaphore(2 * (os.cpu_count() or 1))


class Starting(Generic[_P]):
    """A start: to be awaited, or for ``async with``, which kills at its end."""

    def __init__(self, start: Coroutine[Any, Any, _P]) -> None:
        self._start = start
        self._made: _P | None = None

    def __await__(self) -> Generator[Any, None, _P]:
        """Return what has been started."""
        return self._start.__await__()

    async def __aenter__(self) -> _P:
        """Return what has been started."""
        self._made = await self._start
        return self._made

    async def __aexit__(self, *error: object) -> None:
        """Kill it, and close what belongs to it."""
        assert self._made is not None
        await self._made.__aexit__(*error)


class AsyncProcess:
    """A `Process` in an event loop; much of it is as in `asyncio.subprocess.Process`.

    ``stdin`` is an `asyncio.StreamWriter`, ``stdout`` and ``stderr`` are of `asyncio.StreamReader`,
    where `asyncio.subprocess.PIPE` was asked for.
    """

    __module__ = "pyinit"

    def __init__(self, process: Process) -> None:
        self._process = process
        self.stdin: asyncio.StreamWriter | None = None
        self.stdout: asyncio.StreamReader | None = None
        self.stderr: asyncio.StreamReader | None = None
        self._transports: list[asyncio.ReadTransport | asyncio.WriteTransport] = []

    async def _connect(self) -> None:
        process = self._process
        if process.stdin is not None:
            self.stdin = await self._writer(process.stdin)
        if process.stdout is not None:
            self.stdout = await self._reader(process.stdout)
        if process.stderr is not None:
            self.stderr = await self._reader(process.stderr)

    async def _writer(self, file: IO[Any]) -> asyncio.StreamWriter:
        loop = asyncio.get_running_loop()
        # Of a reader that nobody uses: the protocol is the one that a StreamWriter can drain.
        protocol = asyncio.StreamReaderProtocol(asyncio.StreamReader())
        transport, _ = await loop.connect_write_pipe(lambda: protocol, file)
        self._transports.append(transport)
        return asyncio.StreamWriter(transport, protocol, None, loop)

    async def _reader(self, file: IO[Any]) -> asyncio.StreamReader:
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), file
        )
        self._transports.append(transport)
        return reader

    def __repr__(self) -> str:
        """Return what it is and how it stands."""
        return repr(self._process).replace("<pyinit.", "<pyinit.Async", 1)

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Kill it, and close what belongs to it."""
        if self.pidfd < 0:
            return
        try:
            killing = asyncio.ensure_future(in_loop.in_thread(self._process.end))
            if await in_loop.until_done(killing):
                raise asyncio.CancelledError
            killing.result()
        finally:
            self.close()
        await asyncio.sleep(0)  # for transports, which close their files in the loop's next turn

    @property
    def args(self) -> list[str]:
        """Return the command."""
        return self._process.args

    @property
    def pid(self) -> int:
        """Return the init's number, as it is seen here."""
        return self._process.pid

    @property
    def pidfd(self) -> int:
        """Return a descriptor that becomes readable when the init ends; -1 after `close`."""
        return self._process.pidfd

    @property
    def terminal(self) -> int | None:
        """Return the descriptor of the terminal's other side, where there is one."""
        return self._process.terminal

    @property
    def returncode(self) -> int | None:
        """Return the end as `subprocess.Popen` has it, -N after signal N; else None."""
        return self._process.returncode

    def poll(self) -> Exit | None:
        """Return how it ended, or None while it has not."""
        return self._process.poll()

    async def wait(self) -> Exit:
        """Wait until the command and all that it left behind have ended; return its end.

        For a time-out there is `asyncio.timeout`.  Raises ChildProcessError when somebody else has
        waited for our child; see waitid(2).
        """
        return await self._process

    async def communicate(self, input: bytes | None = None) -> tuple[bytes | None, bytes | None]:  # noqa: A002 - as there
        """Write ``input``, read stdout and stderr to their end, and wait; return what was read."""
        self._process.open_pidfd()
        if input is not None and self.stdin is None:
            raise ValueError("input is written to a pipe: expected stdin=PIPE too")
        _, out, err = await asyncio.gather(
            self._feed(input), _whole(self.stdout), _whole(self.stderr)
        )
        await self.wait()
        return out, err

    async def _feed(self, data: bytes | None) -> None:
        if self.stdin is None:
            return
        try:
            if data:
                self.stdin.write(data)
            await self.stdin.drain()
        except ConnectionError:
            pass  # nobody reads it any more, which is not our failure
        self.stdin.close()

    def send_signal(self, signal: Signal) -> None:
        """Send a signal, a number or a name such as "TERM", to the init, which relays it.

        See pidfd_send_signal(2).  Raises ProcessLookupError when it has ended.
        """
        self._process.send_signal(signal)

    def terminate(self) -> None:
        """Send SIGTERM; do nothing when it has ended."""
        self._process.terminate()

    async def stop(self, timeout: float = 10.0, signal: Signal = "TERM") -> Exit:  # noqa: ASYNC109 - until it is killed
        """Send ``signal``, and kill what has not ended ``timeout`` seconds later."""
        number = signal_of(signal)
        if self.poll() is None:
            self._process._try_signal(number)
        try:
            async with asyncio.timeout(timeout):
                return await self.wait()
        except TimeoutError:
            return await self.kill()

    async def kill(self) -> Exit:
        """Kill the command and everything that it has started; return its end.

        Raises TimeoutError when the kernel cannot end it, as in D state.
        """
        return await in_loop.in_thread(self._process.kill)

    def resize(self, columns: int, rows: int) -> None:
        """Set the size of the terminal; see `Process.resize`."""
        self._process.resize(columns, rows)

    def close(self) -> None:
        """Close the descriptors and streams; the process is not touched."""
        for transport in self._transports:
            if not isinstance(transport, asyncio.WriteTransport):
                transport.close()
            elif not transport.is_closing() or transport.get_write_buffer_size():
                transport.abort()  # close() would wait for a reader
        process = self._process
        # What is connected is the transports'; a start that is cancelled has not connected all.
        if self.stdin is not None:
            process.stdin = None
        if self.stdout is not None:
            process.stdout = None
        if self.stderr is not None:
            process.stderr = None
        process.close()


class AsyncContainer(AsyncProcess):
    """A `Container` in an event loop; made by `spawn_async`."""

    __module__ = "pyinit"

    def __init__(self, container: Container) -> None:
        super().__init__(container)
        self._container = container
        self._events: asyncio.StreamReader | None = None
        self._calls: _EventCalls | None = None

    async def call(self, callback: Callable[[dict[str, Any]], object]) -> None:
        """Have ``callback`` called in the loop for each event."""
        file = self._container.event_stream().file
        calls = _EventCalls(callback, file)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: calls, file)
        self._transports.append(transport)
        self._calls = calls

    def close(self) -> None:
        """Close the descriptors and streams; the process is not touched."""
        if self._calls is not None:
            self._calls.finish()
            self._calls = None
        super().close()

    @property
    def namespaces(self) -> Mapping[str, Namespace]:
        """Return those of the init, by kind; none where no /proc shows our children."""
        return self._container.namespaces

    def exec(self, argv: Words[Word], **how: Unpack[ExecOptions]) -> Starting[AsyncProcess]:
        """Start another command in the container; to be awaited, or for ``async with``."""
        _refuse_text(how)
        return Starting(_start(lambda: self._container.exec(argv, **how), AsyncProcess))

    async def processes(self) -> list[Member]:
        """Return the processes of the container; see `Container.processes`."""
        return await in_loop.in_thread(self._container.processes)

    async def freeze(self) -> str:
        """Stop all processes of the container; see `Container.freeze`."""
        return await in_loop.in_thread(self._container.freeze)

    async def thaw(self) -> str:
        """Let them go on; see `Container.thaw`."""
        return await in_loop.in_thread(self._container.thaw)

    async def status(self) -> dict[str, Any]:
        """Return what ``pyinitctl status --json`` shows of it."""
        return await in_loop.in_thread(self._container.status)

    async def doctor(self) -> dict[str, Any]:
        """Return what ``pyinitctl doctor --json`` finds wrong with it."""
        return await in_loop.in_thread(self._container.doctor)

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        """Yield what the init logs, until the container has ended; see `Container.events`."""
        stream = self._container.event_stream()
        if self._events is None:
            self._events = await self._reader(stream.file)
        while line := await self._events.readline():
            yield event_of(line)
        await self.wait()


class _EventCalls(asyncio.Protocol):
    """Calls a callback in the loop, which is told of what that raises."""

    def __init__(self, callback: Callable[[dict[str, Any]], object], file: IO[bytes]) -> None:
        self._loop = asyncio.get_running_loop()
        self._lines = EventLines(callback, self._tell)
        self._file = file

    def data_received(self, data: bytes) -> None:
        self._lines.feed(data)

    def finish(self) -> None:
        """Take what is there, before the file is closed."""
        with contextlib.suppress(OSError, ValueError):  # there is nothing; it was closed at its end
            self._lines.feed(self._file.read(PIPE_SIZE) or b"")

    def _tell(self, error: Exception) -> None:
        self._loop.call_exception_handler(
            {"message": "the callback for events has failed", "exception": error}
        )


def spawn_async(argv: Words[Word], **how: Unpack[SpawnOptions]) -> Starting[AsyncContainer]:
    """Start a command in new namespaces, as `spawn` does; to be awaited, or for ``async with``.

    A callback as ``events``, and ``logger``, are called in the loop.  A cancelled start leaves
    nothing behind.
    Raises ValueError, TypeError, `NamespaceError` and `StartError` as `spawn`; see
    namespaces(7).
    """
    _refuse_text(how)
    events = called_with(how.get("events", False), how.pop("logger", None), how)
    if not callable(events):
        return Starting(_start(lambda: spawn(argv, **how), AsyncContainer))
    how["events"] = True
    return Starting(_called_back(argv, how, events))


async def _called_back(
    argv: Words[Word], how: SpawnOptions, events: Callable[[dict[str, Any]], object]
) -> AsyncContainer:
    container = await _start(lambda: spawn(argv, **how), AsyncContainer)
    try:
        await container.call(events)
    except BaseException:
        await container.__aexit__()
        raise
    return container


async def run_container_async(
    argv: Words[Word],
    *,
    input: bytes | None = None,  # noqa: A002 - as there
    capture_output: bool = False,
    check: bool = False,
    **how: Unpack[SpawnOptions],
) -> Completed:
    """Start a container, communicate with it, and return how it has ended, as `run_container`.

    For a time-out there is `asyncio.timeout`: a container is killed when what awaits it is
    cancelled.  Raises `subprocess.CalledProcessError` and as `spawn`; see namespaces(7).
    """
    options = run_options(how, input, capture_output=capture_output)
    async with spawn_async(argv, **options) as container:
        said = await container.communicate(input)
        return completed(container.args, await container.wait(), said, check=check)


async def _start(call: Callable[[], _S], kind: Callable[[_S], _P]) -> _P:
    def start() -> _S:
        with _at_once:
            return call()

    process = await in_loop.in_thread(start, _discard)
    made = kind(process)
    try:
        await made._connect()
    except BaseException:
        await made.__aexit__()
        raise
    return made


def _discard(process: Process) -> None:
    with process:
        pass


async def _whole(stream: asyncio.StreamReader | None) -> bytes | None:
    return None if stream is None else await stream.read()


def _refuse_text(how: ExecOptions) -> None:
    for name in ("text", "encoding", "errors"):
        if how.get(name):
            raise ValueError(f"{name}: streams of asyncio are bytes, as in asyncio.subprocess")
