"""What a process lends to the init inside of it, and gets back: mask, dispositions, attributes."""

import _signal
import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from pyinit.settings import Settings

_ALL = _signal.valid_signals()
# Nobody can catch them; see signal(7).
_FIXED = {_signal.SIGKILL, _signal.SIGSTOP}


class SavedProcessState:
    """The state of this process from before it became an init; all signals are blocked from here.

    ``mask`` is the signal mask.  Without ``settings`` it is PID 1 that asks for nothing.

    Raises what the Python handler of a signal that has just come raises, such as
    KeyboardInterrupt, and then nothing has changed.
    """

    def __init__(self, settings: "Settings | None") -> None:
        self._dispositions = {number: _signal.getsignal(number) for number in _ALL - _FIXED}
        self._linux: ModuleType | None = None
        self._subreaper = False
        self._death_signal = 0
        if posix.getpid() != 1 or (settings is not None and settings.parent_death_signal):
            self._ask_attributes()
        self.mask = _block_all()

    def _ask_attributes(self) -> None:
        try:
            from pyinit import linux

            self._subreaper = linux.is_child_subreaper()
            self._death_signal = linux.parent_death_signal()
        except (ImportError, OSError):
            return  # a Python built without libffi, a filter: then they cannot be set either
        self._linux = linux

    def give_back(self) -> None:
        """Make everything again what it was, as far as the kernel lets us."""
        linux = self._linux
        if linux is not None:
            _try(lambda: linux.set_child_subreaper(on=self._subreaper))
            _try(lambda: linux.set_parent_death_signal(self._death_signal))
        self.give_signals_back()

    def give_signals_back(self) -> None:
        """Make mask and dispositions again what they were, in this process or its fork."""
        try:
            # It tells of the command, of which nobody but the init knows.
            _signal.sigtimedwait((_signal.SIGCHLD,), 0)
            for number, disposition in self._dispositions.items():
                # None is a handler of somebody else's than Python, and untouched.
                if disposition is not None and _signal.getsignal(number) is not disposition:
                    _signal.signal(number, disposition)
        finally:
            _unblock_all_but(self.mask)


def keep_statuses() -> None:
    """Have the kernel keep how children end: with SIGCHLD ignored it does not; see wait(2)."""
    if _signal.getsignal(_signal.SIGCHLD) == _signal.SIG_IGN:
        _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)


def _try(step: "Callable[[], None]") -> None:
    """Take a step whose failure, by a filter of seccomp(2) that has come since, changes nothing.

    How the command has ended is more, and so are the signals.
    """
    try:
        step()
    except OSError:
        pass


def _block_all() -> set[int]:
    """Block all signals; return the mask from before."""
    given = {int(number) for number in _signal.pthread_sigmask(_signal.SIG_BLOCK, ())}
    try:
        _signal.pthread_sigmask(_signal.SIG_BLOCK, _ALL)
    except BaseException:
        # Python runs the handler of one that came just before.
        _unblock_all_but(given)
        raise
    return given


def _unblock_all_but(mask: set[int]) -> None:
    # Not SIG_SETMASK, which would unblock 32 and 33: glibc takes them out of every set.
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, _ALL - mask)
