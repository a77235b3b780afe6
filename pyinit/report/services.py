"""What the supervisor of services tells its init, for the report and the files that are kept.

A message is all that there is to say, in lines of words with tabs between them.  It is a
container's word: what does not have the form is dropped.  When one comes the kernel sends the
init SIGCHLD (F_SETSIG in fcntl(2)), so that it wakes up as for a child, and looks at what it has
to write.
"""

from __future__ import annotations

import posix

from pyinit import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# A message has so many bytes at most, and one look takes so many messages; services have their
# names' characters.
LONGEST = 1 << 17
_MOST_AT_ONCE = 16
_NAME = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")
_WORD = frozenset("abcdefghijklmnopqrstuvwxyz")

_FIELDS = 10
_MOST_DIGITS = 18


def connect(pid: int) -> tuple[int, int]:
    """Return a descriptor for the init, of number ``pid``, and one for the supervisor.

    Raises OSError.
    """
    import _signal
    import _socket
    import fcntl

    kind = _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC | _socket.SOCK_NONBLOCK
    pair = _socket.socketpair(_socket.AF_UNIX, kind)
    reader, writer = (each.detach() for each in pair)
    try:
        fcntl.fcntl(reader, fcntl.F_SETOWN, pid)
        fcntl.fcntl(reader, fcntl.F_SETSIG, int(_signal.SIGCHLD))
        flags = fcntl.fcntl(reader, fcntl.F_GETFL)
        fcntl.fcntl(reader, fcntl.F_SETFL, flags | posix.O_NONBLOCK | fcntl.FASYNC)
    except OSError:
        pass  # a kernel that is none: the init learns of it when it wakes up for something else
    return reader, writer


def write(
    rows: list[tuple[object, ...]], head: tuple[str, str, int], last_lines: list[str]
) -> bytes:
    """Return a message: a row for each service, what the stop came from, and lines of who it was.

    ``head`` has what it came from, whose end it was, and the longest that an ordered stop can
    take, in milliseconds.
    A row is name, type, state, whether it is ready (1 or 0), PID, the moment of its state in
    microseconds of time.monotonic(), starts, restarts, exit code and signal; "" is none.
    """
    lines = ["\t".join(map(str, each)) for each in (head, *rows)]
    return "\n".join([*lines, "", *last_lines, ""]).encode("utf-8", "backslashreplace")


class Told:
    """What was told last: ``services``, None before the first word, and ``stop`` if it has begun.

    ``stop_timeout_s`` is the longest that an ordered stop can take, None before the first word.
    Messages come on the descriptor ``fd``; times are made seconds since ``started``.
    """

    def __init__(self, fd: int, started: float) -> None:
        self.services: list[dict[str, Any]] | None = None
        self.stop: dict[str, Any] | None = None
        self.stop_timeout_s: float | None = None
        self._fd = fd
        self._started = started

    def look(self) -> bool:
        """Take what has come, and wait for nothing; return whether there was anything."""
        is_new = False
        for _ in range(_MOST_AT_ONCE):
            try:
                data = posix.read(self._fd, LONGEST)
            except OSError:
                break  # EAGAIN
            if not data:
                break  # the supervisor has ended
            try:
                self._take(data.decode("utf-8", "replace"))
            except ValueError:
                continue
            is_new = True
        return is_new

    def _take(self, text: str) -> None:
        """Take a message.  Raises ValueError."""
        head, _, last_lines = text.partition("\n\n")
        first, *rows = head.split("\n")
        cause, name, timeout = first.split("\t")
        stop_timeout_s = _number(timeout) / 1000
        services = [self._row(row.split("\t")) for row in rows]
        stop = None
        if cause:
            stop = {
                "cause": cause,
                "service": _name(name) if name else None,
                "last_lines": last_lines.split("\n")[:-1],
            }
        self.services, self.stop, self.stop_timeout_s = services, stop, stop_timeout_s

    def _row(self, words: list[str]) -> dict[str, Any]:
        if len(words) != _FIELDS:
            raise ValueError(len(words))
        name, kind, state, ready, pid, since, starts, restarts, code, signal = words
        if not _WORD.issuperset(kind + state):
            raise ValueError(state)
        return {
            "name": _name(name),
            "type": kind,
            "state": state,
            "ready": ready == "1",
            "pid": _number(pid) if pid else None,
            "since_s": round(_number(since) / 1e6 - self._started, 6),
            "starts": _number(starts),
            "restarts": _number(restarts),
            "exit_code": _number(code) if code else None,
            "signal": signals.name(_number(signal)) if signal else None,
        }


def _name(word: str) -> str:
    if not word or not _NAME.issuperset(word):
        raise ValueError(word)
    return word


def _number(word: str) -> int:
    if len(word) > _MOST_DIGITS or not word.isdecimal():
        raise ValueError(word)
    return int(word)
