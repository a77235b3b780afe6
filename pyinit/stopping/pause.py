"""Nobody in place of a main child (``--pause``), and what those have in common who stand there."""

import _signal

from pyinit import child, events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyinit.reaper import Reaper
    from pyinit.settings import Settings


class Pause(child.Child):
    """Nobody, in place of a main child: it counts as ended with 0 when a stop signal comes."""

    def __init__(
        self,
        settings: "Settings",
        log: events.Log,
        reaper: "Reaper",
        stop_signals: frozenset[int],
    ) -> None:
        super().__init__(0, settings, log, reaper, stop_signals)
        self.plain = frozenset()  # those are sent at once to a main child

    def relay(self, info: _signal.struct_siginfo, *, was_held: bool = False) -> None:  # noqa: ARG002
        """Take a stop signal for the end of the pause; there is nobody to relay others to."""
        if info.si_signo in self._stop_signals:
            self.alive = False
        else:
            self._tell_of_ignored(info)

    def kill(self) -> None:
        """End the pause."""
        self.alive = False

    def send_stop(self, number: int) -> bool:  # noqa: ARG002
        """Do nothing: the stop has been taken already."""
        return True

    def tell_of_end(self) -> None:
        """Say nothing: nobody has ended."""
