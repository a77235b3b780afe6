"""Events as lines of a log; structlog renders them, and is loaded for the first one.

A log that nobody reads must not stop PID 1: a line that does not fit into
stderr now is dropped, and the next one that fits says how many were.
"""

import _signal
import errno
import posix

from pyinit.settings import CONSOLE, JSON

_METHODS = ("error", "warning", "info", "debug")
_INFO = 2  # from here on it is a log that was asked for

# The longest line in bytes: a pipe takes this much whole or not at all; see pipe(7).
PIPE_BUF = 4096
_CUT = b" ..."
_RESET_COLORS = b"\x1b[0m"

# A flag of pwritev2(2) that the file does not take; the call is unknown, to the kernel or to a
# seccomp filter, which answers EPERM where runtimes were made before it.
_CANNOT = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM)

# What write(2) sends to its caller when it fails so: not meant for the command.
_SENT_BY_WRITE = {errno.EPIPE: _signal.SIGPIPE, errno.EFBIG: _signal.SIGXFSZ}

# Types in st_mode, see inode(7); the module `stat` would have to be imported.
_S_IFMT = 0o170000
_S_IFIFO = 0o010000
_S_IFSOCK = 0o140000
_PTMX = 0x502  # st_rdev of a pty's master: opened again it is another pty; see pts(4)


class Writer:
    """Events, one line each in ``style``, on ``fd``."""

    __slots__ = ("_dropped", "_logger", "_missing", "_plain", "_sink", "_style")

    def __init__(self, fd: int, style: str = "") -> None:
        self._sink = Sink(fd)
        self._style = style or (CONSOLE if self._sink.is_terminal else JSON)
        self._dropped = 0
        self._logger: object = None
        self._plain = False
        self._missing = False

    def emit(
        self, level: int, event: str, fields: "dict[str, object]", when: "When | None" = None
    ) -> None:
        """Say that ``event`` happened; raises nothing."""
        try:
            import time

            # Before structlog is loaded, which takes long.
            when = when or (time.time(), time.monotonic())
            if self._logger is None and not self._plain:
                self._load()
            if self._missing and level >= _INFO and self._style != JSON:
                self._missing = False
                effect: dict[str, object] = {"effect": "lines have no time and no color"}
                self._say(_INFO, "structlog_missing", effect, when)
            if self._plain:
                self._say(level, event, fields, when)
            else:
                told = self._with_loss(fields)
                getattr(self._logger, _METHODS[level])(event, when=when, told=told)
        except Exception:
            self._dropped += 1

    def _say(self, level: int, event: str, fields: "dict[str, object]", when: "When") -> None:
        """Write an event without structlog."""
        fields = self._with_loss(fields)
        if self._style == JSON:
            self.write(as_json(head(_METHODS[level], event, when) | fields))
            return
        words = "".join(f" {key}={printable(value)}" for key, value in fields.items())
        self.write(f"pyinit: {_METHODS[level]}: {event}{words}")

    def _with_loss(self, fields: "dict[str, object]") -> "dict[str, object]":
        """Return the fields, and how many lines have been dropped before this one."""
        return fields | {"dropped_lines": self._dropped} if self._dropped else fields

    def _load(self) -> None:
        """Make the logger, or be plain when there is no descriptor, memory or structlog for it."""
        try:
            from pyinit.log import rendering

            # https://no-color.org: present and not empty.
            refused = posix.environ.get(b"NO_COLOR") or posix.environ.get(b"TERM") == b"dumb"
            color = self._sink.is_terminal and not refused
            self._logger = rendering.make_logger(self.write, self._style, color=color)
        except ImportError:
            self._plain = self._missing = True
        except Exception:
            self._plain = True

    def close(self) -> None:
        """Write no more; ``fd`` stays open."""
        self._sink.close()

    def write(self, line: str) -> None:
        """Write one line if it fits without waiting; otherwise drop and count it."""
        if self._sink.write(line):
            self._dropped = 0  # the line told of them
        else:
            self._dropped += 1


