"""How the supervisor learns that a service is ready.

Each watcher is made before the service is started, told when the service has become its program,
and closed when nobody waits for it any more: at the end of the start, whatever that is.  What a
service can do to a watcher (write without end, send without end) costs so much a moment and no
more.
"""

import _signal
import posix

from pyinit.services import loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pyinit.services.loop import Loop

# A look at a port or by a command: the first one after, each later one twice that, up to; seconds.
_FIRST_LOOK_S = 0.02
_LAST_LOOK_S = 0.5

# So many messages or blocks are read at once, and more after a pause.
MOST_AT_ONCE = 16
PAUSE_S = 0.05
BLOCK = 4096


class Watcher:
    """A service that is ready once it has been started."""

    def __init__(self, loop_: "Loop", ready: "Callable[[], None]") -> None:
        self._loop = loop_
        self._ready = ready

    def executed(self) -> None:
        """Take note that the service has become its program."""
        self._ready()

    def catch_up(self) -> None:
        """Take what the service has said before its process ended, of which we learn first."""

    def close(self) -> None:
        """Watch no more."""

    def release(self) -> None:
        """Let go of what is left, now that the service has ended."""


class ByDescriptor(Watcher):
    """It writes a newline to a descriptor; see s6's notification-fd.

    ``writer`` is the service's end.
    """

    def __init__(self, loop_: "Loop", ready: "Callable[[], None]") -> None:
        super().__init__(loop_, ready)
        self._reader, self.writer = posix.pipe2(posix.O_CLOEXEC | posix.O_NONBLOCK)
        posix.set_blocking(self.writer, True)
        loop_.watch(self._reader, loop.READ, self._read)

    def executed(self) -> None:
        """Let go of the service's end: it has it."""
        self._close_writer()

    def _read(self) -> None:
        data = posix.read(self._reader, BLOCK)
        if b"\n" in data:
            self._ready()
        elif not data:
            self._loop.unwatch(self._reader)  # closed without a newline: start-timeout decides
        else:
            self._loop.unwatch(self._reader)
            then = self._resume
            self._loop.arm(self, PAUSE_S, then)

    def _resume(self) -> None:
        self._loop.watch(self._reader, loop.READ, self._read)

    def _close_writer(self) -> None:
        if self.writer >= 0:
            posix.close(self.writer)
            self.writer = -1

    def close(self) -> None:
        """Read no more; what is written later on stays in the pipe, and is no SIGPIPE."""
        self._loop.disarm(self)
        self._loop.unwatch(self._reader)
        self._close_writer()

    def release(self) -> None:
        """Close our end."""
        posix.close(self._reader)


class ByLooks(Watcher):
    """It is looked at now and then, until it is ready."""

    def __init__(self, loop_: "Loop", ready: "Callable[[], None]") -> None:
        super().__init__(loop_, ready)
        self._delay_s = _FIRST_LOOK_S

    def executed(self) -> None:
        """Begin to look."""
        self._look_later()

    def _look_later(self) -> None:
        self._loop.arm(self, self._delay_s, self._look)
        self._delay_s = min(2 * self._delay_s, _LAST_LOOK_S)

    def _look(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Look no more."""
        self._loop.disarm(self)


class ByCommand(ByLooks):
    """A command ends with 0.

    ``start`` starts it and returns its PID, or raises OSError; the caller tells `ended`.
    """

    def __init__(
        self, loop_: "Loop", ready: "Callable[[], None]", start: "Callable[[ByCommand], int]"
    ) -> None:
        super().__init__(loop_, ready)
        self._start = start
        self._pid = 0

    def _look(self) -> None:
        try:
            self._pid = self._start(self)
        except OSError:
            self._look_later()  # no memory or process is left for it

    def ended(self, code: int) -> None:
        """Take the exit code of the command, which has been reaped."""
        if not self._pid:
            return  # `close` has ended it: nobody waits for its answer
        self._pid = 0
        if code == 0:
            self._ready()
        else:
            self._look_later()

    def close(self) -> None:
        """End a command that runs, and all of its group."""
        super().close()
        if self._pid:
            for pid in (-self._pid, self._pid):
                try:
                    posix.kill(pid, _signal.SIGKILL)
                except OSError:
                    pass  # ESRCH: it has not led its group yet
            self._pid = 0
