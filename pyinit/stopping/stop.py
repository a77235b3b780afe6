"""A stop that is more than a relay: drain, pre-stop command, escalation, word to the manager.

Loaded when one of them is asked for.  As in the supervisor's loop an unexpected
exception is only logged, and must not lose the stop.  So the deadline is not
armed but follows from the state, a stop signal is kept until it is relayed, and
a step of the plan until it is taken: what fails is due again.
"""

import _signal
import posix

from pyinit import events, lifecycle, scope, signals
from pyinit.kernel import clock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from pyinit.child import Child
    from pyinit.fork import Started
    from pyinit.lifecycle import Lifecycle
    from pyinit.reaper import Reaper
    from pyinit.settings import Settings


class Stop:
    """How the main child ``main`` is stopped, as ``settings`` have it.

    The pre-stop command is reaped by ``reaper``.  ``mask`` is the signal mask that pyinit was
    given, for that command.
    """

    def __init__(  # noqa: PLR0917 - what a stop is about
        self,
        main: "Child",
        settings: "Settings",
        log: events.Log,
        policy: "Lifecycle",
        reaper: "Reaper",
        mask: set[int],
    ) -> None:
        self.clock = clock.Clock()
        self._hook = 0  # the pre-stop command's PID while it runs
        self._hook_killed = False
        self._started: Started | None = None
        self.main = main
        self._settings = settings
        self._log = log
        self._lifecycle = policy
        self._reaper = reaper
        self._mask = mask
        self._plan = list(settings.escalation)
        self._since = 0.0  # when the drain began, or when the plan did
        self._held: list[_signal.struct_siginfo] = []  # stop signals that are to be relayed
        self._announced = False
        self._perform = {
            lifecycle.RELAY: self._relay,
            lifecycle.END_WAIT: self._relay,
            lifecycle.ARM_DRAIN: self._begin_drain,
            lifecycle.RELEASE: self._release,
            lifecycle.ARM_PLAN: self._arm_plan,
            lifecycle.ESCALATE: self._escalate,
        }

    @property
    def deadline(self) -> float | None:
        """When `expire` is to be called, by ``clock``, or None."""
        state = self._lifecycle.state
        if state == lifecycle.DRAINING:
            return self._since + self._settings.drain_s
        if self._held:
            return self._since  # relaying them has failed
        if state == lifecycle.STOPPING and self._plan:
            return self._since + self._plan[0][0]
        return None

    def signal(self, info: _signal.struct_siginfo) -> None:
        """Take a stop signal, while the main child lives."""
        self._log.guard(self._announce)
        # Two of a number would be one to a child that has not taken the first yet (signal(7)).
        if all(info.si_signo != held.si_signo for held in self._held):
            self._held.append(info)
        self._step(lifecycle.STOP)

    def expire(self) -> None:
        """Do what is due, if the deadline has come."""
        due = self.deadline
        if due is None or self.clock.now() < due or not self.main.alive:
            return
        if self._held and self._lifecycle.state != lifecycle.DRAINING:
            self._relay()
        else:
            self._step(lifecycle.DEADLINE)

    def main_ended(self) -> None:
        """Take note of the main child's end: there is nothing to be stopped any more."""
        self._log.guard(self._end_hook)
        self._log.guard(self._announce)

    def _hook_changed(self, pid: int, status: int) -> None:  # noqa: ARG002
        """Take note of the pre-stop command's wait status; a failure is only logged."""
        if signals.is_alive(status):
            return
        self._hook = 0
        number = status & 0x7F
        failure = self._started.failure(waits=False) if self._started is not None else None
        if self._hook_killed:
            return
        if failure is not None:
            self._log.emit(events.WARNING, "pre_stop_failed", reason=str(failure))
        elif number:
            self._log.emit(events.WARNING, "pre_stop_failed", signal=signals.name(number))
        elif status:
            self._log.emit(events.WARNING, "pre_stop_failed", exit_code=signals.exit_code(status))

    def _step(self, event: str) -> None:
        before = self._lifecycle.state
        actions = self._lifecycle.step(event)
        if self._lifecycle.state != before:
            self._since = self.clock.now()
        for action in actions:
            self._log.guard(self._perform[action])

    def _relay(self, *, was_held: bool = False) -> None:
        while self._held:
            # Never twice, whatever comes of it.
            info = self._held.pop(0)
            self.main.relay(info, was_held=was_held)
            if was_held and self._log.level < events.INFO:
                self._note_relay(info.si_signo)

    def _note_relay(self, received: int) -> None:
        """Keep in mind when the drain was over: a bad end is explained without a record, too."""
        if received in self.main.relayed:
            made = signals.name(self._settings.rewrite.get(received, received))
            self._log.note("signal_relayed", signal=made, received=signals.name(received))

    def _begin_drain(self) -> None:
        if self._log.level < events.INFO:
            self._log.note("drain_started", drain_s=self._settings.drain_s)
        self._log.emit(events.INFO, "drain_started", drain_s=self._settings.drain_s)
        if self._settings.pre_stop:
            self._start_hook()

    def _start_hook(self) -> None:
        from pyinit import fork
        from pyinit.command.context import ExecContext
        from pyinit.options import values

        try:
            context = ExecContext(self._settings, activates=False)
            setup = fork.ChildSetup(self._mask, (), None, self._linux(), context=context)
            # Not waited for: it may hang before its exec, as in a directory of a dead server.
            self._started = fork.begin(["/bin/sh", "-c", self._settings.pre_stop], setup)
            self._hook = self._started.pid
            self._reaper.known[self._hook] = self._hook_changed
        except (fork.StartError, values.UsageError) as error:
            self._log.emit(events.WARNING, "pre_stop_failed", reason=str(error))

    def _linux(self) -> "ModuleType | None":
        """Return what it takes that the pre-stop command dies with us.

        With PID 1 everybody does, and it does not stand in the way where it cannot be had.
        """
        if posix.getpid() == 1 or not self._settings.dies_with_us:
            return None
        try:
            from pyinit import linux
        except ImportError:
            return None
        return linux

    def _end_hook(self) -> None:
        """Kill the pre-stop command and its group, if it runs."""
        if not self._hook or self._hook_killed:
            return
        # Its children in the group become orphans, of whom nothing tells by whom they were killed.
        self._hook_killed = self._reaper.has_killed = True
        # It may have left its group.
        for target in (-self._hook, self._hook):
            try:
                posix.kill(target, _signal.SIGKILL)
            except OSError:
                pass  # nobody is in the group, or there is no CAP_KILL: the drain ends all the same
        self._log.emit(events.WARNING, "pre_stop_cut_short", drain_s=self._settings.drain_s)

    def _release(self) -> None:
        self._log.guard(self._end_hook)
        self._relay(was_held=True)

    def _arm_plan(self) -> None:
        self._since = self.clock.now()  # from the relay on

    def _escalate(self) -> None:
        after_s, number = self._plan.pop(0)
        if self.main.send_stop(number):
            self._log.emit(
                events.WARNING, "stop_escalated", signal=signals.name(number), after_s=after_s
            )
        if number == _signal.SIGKILL and scope.is_refused(self.main.pid):
            self.main.give_up()

    def _announce(self) -> None:
        """Tell the service manager once that the stop has begun."""
        if self._announced or not self._settings.notify:
            return
        self._announced = True
        from pyinit.stopping import notify

        notify.send(notify.STOPPING, self._log)
