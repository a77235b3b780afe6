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

    FirstStop = tuple[_signal.struct_siginfo, events.When, dict[str, object] | None]


class Inbox:
    """The signals that an init with these settings takes.

    ``awaited`` are their numbers, as sigwaitinfo(2) gets them; ``besides_chld`` lacks SIGCHLD.
    ``stop_signals`` begin a stop, or hurry it; ``end_signal`` ends everything at once, if it is not
    None.
    """

    def __init__(self, settings: "Settings", log: events.Log) -> None:
        self._log = log
        self.first: _signal.struct_siginfo | None = None  # has been taken, and not handled yet
        # The first stop signal, when it came, and who sent it if somebody inside did.
        self.first_stop: FirstStop | None = None
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
        self.besides_chld = self.awaited.replace(bytes((_signal.SIGCHLD,)), b"")

    def waiting(self) -> "Iterator[_signal.struct_siginfo]":
        """Take one signal of each number that waits but SIGCHLD.

        Of those that wait the lowest number is taken first (signal(7)): where one comes again
        as fast as it is taken, SIGCHLD by orphans without end for one, those above it never are.
        """
        first, self.first = self.first, None
        if first is not None:
            yield first
        numbers = self.besides_chld
        while (info := _signal.sigtimedwait(numbers, 0)) is not None:
            numbers = numbers.replace(bytes((info.si_signo,)), b"")
            yield info

    def note_stop(self, info: _signal.struct_siginfo, main: int) -> None:
        """Keep the first stop signal in mind: whoever asks has none yet.

        A stop by somebody inside is none that was planned.  Who is outside has the number 0 for
        PID 1; when not PID 1 only the main child is known to be inside.
        """
        self.first_stop = info, events.now(), None
        own = posix.getpid()
        is_inside = info.si_pid not in (0, own) if own == 1 else 0 != info.si_pid == main
        if not is_inside or info.si_code == signals.SI_KERNEL:
            return
        self._log.is_bad = True
        if self._log.level == events.WARNING:
            self._log.guard(self._note_sender)  # who has sent it is soon gone

    def _note_sender(self) -> None:
        from pyinit.log import senders

        assert self.first_stop is not None
        info, when, _ = self.first_stop
        self.first_stop = info, when, senders.describe_sender(info, is_init=posix.getpid() == 1)

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