class Sink:
    """Descriptor ``fd``, to which lines are written without waiting, unless it is a disk's file.

    Its kind is looked at when this is made: if ``fd`` is closed then, whatever
    is opened next gets its number, and must not be written to.
    """

    __slots__ = (
        "_at_once",
        "_fd",
        "_flags",
        "_is_ready",
        "_own",
        "_type",
        "_unsent",
        "is_open",
        "is_terminal",
    )

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._own = -1  # a descriptor that was opened here
        self._type = 0
        self._flags = 0
        self._at_once = (
            0  # so many bytes fit when poll(2) says that there is room; 0: it is not asked
        )
        self._is_ready = False
        self._unsent = b""
        self.is_open = True
        self.is_terminal = False
        try:
            status = posix.fstat(fd)
        except OSError:
            self.is_open = False
            return
        self._type = status.st_mode & _S_IFMT
        self.is_terminal = status.st_rdev != _PTMX and posix.isatty(fd)
        if status.st_rdev == _PTMX:
            self._at_once = 1

    def close(self) -> None:
        """Write no more, and close what was opened here; ``fd`` stays open."""
        self.is_open = False
        if self._own >= 0:
            posix.close(self._own)
            self._own = -1

    def write(self, line: str) -> bool:
        """Write ``line``, cut to `PIPE_BUF`, and return whether it was taken; raises nothing."""
        if not self.is_open:
            return False
        try:
            # A socket or a terminal may have taken a part of the line before.
            self._unsent = self._unsent[self.send(self._unsent) :] if self._unsent else b""
            if self._unsent:
                return False
            data = self._encode(line)
            taken = self.send(data)
        except OSError:
            return False  # EPIPE, EIO, ENOSPC: nobody reads any more, or there is no room
        self._unsent = data[taken:] if taken else b""
        return taken > 0

    def _encode(self, line: str) -> bytes:
        data = line.encode("utf-8", "backslashreplace")
        if len(data) < PIPE_BUF:
            return data + b"\n"
        end = _CUT + (_RESET_COLORS if self.is_terminal else b"") + b"\n"
        # Not inside of a character.
        return data[: PIPE_BUF - len(end)].decode("utf-8", "ignore").encode() + end

    def _get_ready(self) -> None:
        """Find a way to write without waiting that changes nothing for those who share ``fd``."""
        self._is_ready = True
        if self._type in (_S_IFIFO, _S_IFSOCK):
            self._flags = getattr(posix, "RWF_NOWAIT", 0)
            if not self._flags:
                self._reopen()
        elif self.is_terminal:
            # poll(2) tells that there is room, but not for how much.
            self._reopen()

    def _reopen(self) -> None:
        """Get a description of our own, for O_NONBLOCK is the description's; see open(2)."""
        flags = posix.O_WRONLY | posix.O_NONBLOCK | posix.O_NOCTTY | posix.O_CLOEXEC
        try:
            self._own = posix.open(f"/proc/self/fd/{self._fd}", flags)
            # In an image the /proc that is no kernel's leads anywhere.
            if not _are_same(self._fd, self._own):
                posix.close(self._own)
                self._own = -1
        except OSError:
            pass  # no /proc, a socket, another user's terminal
        if self._own >= 0:
            self._fd = self._own
        else:
            self._at_once = 1 if self.is_terminal else PIPE_BUF

    def send(self, data: bytes) -> int:
        """Write what fits now and return how much that was.  Raises OSError."""
        if not self._is_ready:
            self._get_ready()
        try:
            if self._flags:
                try:
                    return posix.pwritev(self._fd, [data], -1, self._flags)
                except OSError as error:
                    if error.errno not in _CANNOT:
                        raise
                # Pipes and sockets before Linux 6.4, or a filter that does not know pwritev2(2).
                self._flags = 0
                self._reopen()
            return self._send_in_pieces(data) if self._at_once else posix.write(self._fd, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            take_signal_of(error)
            raise

    def _send_in_pieces(self, data: bytes) -> int:
        """Write as long as poll(2) says that a piece fits, and return how much was taken."""
        if self._type == _S_IFSOCK:
            return _send_to_socket(self._fd, data)
        taken = 0
        while taken < len(data) and _is_writable(self._fd):
            taken += posix.write(self._fd, data[taken : taken + self._at_once])
        return taken


def _are_same(fd: int, other: int) -> bool:
    """Return whether two descriptors are of the same file."""
    first, second = posix.fstat(fd), posix.fstat(other)
    return (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)


def take_signal_of(error: OSError) -> None:
    """Take the signal that a failed write(2) has sent to us, which is not for the command."""
    if error.errno in _SENT_BY_WRITE:
        # It waits in the queue of this thread; what others send is in that of the process.
        _signal.sigtimedwait((_SENT_BY_WRITE[error.errno],), 0)


def _send_to_socket(fd: int, data: bytes) -> int:
    """Write to a socket without waiting; return how much was taken.  Raises OSError."""
    import _socket

    connection = _socket.socket(fileno=fd)
    try:
        return connection.send(data, _socket.MSG_DONTWAIT)
    finally:
        connection.detach()


def _is_writable(fd: int) -> bool:
    import select

    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return any(ready & select.POLLOUT for _, ready in poll.poll(0))


def printable(value: object) -> str:
    r"""Return ``value`` as text in one line: newlines, controls and bytes of no text as ``\x0a``.

    A process can call itself what it likes, and must not write our log.
    """
    text = str(value)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def _escape(char: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))


def utc(when: float) -> str:
    """Return a time of time.time() in UTC with microseconds, as RFC 3339 writes it."""
    import time

    second, micro = divmod(round(when * 1_000_000), 1_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)) + f".{micro:06}Z"


def head(level: str, event: str, when: "When") -> "dict[str, object]":
    """Return the fields that every line begins with, in a log for programs."""
    clock, monotonic = when
    # Differences of the first time are wrong where somebody sets the clock.
    return {
        "timestamp": utc(clock),
        "level": level,
        "event": event,
        "monotonic_s": round(monotonic, 6),
    }


TYPE_CHECKING = False
if TYPE_CHECKING:
    When = tuple[float, float]


def clean(value: object) -> object:
    """Return ``value`` with every text in it, however deep, made printable."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {key: clean(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [clean(each) for each in value]
    return value


def as_json(value: object) -> str:
    """Return ``value`` as JSON in one line, every text in it printable.

    The module `json` costs 6 ms, and cannot be had where nothing can be imported any more.
    """
    if isinstance(value, dict):
        return (
            "{" + ", ".join(f"{as_json(key)}: {as_json(each)}" for key, each in value.items()) + "}"
        )
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(as_json, value)) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return f"{value:d}"
    if isinstance(value, float):
        return repr(value)
    return '"' + printable(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
