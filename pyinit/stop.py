"""A stop that is more than a relay: drain, pre-stop command, escalation, word to the manager.

Loaded when one of them is asked for.
"""

import _signal
import posix
import time

from pyinit import events, lifecycle, sigset, wstatus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyinit.settings import Settings
    from pyinit.supervisor import Supervisor


class Stop:
    """How ``supervisor``'s main child is stopped, as ``asked``.

    ``mask`` is the signal mask that pyinit was given, for the pre-stop command.
    ``deadline`` is when `expire` is to be called, by time.monotonic(), or None.
    """

    def __init__(self, supervisor: "Supervisor", asked: "Settings", mask: set[int]) -> None:
        self.deadline: float | None = None
        self.hook = 0  # the pre-stop command's PID while it runs
        self._supervisor = supervisor
        self._log = supervisor.log
        self._lifecycle = supervisor.lifecycle
        self._asked = asked
        self._mask = mask
        self._plan = list(asked.escalation)
        self._relayed_at = 0.0
        self._info: _signal.struct_siginfo | None = None
        self._held: _signal.struct_siginfo | None = None
        self._announced = False
        self._perform = {
            lifecycle.RELAY: self._relay,
            lifecycle.ARM_DRAIN: self._arm_drain,
            lifecycle.RELEASE: self._release,
            lifecycle.ARM_PLAN: self._arm_plan,
            lifecycle.ESCALATE: self._escalate,
        }

    def signal(self, info: _signal.struct_siginfo) -> None:
        """Take a stop signal, while the main child lives."""
        self._info = info
        self._step(lifecycle.STOP)
        self._announce()

    def expire(self) -> None:
        """Do what is due at the deadline."""
        self.deadline = None
        self._step(lifecycle.DEADLINE)

    def main_ended(self) -> None:
        """Take note of the main child's end: there is nothing to be stopped any more."""
        self.deadline = None
        self._end_hook()
        self._announce()

    def reaped(self, pid: int, status: int) -> None:
        """Take note of the pre-stop command's end, if ``pid`` is it; a failure is only logged."""
        if pid != self.hook or wstatus.stop_signal(status):
            return
        self.hook = 0
        number = status & 0x7F
        if number:
            self._log.emit(events.WARNING, "pre_stop_failed", signal=sigset.name(number))
        elif status:
            self._log.emit(events.WARNING, "pre_stop_failed", exit_code=wstatus.exit_code(status))

    def _step(self, event: str) -> None:
        for action in self._lifecycle.step(event):
            self._perform[action]()

    def _relay(self) -> None:
        info, held = self._info, self._held
        # Two of a number would be one to a child that has not taken the first yet (signal(7)).
        if info is not None and (held is None or held.si_signo != info.si_signo):
            self._supervisor.relay(info)
        self._held = None

    def _arm_drain(self) -> None:
        self._held = self._info
        self.deadline = time.monotonic() + self._asked.drain_s
        self._log.emit(events.INFO, "drain_started", drain_s=self._asked.drain_s)
        if self._asked.pre_stop:
            self._log.guard(self._start_hook)

    def _start_hook(self) -> None:
        from pyinit import changes, fork

        linux = None
        if not self._supervisor.is_init:
            from pyinit import linux as module

            linux = module
        gets = changes.Changes(self._asked, activates=False)
        orders = fork.Orders(self._mask, (), None, linux, changes=gets)
        try:
            self.hook = fork.start(["/bin/sh", "-c", self._asked.pre_stop], orders)
        except fork.StartError as error:
            self._log.emit(events.WARNING, "pre_stop_failed", reason=str(error))

    def _end_hook(self) -> None:
        if not self.hook:
            return
        self._log.emit(events.WARNING, "pre_stop_cut_short", drain_s=self._asked.drain_s)
        try:
            posix.kill(-self.hook, _signal.SIGKILL)
        except OSError:
            pass  # it has ended by itself at this moment

    def _release(self) -> None:
        self._end_hook()
        if self._held is not None:
            self._supervisor.relay(self._held)

    def _arm_plan(self) -> None:
        self._relayed_at = time.monotonic()
        self._arm_next()

    def _arm_next(self) -> None:
        self.deadline = self._relayed_at + self._plan[0][0] if self._plan else None

    def _escalate(self) -> None:
        after_s, number = self._plan.pop(0)
        self._arm_next()
        self._log.emit(
            events.WARNING, "stop_escalated", signal=sigset.name(number), after_s=after_s
        )
        self._supervisor.send_stop(number)

    def _announce(self) -> None:
        """Tell the service manager once that the stop has begun."""
        if self._announced or not self._asked.notify:
            return
        self._announced = True
        from pyinit import notify

        notify.send(notify.STOPPING, self._log)
