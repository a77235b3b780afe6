"""What an init logs, as data: one JSON object a line in a pipe; see docs/events.md."""

from __future__ import annotations

import contextlib
import json
import os
import select
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import IO


# What a pipe holds, unless it is told otherwise; see pipe(7).
PIPE_SIZE = 65536


class EventStream:
    """The reading end of a pipe that is the init's log.

    The init waits for no reader: what does not fit is dropped, and it tells how much that was.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        """Have the log of ``settings`` come here.  Raises ValueError where it goes elsewhere."""
        if not settings.keys().isdisjoint(("log_to", "log_format", "quiet")):
            raise ValueError(
                "events=True is where the log goes: expected no log_fd, log_file, log_format, quiet"
            )
        reader, self._writer = os.pipe2(os.O_CLOEXEC)
        self.file: IO[bytes] = os.fdopen(reader, "rb", buffering=0)
        self._calls: EventCalls | None = None
        settings.update(
            log_to=self._writer, log_format="json", verbose=max(settings.get("verbose", 0), 1)
        )

    def leave_writer(self) -> None:
        """Leave the writing end to the init."""
        if self._writer >= 0:
            os.close(self._writer)
            self._writer = -1

    def call(self, callback: Callable[[dict[str, Any]], object]) -> None:
        """Have ``callback`` called for each event from now on, in a thread."""
        self._calls = EventCalls(self.file, callback)

    @property
    def is_called_back(self) -> bool:
        """Whether a callback gets the events, and no iterator can."""
        return self._calls is not None

    def close(self) -> None:
        """Close both ends, when the callback has had what is there."""
        self.leave_writer()
        if self._calls is not None:
            self._calls.stop()
        self.file.close()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        buffer = b""
        while data := self.file.read(PIPE_SIZE):
            *lines, buffer = (buffer + data).split(b"\n")
            for line in lines:
                yield event_of(line)


class EventLines:
    """Calls a callback for each whole line of what it is fed with; ``told`` gets what it raises."""

    def __init__(
        self,
        callback: Callable[[dict[str, Any]], object],
        told: Callable[[Exception], object],
    ) -> None:
        self._callback = callback
        self._told = told
        self._buffer = b""

    def feed(self, data: bytes) -> None:
        """Take the next part."""
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            try:
                self._callback(event_of(line))
            except Exception as error:
                self._told(error)


class EventCalls:
    """A thread that calls a callback for each event, until the init has ended or `stop`."""

    def __init__(self, file: IO[bytes], callback: Callable[[dict[str, Any]], object]) -> None:
        # Its own: the callback may close the container.
        self._fd = os.dup(file.fileno())
        os.set_blocking(self._fd, False)
        self._wake, self._waker = os.pipe2(os.O_CLOEXEC)
        self._lines = EventLines(callback, _tell)
        self._thread = threading.Thread(target=self._work, name="pyinit-events", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread when the callback has had what is there; wait for it, unless we are it."""
        if self._waker >= 0:
            os.close(self._waker)
            self._waker = -1
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _work(self) -> None:
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        is_over = False
        while not is_over:
            is_over = any(fd == self._wake for fd, _ in poll.poll())
            with contextlib.suppress(BlockingIOError):
                data = os.read(self._fd, PIPE_SIZE)
                is_over = is_over or not data
                self._lines.feed(data)
        os.close(self._fd)
        os.close(self._wake)


def _tell(error: Exception) -> None:
    """Tell of what a callback has raised, as of what ends a thread; see `threading.excepthook`."""
    hook = (type(error), error, error.__traceback__, threading.current_thread())
    threading.excepthook(threading.ExceptHookArgs(hook))


def event_of(line: bytes) -> dict[str, Any]:
    """Return the event in a line."""
    event: dict[str, Any] = json.loads(line)
    return event
