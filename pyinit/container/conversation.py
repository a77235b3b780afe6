"""Writing to a command and reading all that it says, at once: no pipe of it stays full."""

from __future__ import annotations

import codecs
import io
import math
import os
import select
import selectors
import time
from typing import IO, Any

from pyinit.kernel import polls

_READ_SIZE = 32768


class Conversation:
    """What `Process.communicate` has begun; a call that timed out can be followed by another."""

    def __init__(
        self,
        stdin: IO[Any] | None,
        stdout: IO[Any] | None,
        stderr: IO[Any] | None,
        given: str | bytes | None,
    ) -> None:
        self._stdin = stdin
        self._readers = (stdout, stderr)
        self._read: dict[IO[Any], list[bytes]] = {each: [] for each in (stdout, stderr) if each}
        self._left = memoryview(_encoded(stdin, given))
        if stdin is not None and not stdin.closed:
            _try_to(stdin.flush)
            if not self._left:
                _try_to(stdin.close)

    def go_on(self, deadline: float | None) -> bool:
        """Write and read until all of it is closed; return False when the deadline is over.

        The deadline is one of `time.monotonic`.
        """
        with selectors.DefaultSelector() as selector:
            if self._stdin is not None and not self._stdin.closed:
                selector.register(self._stdin, selectors.EVENT_WRITE)
            for each in self._read:
                if not each.closed:
                    selector.register(each, selectors.EVENT_READ)
            while selector.get_map():
                left = math.inf if deadline is None else max(0.0, deadline - time.monotonic())
                ready = selector.select(min(left, polls.MOST_S))
                for key, _ in ready:
                    stream: Any = key.fileobj
                    is_done = self._write() if stream is self._stdin else self._read_from(stream)
                    if is_done:
                        selector.unregister(stream)
                        _try_to(stream.close)
                if not ready and left <= polls.MOST_S:
                    return False
        return True

    def _write(self) -> bool:
        """Write what is sure to fit; return whether that was all."""
        assert self._stdin is not None
        try:
            size = os.write(self._stdin.fileno(), self._left[: select.PIPE_BUF])
        except BrokenPipeError:
            return True  # nobody reads it any more, which is not our failure
        self._left = self._left[size:]
        return not self._left

    def _read_from(self, stream: IO[Any]) -> bool:
        """Read what is there; return whether it is the end."""
        data = os.read(stream.fileno(), _READ_SIZE)
        self._read[stream].append(data)
        return not data

    def said(self) -> tuple[Any, Any]:
        """Return what has been read of stdout and stderr; None for one that is no pipe.

        Raises UnicodeDecodeError.
        """
        out, err = (
            None if each is None else _decoded(each, b"".join(self._read[each]))
            for each in self._readers
        )
        return out, err

    def said_so_far(self) -> tuple[Any, Any]:
        """Return the same for an error that tells of something else: as much as is text."""
        out, err = (
            None if each is None else _decoded_so_far(each, b"".join(self._read[each]))
            for each in self._readers
        )
        return out, err


def _encoded(stdin: IO[Any] | None, given: str | bytes | None) -> bytes:
    """Return what is to be written.  Raises ValueError, TypeError."""
    if given is None:
        return b""
    if stdin is None:
        raise ValueError("input is written to a pipe: expected stdin=PIPE too")
    if isinstance(stdin, io.TextIOWrapper) and isinstance(given, str):
        return given.encode(stdin.encoding, stdin.errors or "strict")
    if isinstance(stdin, io.TextIOWrapper) or isinstance(given, str):
        expected = "bytes, or text=True" if isinstance(given, str) else "str, as text is asked for"
        raise TypeError(f"input: expected {expected}, not {type(given).__name__}")
    return bytes(given)


def _decoded(stream: IO[Any], data: bytes) -> str | bytes:
    if not isinstance(stream, io.TextIOWrapper):
        return data
    return _with_newlines(data.decode(stream.encoding, stream.errors or "strict"))


def _decoded_so_far(stream: IO[Any], data: bytes) -> str | bytes:
    """Leave a character that has not wholly come for later, and escape what is none."""
    if not isinstance(stream, io.TextIOWrapper):
        return data
    decoder = codecs.getincrementaldecoder(stream.encoding)
    try:
        text = decoder(stream.errors or "strict").decode(data, final=stream.closed)
    except UnicodeDecodeError:
        text = decoder("backslashreplace").decode(data, final=stream.closed)
    return _with_newlines(text)


def _with_newlines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _try_to(step: Any) -> None:
    try:
        step()
    except BrokenPipeError:
        pass  # nobody reads what was still to be written
