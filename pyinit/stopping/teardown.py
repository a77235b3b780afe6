"""The end of all that the main child left behind; loaded when somebody is left.

As in the supervisor's loop an unexpected exception is logged, and the next
deadline goes on from there: each state has one, so the end always comes.
"""

import _signal

from pyinit import events, lifecycle, scope
from pyinit.kernel import clock
from pyinit.stopping import crowd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyinit.inbox import Inbox
    from pyinit.kernel.proc import ProcessStat
    from pyinit.lifecycle import Lifecycle
    from pyinit.lineage import Descendants
    from pyinit.reaper import Reaper
    from pyinit.stopping.order import Order

# From KILL to giving up on whoever the kernel cannot end yet, in seconds.
KILL_BOUND_S = 2.0
# How often those are asked after whose end sends us no SIGCHLD, and how often who
# has come since is killed, in seconds; and how often while there are many to be reaped, for to
# find all descendants takes long in which nobody is.
POLL_S = 0.01
BUSY_POLL_S = 0.25
# Whoever a parent still waits for has this time in seconds between TERM and KILL.
LAST_S = 1.0

_IN_ORDER = (lifecycle.DESCENDING, lifecycle.BYPASSING)


class Teardown:
    """Ends all of ``where``; ``left`` is what that has said of who is left.

    ``in_order`` has parents asked before their children.  ``group_asked`` is a process group that
    got a SIGTERM before, and when, in clock ticks since the boot.
    """

    def __init__(  # noqa: PLR0917 - what a teardown is about
        self,
        policy: "Lifecycle",
        log: events.Log,
        reaper: "Reaper",
        inbox: "Inbox",
        where: "scope.OwnNamespace | Descendants",
        left: int,
        *,
        in_order: bool = True,
        group_asked: tuple[int, int] | None = None,
    ) -> None:
        self._lifecycle = policy
        self._log = log
        self._reaper = reaper
        self._inbox = inbox
        self._scope = where
        self._left = left
        self._in_order = in_order
        self._group_asked = group_asked
        self._order: Order | None = None  # whom to ask when, where that is kept to
        self._next: set[int] = set()  # those to be asked now
        self._entered: list[ProcessStat] = []  # from outside, who were asked
        self._but: set[int] = set()  # whom those owed are not for
        self._asked = reaper.signalled
        self._deadline: float | None = None
        self._looked = 0.0
        self._ended, self._gathers = 0, False  # so many have been reaped
        self._clock = clock.Clock()
        self._began: float | None = None  # when the first ones were asked
        self._taken: _signal.struct_siginfo | None = None  # before there was a state for it
        self._owed: tuple[int, ...] = ()  # signals that have not reached everybody yet
        self._has_named_blockers = False
        self._account = _Account(log, self._clock, policy.grace_s)
        self._perform = {
            lifecycle.ASK_CHILDREN: self._ask_children,
            lifecycle.ARM_HALF: self._arm_half,
            lifecycle.ASK_BYPASSED: self._ask_bypassed,
            lifecycle.ARM_LAST: self._arm_last,
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
            self._log.guard(self._run_once)
        if self._scope.asks and not self._has_named_blockers:
            # Nothing that we may do would end them.
            self._log.guard(lambda: self._account.tell_of_hopeless(self._scope.everybody()))
        if self._order is not None:
            self._log.guard(self._order.close)
        self._log.guard(self._account.tell_of_end)

    def _begin(self) -> None:
        if self._in_order and self._lifecycle.grace_s:
            self._log.guard(self._find_order)
        self._step(lifecycle.LEFTOVERS_BELOW if self._order is not None else lifecycle.LEFTOVERS)
        if self._taken is not None:
            self._handle_signal(self._taken)
        self._reap()  # by now they may have ended, and nothing tells of them any more

    def _find_order(self) -> None:
        """See whether some are left whom a parent waits for, and who is to be asked first."""
        from pyinit.stopping import order

        found = order.Order(self._asked, self._clock.now, self._group_asked)
        if self._log.level < events.INFO and self._group_asked is None:
            self._log.guard(lambda: self._end_crowd(found.many(crowd.MANY)))
        self._entered, self._next = found.begin()
        if found.is_open():
            self._order = found

    def _end_crowd(self, pids: set[int]) -> None:
        if pids:
            self._began, self._but = self._clock.now(), self._asked
            self._taken = crowd.end(pids, self._scope, self._reaper, self._inbox, self._clock)

    def _step(self, event: str) -> None:
        for action in self._lifecycle.step(event):
            self._log.guard(self._perform[action])

    def _run_once(self) -> None:
        """Do what is due, or wait for a signal, the deadline, or the next time to look."""
        self._reaper.begin_turn()
        for info in self._inbox.waiting():
            self._handle_signal(info)
        self._log.flush()
        now = self._clock.now()
        if self._deadline is None:
            self._deadline = now  # a step failed before it could arm one
        if now >= self._deadline:
            self._log.guard(self._reap)  # nobody who has ended by now is too late
            self._step(lifecycle.DEADLINE)
            return
        until, awaited = self._wait_until(self._deadline), self._inbox.awaited
        if self._gathers:
            until, awaited = min(until, now + crowd.GATHER_S), self._inbox.besides_chld
        if now >= until:
            self._look()
        elif self._reaper.is_behind:
            self._reap()
        elif (taken := self._clock.wait(awaited, until)) is not None:
            self._handle_signal(taken)
        elif self._gathers:
            self._reap()

    def _wait_until(self, deadline: float) -> float:
        """Return the deadline, or when to look again: who is left, or who has come since."""
        # A child is adopted without a word where its parent was no child of ours.
        looks = self._lifecycle.state in (*_IN_ORDER, lifecycle.KILLING)
        if not (looks or self._owed or self._left == scope.OUTSIDERS):
            return deadline
        pause_s = BUSY_POLL_S if self._reaper.is_behind else POLL_S
        return min(deadline, self._looked + pause_s)

    def _look(self) -> None:
        try:
            if self._lifecycle.state == lifecycle.KILLING:
                # The children of one that was killed, or one that entered just now.
                self._scope.signal(_signal.SIGKILL)
            elif self._owed:
                self._send(*self._owed)
        finally:
            self._looked = self._clock.now()
        self._reap()

    def _handle_signal(self, info: _signal.struct_siginfo) -> None:
        number = info.si_signo
        if number == _signal.SIGCHLD:
            self._reap()
            return
        if self._log.level >= events.INFO:
            self._inbox.tell(info)
        if number in self._inbox.stop_signals:
            self._step(lifecycle.STOP)
        elif number == self._inbox.end_signal:
            self._account.is_asked = True
            self._step(lifecycle.HURRY)

    def _reap(self) -> None:
        found = self._reaper.reap()
        self._ended += found
        # In the order of the tree the next one may be asked when one has ended.
        self._gathers = bool(found) and self._ended > crowd.MANY and self._order is None
        self._left = self._scope.left()
        if self._left == scope.NOBODY:
            self._step(lifecycle.GONE)
        elif self._order is not None and self._lifecycle.state in _IN_ORDER:
            self._next = self._order.adopted()
            if self._next:
                self._step(lifecycle.ADOPTED)

    def _ask_children(self) -> None:
        """Ask those to end whom no living parent waits for."""
        if self._deadline is None and self._log.level >= events.INFO:
            met = scope.Met()
            self._log.guard(lambda: self._scope.meet(met))
            self._log.guard(lambda: self._account.tell_of_leftovers(met))
        if self._deadline is None:
            for process in self._entered:
                self._scope.signal_one(process.pid, (_signal.SIGTERM, _signal.SIGCONT))
        before = set() if self._order is None else self._order.reached()
        for pid in self._next:
            self._asked.add(pid)
            # A stopped process acts on TERM only after CONT.
            again = (_signal.SIGCONT,) if pid in before else (_signal.SIGTERM, _signal.SIGCONT)
            self._scope.signal_one(pid, again)
        self._next = set()
        if self._scope.asks:
            self._left = scope.OUTSIDERS

    def _arm_half(self) -> None:
        self._began = self._clock.now() if self._began is None else self._began
        self._deadline = self._began + self._lifecycle.grace_s / 2

    def _ask_bypassed(self) -> None:
        """Ask those whose parents were asked and do not act: they wait for nothing."""
        if self._order is None:
            return
        try:
            found = self._order.bypassed(self._order.reached() | self._order.still(self._entered))
        except OSError:
            return  # they are asked near the grace's end
        for pid in found:
            self._scope.signal_one(pid, (_signal.SIGTERM, _signal.SIGCONT))

    def _arm_last(self) -> None:
        began = self._clock.now() if self._began is None else self._began
        grace_s = self._lifecycle.grace_s
        self._deadline = began + max(grace_s / 2, grace_s - LAST_S)

    def _terminate(self) -> None:
        is_first = self._deadline is None
        if self._order is not None:
            again = self._order.still(self._entered) | self._order.still_bypassed()
            told = self._order.reached()
            self._but = {*self._asked, *again, *told}
            for pid in told - self._asked - again:
                self._scope.signal_one(pid, (_signal.SIGCONT,))  # stopped, it could not act on it
        met = self._send(_signal.SIGTERM, _signal.SIGCONT)
        if is_first:
            self._log.guard(lambda: self._account.tell_of_leftovers(met))

    def _send(self, *numbers: int, is_bad: bool = False) -> "scope.Met | None":
        """Signal those who are left, and return who they are, as far as that is to be told.

        Where it ``is_bad`` that there is anybody, that is to be told by default.
        What that takes can fail, or take long: the rest is owed, and tried at each look.
        """
        self._owed = numbers
        is_told = self._log.level >= (events.WARNING if is_bad else events.INFO)
        met = scope.Met() if is_told else None
        if self._scope.signal(*numbers, met=met, but=self._but):
            self._owed = ()
        if self._scope.asks:
            self._left = scope.OUTSIDERS
        return met

    def _arm_grace(self) -> None:
        began = self._clock.now() if self._began is None else self._began
        self._deadline = began + self._lifecycle.grace_s

    def _kill(self) -> None:
        self._reaper.has_killed = True
        self._but = set()
        met = self._send(_signal.SIGKILL, is_bad=self._log.explains and not self._account.is_asked)
        self._log.guard(lambda: self._account.tell_of_killed(met))

    def _arm_bound(self) -> None:
        self._looked = self._clock.now()
        self._deadline = self._looked + KILL_BOUND_S

    def _name_blockers(self) -> None:
        """Say who is there in spite of SIGKILL."""
        self._has_named_blockers = True
        self._account.tell_of_blockers(self._scope.everybody(), KILL_BOUND_S)


class _Account:
    """What is said of a teardown; ``is_asked`` says that whoever is left is to be killed."""

    def __init__(self, log: events.Log, took: clock.Clock, grace_s: float) -> None:
        self.is_asked = not grace_s
        self._log = log
        self._clock = took
        self._grace_s = grace_s
        self._count = 0
        self._killed = 0

    def tell_of_hopeless(self, everybody: "list[ProcessStat]") -> None:
        """Say who is there, where nothing was tried."""
        if left := [process for process in everybody if not process.is_zombie]:
            self.tell_of_blockers(left, 0.0)

    def tell_of_blockers(self, left: "list[ProcessStat]", bound_s: float) -> None:
        """Say who is there in spite of SIGKILL, or would be."""
        from pyinit.log import names

        self._log.is_bad = True
        blockers = names.blockers(left)
        self._log.emit(events.WARNING, "leftovers_blocked", leftovers=blockers, bound_s=bound_s)

    def tell_of_leftovers(self, met: "scope.Met | None") -> None:
        """Say who was left, at the beginning."""
        if met is None:
            return
        from pyinit.log import names

        self._count = met.count
        self._log.emit(
            events.INFO,
            "teardown_started",
            leftovers=names.names(met.processes),
            count=self._count,
            grace_s=self._grace_s,
        )

    def tell_of_killed(self, met: "scope.Met | None") -> None:
        """Say who had to be killed."""
        if met is None:
            return
        from pyinit.log import names

        if met.count and not self.is_asked:
            self._log.is_bad = True
            self._note_killed(names.names(met.processes), met.count)
        if not self._grace_s:
            self.tell_of_leftovers(met)
        self._killed = met.count
        for process in met.processes:
            name = names.name_of(process)
            self._log.emit(events.INFO, "leftover_killed", pid=process.pid, name=name)

    def _note_killed(self, killed: list[str], count: int) -> None:
        """Keep in mind who had to be killed: all that a run without a record has of a teardown."""
        grace_s = self._grace_s
        self._log.note("teardown_started", leftovers=killed, count=None, grace_s=grace_s)
        self._log.note("teardown_finished", took_s=round(self._clock.now(), 6), killed=count)

    def tell_of_end(self) -> None:
        """Say how it went."""
        self._log.emit(
            events.INFO,
            "teardown_finished",
            took_s=round(self._clock.now(), 6),
            count=self._count,
            killed=self._killed,
        )
