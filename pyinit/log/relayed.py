"""Signals that are relayed as they are: sent on first, told of when no other one waits.

To tell of one takes ten times longer than to relay it, so a sender that waits for what comes of
its signal would wait for that.
"""

import _signal
import posix

from pyinit import events, signals
from pyinit.log import senders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    Sender = dict[str, object]

# No other one waits when none has come for so long, in seconds; and so many are told of at most
# when others wait.
_IDLE_S = 0.001
_MOST = 16


class Relayed:
    """Tells ``log`` of the signals that were sent to ``target``."""

    def __init__(self, log: events.Log, target: int) -> None:
        self._log = log
        self.target = target
        self._is_init = posix.getpid() == 1
        self._untold: list[tuple[int, Sender, events.When]] = []
        # Of those that are untold, by what the kernel says of the sender.
        self._senders: dict[tuple[int, int, int], Sender] = {}

    def note(self, info: _signal.struct_siginfo) -> None:
        """Have a signal told of that has just been relayed; who has sent it is soon gone."""
        try:
            key = info.si_code, info.si_pid, info.si_uid
            sender = self._senders.get(key)
            if sender is None:
                sender = senders.describe_sender(info, is_init=self._is_init)
                self._senders[key] = sender
            self._untold.append((info.si_signo, sender, events.now()))
            self._log.owed = self.tell
        except Exception as error:
            self._log.emit(events.ERROR, "internal_error", error=repr(error))

    def wait(self, awaited: "Iterable[int]") -> _signal.struct_siginfo:
        """Return the next signal, as sigwaitinfo(2) does, and tell of those before meanwhile."""
        if self._untold:
            if len(self._untold) < _MOST:
                info = _signal.sigtimedwait(awaited, _IDLE_S)
                # One that is not awaited is none; see `pyinit.kernel.clock`.
                if info is not None and info.si_signo in frozenset(awaited):
                    return info
            self.tell()
            self._log.flush()
        return _signal.sigwaitinfo(awaited)

    def tell(self) -> None:
        """Tell of those that are untold.  Raises nothing."""
        untold, self._untold = self._untold, []
        self._log.owed = None
        self._senders.clear()
        for number, sender, when in untold:
            name = signals.name(number)
            self._log.emit(events.DEBUG, "signal_received", when, signal=name, stop=False, **sender)
            self._log.emit(events.DEBUG, "signal_relayed", when, signal=name, target=self.target)
