"""The end of all that the main child left behind; loaded when somebody is left.

As in the supervisor's loop an unexpected exception is logged, and the next
deadline goes on from there: each state has one, so the end always comes.
"""

import _signal

from pyinit import clock, events, lifecycle, scope

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyinit.proc import Process
    from pyinit.supervisor import Supervisor

# From KILL to giving up on whoever the kernel cannot end yet, in seconds.
KILL_BOUND_S = 2.0
# How often those are asked after whose end sends us no SIGCHLD, and how often who
# has come since is killed, in seconds; and how often while there are many to be reaped, for to
# find all descendants takes long in which nobody is.
POLL_S = 0.01
BUSY_POLL_S = 0.25


class Teardown:
    """Ends the leftovers of ``supervisor``'s main child."""

    def __init__(self, supervisor: "Supervisor") -> None:
        self._supervisor = supervisor
        self._log = supervisor.log
        self._scope = supervisor.scope
        self._lifecycle = supervisor.lifecycle
        self._left = supervisor.left
        self._deadline: float | None = None
        self._looked = 0.0
        self._clock = clock.Clock()
        self._count = 0
        self._killed = 0
        self._perform = {
            lifecycle.TERMINATE: self._terminate,
            lifecycle.ARM_GRACE: self._arm_grace,
            lifecycle.KILL: self._kill,
            lifecycle.ARM_BOUND: self._arm_bound,
            lifecycle.NAME_BLOCKERS: self._name_blockers,
        }

    def run(self) -> None:
        """Return when nobody is left, or when the kill bound is over."""
        self._log.guard(self._begin)
        while self._lifecycle.state != lifecycle.DONE:
            self._log.guard(self._turn)
        self._log.guard(self._tell_of_end)

    def _begin(self) -> None:
        self._step(lifecycle.LEFTOVERS)

    def _step(self, event: str) -> None:
        for action in self._lifecycle.step(event):
            self._perform[action]()

    def _turn(self) -> None:
        """Do what is due, or wait for a signal, the deadline, or the next time to look."""
        for info in self._supervisor.begin_turn():
            self._take(info)
        self._log.flush()
        now = self._clock.now()
        if self._deadline is None:
            self._deadline = now  # a step failed before it could arm one
        if now >= self._deadline:
            self._log.guard(self._reap)  # nobody who has ended by now is too late
            self._step(lifecycle.DEADLINE)
            return
        until = self._wait_until(self._deadline)
        if now >= until:
            self._look()
        elif self._supervisor.is_behind:
            self._reap()
        elif (taken := self._clock.wait(self._supervisor.awaited, until)) is not None:
            self._take(taken)

    def _wait_until(self, deadline: float) -> float:
        """Return the deadline, or when to look again: who is left, or who has come since."""
        if self._lifecycle.state != lifecycle.KILLING and self._left != scope.OUTSIDERS:
            return deadline
        pause_s = BUSY_POLL_S if self._supervisor.is_behind else POLL_S
        return min(deadline, self._looked + pause_s)

    def _look(self) -> None:
        try:
            if self._lifecycle.state == lifecycle.KILLING:
                # The children of one that was killed, or one that entered just now.
                self._scope.signal(_signal.SIGKILL)
        finally:
            self._looked = self._clock.now()
        self._reap()

    def _take(self, info: _signal.struct_siginfo) -> None:
        number = info.si_signo
        if number == _signal.SIGCHLD:
            self._reap()
            return
        if self._log.level >= events.INFO:
            self._supervisor.tell_of_signal(info)
        if number in self._supervisor.stop_signals:
            self._step(lifecycle.STOP)
        elif number == self._supervisor.end_signal:
            self._step(lifecycle.HURRY)

    def _reap(self) -> None:
        self._supervisor.reap()
        self._left = self._scope.left()
        if self._left == scope.NOBODY:
            self._step(lifecycle.GONE)

    def _terminate(self) -> None:
        self._log.guard(self._tell_of_leftovers)
        # A stopped process acts on TERM only after CONT.
        self._scope.signal(_signal.SIGTERM, _signal.SIGCONT)

    def _arm_grace(self) -> None:
        self._deadline = self._clock.now() + self._lifecycle.grace_s

    def _kill(self) -> None:
        self._log.guard(self._tell_of_killed)
        self._supervisor.has_killed = True
        self._scope.signal(_signal.SIGKILL)

    def _arm_bound(self) -> None:
        self._looked = self._clock.now()
        self._deadline = self._looked + KILL_BOUND_S

    def _name_blockers(self) -> None:
        from pyinit import describe

        self._log.emit(
            events.WARNING,
            "leftovers_blocked",
            leftovers=describe.blockers(self._scope.everybody(), self._log),
            bound_s=KILL_BOUND_S,
        )

    def _left_now(self) -> "list[Process]":
        return [process for process in self._scope.everybody() if not process.is_zombie]

    def _tell_of_leftovers(self) -> None:
        """Say who is left, at the beginning."""
        if self._log.level < events.INFO:
            return
        from pyinit import describe

        left = self._left_now()
        self._count = len(left)
        self._log.emit(
            events.INFO,
            "teardown_started",
            leftovers=describe.names(left, self._log, events.INFO),
            count=self._count,
            grace_s=self._lifecycle.grace_s,
        )

    def _tell_of_killed(self) -> None:
        """Say who has to be killed: a name is known only until then."""
        if self._log.level < events.INFO:
            return
        from pyinit import describe

        if not self._lifecycle.grace_s:
            self._tell_of_leftovers()
        left = self._left_now()
        self._killed = len(left)
        for process in left[: describe.MOST_NAMES]:
            name = describe.name(process.pid, self._log, events.INFO)
            self._log.emit(events.INFO, "leftover_killed", pid=process.pid, name=name)

    def _tell_of_end(self) -> None:
        self._log.emit(
            events.INFO,
            "teardown_finished",
            took_s=round(self._clock.now(), 6),
            count=self._count,
            killed=self._killed,
        )
