"""The wait for those whom the main child has left (``--wait-all``); loaded with the option.

A command such as `service nginx start` ends at once, and what it was for is a daemon by then.
"""

import _signal
import posix

from pyinit import child, events, scope, signals
from pyinit.stopping import order, pause


class Rest(pause.Pause):
    """Those whom the main child has left, in its place: alive until none is, or a stop signal.

    Those are our children and their descendants.  Who has entered from outside is none of them.
    """

    @property
    def alive(self) -> bool:
        """Whether the wait goes on: the kernel knows whether we have a child."""
        return self._is_on and scope.has_any_child()

    @alive.setter
    def alive(self, value: bool) -> None:
        self._is_on = value

    def take_terminal(self, main: child.Child) -> None:
        """Have ^C come to us: whose it was has ended."""
        if main.had_terminal:
            from pyinit.kernel import terminal

            terminal.take_back(main.pid, for_us=True)

    def tell_of_wait(self, where: scope.Scope) -> None:
        """Say whom we wait for, all of ``where``.  Raises OSError."""
        if self._log.level < events.INFO:
            # A bad end is explained without a record: when the wait began is all it needs.
            self._log.note("leftovers_awaited", leftovers=[], count=0)
            return
        from pyinit.log import names

        met = scope.Met()
        where.meet(met)
        found = names.names(met.processes)
        self._log.emit(events.INFO, "leftovers_awaited", leftovers=found, count=met.count)

    def relay(self, info: _signal.struct_siginfo, *, was_held: bool = False) -> None:  # noqa: ARG002
        """Take a stop signal for the end of the wait; relay others to who handles them."""
        received = info.si_signo
        number = self._settings.rewrite.get(received, received)
        if number and received in self._stop_signals:
            self._is_on = False
            return
        # A terminal's is not for daemons: nginx takes WINCH, the news of its size, for a stop.
        from_terminal = info.si_code == signals.SI_KERNEL
        if not number or from_terminal or not self._relay_down(number, received):
            self._tell_of_ignored(info)

    def send_stop(self, number: int) -> bool:  # noqa: ARG002
        """Take a step of the plan for the end of the wait: the stop signal itself was dropped."""
        self._is_on = False
        return True

    def _relay_down(self, number: int, received: int) -> bool:
        """Send a signal to our children that catch it; return whether there are any.

        It would end the others, whom it is not meant for.
        """
        from pyinit.kernel import job

        found = False
        for pid in order.own_children():
            if not job.handles(pid, number):
                continue
            try:
                posix.kill(pid, number)
            except OSError as error:
                self.not_relayed(number, error)
                continue
            found = True
            child.tell_of_relay(self._log, events.DEBUG, number, received, pid)
        return found
