"""What happened, as data; structlog renders it, and is loaded when there is something to say.

A log that nobody reads must not stop PID 1: a line that does not fit into
stderr now is dropped, and the next one that fits says how many were.
"""

import posix

ERROR = 0
WARNING = 1
INFO = 2
DEBUG = 3

_METHODS = ("error", "warning", "info", "debug")

# write(2) of at most this much never blocks on a pipe that poll(2) calls writable; see pipe(7).
PIPE_BUF = 4096


class Log:
    """Events up to ``level``, one line each, on ``fd``."""

    __slots__ = ("_dropped", "_logger", "fd", "level")

    def __init__(self, level: int, fd: int = 2) -> None:
        self.level = level
        self.fd = fd
        self._dropped = 0
        self._logger: object = None
        try:
            posix.fstat(fd)
        except OSError:
            # Closed on entry: whatever is opened next will get this number.
            self.level = -1

    def emit(self, level: int, event: str, **fields: object) -> None:
        """Say that ``event`` happened, if ``level`` is asked for; raises nothing."""
        if level > self.level:
            return
        try:
            if self._logger is None:
                self._logger = _make_logger(self)
            getattr(self._logger, _METHODS[level])(event, **fields)
        except Exception:
            # No descriptor or memory to load structlog with, or a broken installation.
            self._emit_plainly(level, event, fields)

    def _emit_plainly(self, level: int, event: str, fields: dict[str, object]) -> None:
        try:
            words = "".join(f" {key}={value}" for key, value in fields.items())
            self.write(f"pyinit: {_METHODS[level]}: {event}{words}")
        except Exception:
            self._dropped += 1

    def write(self, line: str) -> None:
        """Write one line if it fits without waiting; otherwise drop and count it."""
        if self._dropped:
            line = f"{line} (dropped before: {self._dropped})"
        data = line.encode("utf-8", "surrogateescape")[: PIPE_BUF - 1] + b"\n"
        if _write_now(self.fd, data):
            self._dropped = 0
        else:
            self._dropped += 1


def _write_now(fd: int, data: bytes) -> bool:
    """Write ``data`` without waiting, and return whether it was taken."""
    import select

    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    try:
        if not [True for _, ready in poll.poll(0) if ready & select.POLLOUT]:
            return False
        try:
            # Pipes and sockets: no other writer can come between poll and this.
            posix.pwritev(fd, [data], -1, posix.RWF_NOWAIT)
        except BlockingIOError:
            return False
        except OSError:
            # EOPNOTSUPP: terminals and files, and pipes before Linux 6.
            posix.write(fd, data)
    except OSError:
        return False  # EPIPE, EIO, ENOSPC: nobody reads any more, or no room
    return True


def _make_logger(log: Log) -> object:
    import structlog

    class Sink:
        """The end of structlog's chain: takes a rendered line at every level."""

        @staticmethod
        def msg(line: str) -> None:
            log.write(line)

        error = warning = info = debug = msg

    renderer = structlog.dev.ConsoleRenderer(
        colors=posix.isatty(log.fd), pad_event=0, sort_keys=False
    )
    return structlog.wrap_logger(
        Sink(),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.BoundLogger,
        context_class=dict,
        cache_logger_on_first_use=True,
    )


def tell(message: str) -> None:
    """Write a line for people on stderr when no command runs: errors of usage and of the start.

    Raises nothing and waits for nobody: the exit code matters more.
    """
    _write_now(2, f"pyinit: {message}\n".encode("utf-8", "surrogateescape"))
