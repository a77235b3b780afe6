"""The init without a command: it reaps until it is stopped, and then ends what is left."""

import _signal

from pyinit import supervisor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyinit import events
    from pyinit.settings import Settings

# Those of the pause container of Kubernetes.
_STOP_SIGNALS = frozenset((_signal.SIGTERM, _signal.SIGINT))


class Pause(supervisor.Supervisor):
    """There is no main child, and it counts as ended with 0 when a stop signal comes."""

    def __init__(self, asked: "Settings", log: "events.Log", mask: set[int]) -> None:
        super().__init__(0, asked, log, mask)
        if asked.stop_signals is None:
            self.stop_signals = _STOP_SIGNALS
        self.plain = frozenset()  # those are sent at once to a main child
        if _signal.getsignal(_signal.SIGCHLD) == _signal.SIG_IGN:
            # Then the kernel reaps, and tells nobody what ended; see wait(2).
            _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)

    def relay(self, info: _signal.struct_siginfo) -> None:
        """Take a stop signal for the end of the pause; there is nobody to relay others to."""
        if info.si_signo in self.stop_signals:
            self.alive = False
        else:
            self.tell_of_ignored(info)

    def kill_main(self) -> None:
        """End the pause."""
        self.alive = False

    def send_stop(self, number: int) -> bool:  # noqa: ARG002
        """Do nothing: the stop has been taken already."""
        return True
