"""The signals that are sent to us: which are awaited, taken in which order, and told of how.

All are blocked, and taken by sigwaitinfo(2); see signal(7).
"""

import _signal
import posix

from pyinit import events, signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyinit.settings import Settings


class Inbox:
    """The signals that an init with these settings takes.

    ``awaited`` are their numbers, as sigwaitinfo(2) gets them.  ``stop_signals`` begin a stop, or
    hurry it; ``end_signal`` ends everything at once, if it is not None.
    """

    def __init__(self, settings: "Settings", log: events.Log) -> None:
        self._log = log
        self.stop_signals = signals.STOP_SIGNALS
        if settings.stop_signals is not None:
            self.stop_signals = settings.stop_signals
        elif settings.pause:
            self.stop_signals = signals.PAUSE_STOP_SIGNALS
        self.end_signal = settings.end_signal
        self.awaited = signals.AWAITED
        if settings.synchronous:
            self.awaited += bytes(signals.SYNCHRONOUS)
        if settings.end_signal is not None:
            self.awaited += bytes((settings.end_signal,))
        self._relayed = self.awaited.replace(bytes((_signal.SIGCHLD,)), b"")

    def waiting(self) -> "Iterator[_signal.struct_siginfo]":
        """Take one signal of each number that waits but SIGCHLD.

        Of those that wait the lowest number is taken first (signal(7)): where one comes again
        as fast as it is taken, SIGCHLD by orphans without end for one, those above it never are.
        """
        numbers = self._relayed
        while (info := _signal.sigtimedwait(numbers, 0)) is not None:
            numbers = numbers.replace(bytes((info.si_signo,)), b"")
            yield info

    def tell(self, info: _signal.struct_siginfo) -> None:
        """Say who has sent us a signal: a stop to all who want to know anything, else to most.

        Raises nothing: that the signal is relayed is more.
        """
        stop = info.si_signo in self.stop_signals
        level = events.INFO if stop else events.DEBUG
        if level > self._log.level:
            return
        try:
            from pyinit.log import senders

            sender = senders.describe_sender(info, is_init=posix.getpid() == 1)
            name = signals.name(info.si_signo)
            self._log.emit(level, "signal_received", signal=name, stop=stop, **sender)
        except Exception as error:
            self._log.emit(events.ERROR, "internal_error", error=repr(error))
