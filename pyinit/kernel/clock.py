"""Time for deadlines, which passes whatever becomes of the C library's clock.

A library that is preloaded (libfaketime) makes clock_gettime(2) stand still, go back or
crawl.  Of what the kernel does itself it knows nothing: a wait that has run out is time that
has passed, and so is what times(2) counts.
"""

import _signal
import posix
import time

# The resolution of times(2), see time(7): it may count so much more than has passed.
_TICK_S = 0.01


class Clock:
    """Counts the seconds since it was made."""

    __slots__ = ("_began", "_began_ticks", "_passed")

    def __init__(self) -> None:
        self._passed = 0.0
        self._began = time.monotonic()
        self._began_ticks = _elapsed_s()

    def now(self) -> float:
        """Return the most that CLOCK_MONOTONIC, times(2) or `reach` have told of, in seconds."""
        ticks = _elapsed_s() - self._began_ticks - _TICK_S
        self._passed = max(self._passed, time.monotonic() - self._began, ticks)
        return self._passed

    def reach(self, moment: float) -> None:
        """Take note that a wait until ``moment`` has run out."""
        self._passed = max(self._passed, moment)

    def wait(self, awaited: bytes, deadline: float) -> _signal.struct_siginfo | None:
        """Take one of the signals ``awaited``, or return None at the ``deadline``.

        See sigtimedwait(2).  Where that is interrupted after its time (SIGSTOP and SIGCONT, a
        frozen cgroup), CPython returns a siginfo that nobody has filled: its number is one
        that is not awaited.  With a timeout of 0 there is no sleep, and no interruption.
        """
        info = _signal.sigtimedwait(awaited, max(0.0, deadline - self.now()))
        if info is not None and info.si_signo in frozenset(awaited):
            return info
        self.reach(deadline)
        return None


def _elapsed_s() -> float:
    """Return a time of the kernel's own that no clock of the C library is asked for."""
    try:
        return posix.times().elapsed
    except OSError:
        return 0.0  # a filter of system calls: what is left are the waits
