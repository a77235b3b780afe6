"""One poll(2) for all that can happen: descriptors, signals, deadlines.

Nothing wakes it up while nothing happens: it has a time-out only while there is a deadline.
"""

import _signal
import posix
import select

from pyinit.kernel.clock import Clock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

READ = select.POLLIN
WRITE = select.POLLOUT

# What one wake-up takes of the signals that have come; more stay for the next.
_SIGNALS_AT_ONCE = 4096
_FOREVER_MS = -1
_MOST_MS = 2**31 - 1


class Loop:
    """Calls back for descriptors that are ready, for signals, and when deadlines have come.

    A callback that raises ends `run`: what is called takes care of its own errors.
    """

    def __init__(self) -> None:
        self.clock = Clock()
        self._poll = select.poll()
        self._watched: dict[int, Callable[[], None]] = {}
        self._timers: dict[object, tuple[float, Callable[[], None]]] = {}
        self._signals: Callable[[int], None] | None = None
        self._wakeup = (-1, -1)
        self._former = -1

    def now(self) -> float:
        """Return the time of a clock that nobody sets, in seconds."""
        return self.clock.now()

    def watch(self, fd: int, events: int, then: "Callable[[], None]") -> None:
        """Call ``then`` whenever ``fd`` is ready, or has an error, until `unwatch`."""
        self._poll.register(fd, events)
        self._watched[fd] = then

    def unwatch(self, fd: int) -> None:
        """Watch ``fd`` no more; to be called before it is closed."""
        if self._watched.pop(fd, None) is not None:
            self._poll.unregister(fd)

    def arm(self, key: object, delay_s: float, then: "Callable[[], None]") -> None:
        """Call ``then`` once in ``delay_s`` seconds; a timer with the same ``key`` is replaced."""
        self._timers[key] = (self.now() + delay_s, then)

    def disarm(self, key: object) -> None:
        """Forget the timer, if there is one."""
        self._timers.pop(key, None)

    def take_signals(self, numbers: "Iterable[int]", then: "Callable[[int], None]") -> None:
        """Call ``then`` with each signal of ``numbers`` that comes; see signal.set_wakeup_fd.

        They need to be blocked until here, and are unblocked.  Raises OSError.
        """
        self._wakeup = posix.pipe2(posix.O_CLOEXEC | posix.O_NONBLOCK)
        self._signals = then
        self._former = _signal.set_wakeup_fd(self._wakeup[1], warn_on_full_buffer=False)
        for number in numbers:
            _signal.signal(number, _do_nothing)
        self.watch(self._wakeup[0], READ, self._read_signals)
        _signal.pthread_sigmask(_signal.SIG_UNBLOCK, set(numbers))

    def leave_signals(self) -> None:
        """Give the wake-up descriptor back; the handlers are the caller's to restore."""
        _signal.set_wakeup_fd(self._former)
        self.unwatch(self._wakeup[0])
        for fd in self._wakeup:
            posix.close(fd)

    def _read_signals(self) -> None:
        # One that comes twice is told of once: it is what a process would get that is busy.
        for number in dict.fromkeys(posix.read(self._wakeup[0], _SIGNALS_AT_ONCE)):
            if self._signals is not None:
                self._signals(number)

    def run_once(self) -> None:
        """Wait until something happens, and call back for all that has."""
        deadline = min((at for at, _ in self._timers.values()), default=None)
        ready = [(fd, self._watched[fd]) for fd, _ in self._poll.poll(self._timeout_ms(deadline))]
        for fd, then in ready:
            # One that was called before may have closed it, and opened another of this number.
            if self._watched.get(fd) is then:
                then()
        self._run_timers()

    def _timeout_ms(self, deadline: float | None) -> int:
        if deadline is None:
            return _FOREVER_MS
        # Rounded up: a wake-up before the deadline would be one more.
        return max(0, min(_MOST_MS, int((deadline - self.now()) * 1000) + 1))

    def _run_timers(self) -> None:
        if not self._timers:
            return
        now = self.now()
        for key, (at, then) in sorted(self._timers.items(), key=_when):
            if at <= now and self._timers.get(key) == (at, then):
                del self._timers[key]
                then()


def _when(item: "tuple[object, tuple[float, Callable[[], None]]]") -> float:
    return item[1][0]


def _do_nothing(number: int, frame: object) -> None:
    """Be the handler: the C half of the module has written the number to the descriptor."""
