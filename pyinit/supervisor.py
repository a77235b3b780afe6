"""The loop of the init while its command runs: signals, deadlines, and who has ended.

Nothing here may end PID 1: an unexpected exception is logged and the loop goes
on.  What a quiet run of a command that leaves nobody behind does not need is in
other modules, and loaded when it is needed.
"""

import _signal
import posix
import sys

from pyinit import events, lifecycle, moment, signals
from pyinit.settings import ALL, ASK, LEFTOVERS, TREE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pyinit.child import Child
    from pyinit.inbox import Inbox
    from pyinit.lineage import Descendants
    from pyinit.log.relayed import Relayed
    from pyinit.reaper import Reaper
    from pyinit.scope import OwnNamespace
    from pyinit.settings import Settings
    from pyinit.stopping.stop import Stop
    from pyinit.stopping.wait import Rest

# So many signals are taken before whatever else is due, which takes some 3 microseconds each;
# but only so many of which more has to be said.
_MOST = 1000
_MOST_TOLD = 16


class Supervisor:
    """Runs the init of ``main`` until it and all that it left behind have ended.

    ``stop`` is how it is stopped where that is more than a relay; see `pyinit.stopping.stop`.
    ``rest`` is who is waited for after the main child, where that is asked for.
    ``fallback`` ends leftovers where the teardown cannot be loaded; see `pyinit.fallback`.
    """

    def __init__(  # noqa: PLR0917 - what the loop is about
        self,
        main: "Child",
        settings: "Settings",
        log: events.Log,
        policy: lifecycle.Lifecycle,
        reaper: "Reaper",
        inbox: "Inbox",
    ) -> None:
        self.main = main
        self.lifecycle = policy
        self.stop: Stop | None = None
        self.rest: Rest | None = None
        self.fallback: Callable[[float, int, frozenset[int]], None] | None = None
        self._settings = settings
        self._log = log
        self._reaper = reaper
        self._inbox = inbox
        self._told: Relayed | None = None
        self._scope: OwnNamespace | Descendants | None = None
        self._left: int | None = None  # until it is asked
        self._is_init = posix.getpid() == 1
        if not self._is_init:
            from pyinit import lineage  # noqa: F401 - it may not be there any more then

    def may_stop(self) -> bool:
        """Return whether there is something to be stopped, and no stop signal has come."""
        return self.main.alive and not self.lifecycle.stops

    def run(self) -> int:
        """Supervise until everything has ended; return the main child's exit code."""
        guard = self._log.guard
        self._log.take_signals = self._take_waiting
        if self._settings.installs_handlers:
            guard(_install_handlers)
        while self.main.alive:
            guard(self._run_once)
        code = signals.exit_code(self.main.status)
        guard(self.main.tell_of_end)
        if self.rest is not None and not self.lifecycle.stops:
            guard(self._wait_for_rest)
        if self.stop is not None:
            guard(self.stop.main_ended)
        guard(self._end_leftovers)
        if self.lifecycle.state != lifecycle.DONE:
            guard(self._end_leftovers_simply)
        guard(self.main.take_terminal_back)
        code = self._settings.remap_exit.get(code, code)
        guard(self._reaper.end)
        is_bad = self._log.is_bad or self.main.has_ended_badly()
        self._log.finish(code, (lambda: self._explain(code)) if is_bad else None)
        return code

    def _wait_for_rest(self) -> None:
        """Have those whom the main child has left in its place, until they or a stop end that."""
        main, rest = self.main, self.rest
        self._reaper.catch_up()
        if rest is None or not rest.alive:
            return
        self._log.guard(lambda: rest.take_terminal(main))
        self.lifecycle.step(lifecycle.LEFTOVERS_AWAITED)
        self._log.guard(lambda: rest.tell_of_wait(self._where()))
        rest.status = main.status
        self.main = rest
        if self.stop is not None:
            self.stop.main = rest
        while rest.alive:
            self._log.guard(self._run_once)
        self.main = main

    def _explain(self, code: int) -> "dict[str, object]":
        """Return what the log says of a bad end, where there is no record of the run."""
        from pyinit.report import ending

        return ending.explain(self._settings, self._log, self.main, self._inbox, code)

    def _take_waiting(self) -> None:
        """Take the signals that wait, while something is loaded that takes long."""
        if self.main.alive:
            for info in self._inbox.waiting():
                self._log.guard(lambda info=info: self._handle_signal(info))  # type: ignore[misc]

    def _run_once(self) -> None:
        """Relay and reap until the main child has ended, or what one turn may do is done."""
        self._reaper.begin_turn()
        # After a failure the signals that wait come first: reaping could fail again.
        for info in self._inbox.waiting():
            self._handle_signal(info)
            if not self.main.alive:
                return
        if self.stop is not None:
            self.stop.expire()
        # SIGCHLD of those who ended before it was blocked, or before a failure, will not come.
        self._reaper.reap()
        if not self.main.alive:
            return
        self._log.flush()
        if self._reaper.is_behind or not self.main.alive:
            return
        if self.stop is not None and (deadline := self.stop.deadline) is not None:
            taken = self.stop.clock.wait(self._inbox.awaited, deadline)
            if taken is not None:
                self._handle_signal(taken)
            return
        self._wait()

    def _wait(self) -> None:
        """Wait for signals without a deadline, and take as many as one turn may."""
        wait, kill, awaited = _signal.sigwaitinfo, posix.kill, self._inbox.awaited
        target, relayed, plain = self.main.target, self.main.relayed, self.main.plain
        most, told = _MOST, None
        if self._log.level >= events.DEBUG:
            most, told = _MOST_TOLD, self._teller()
            wait, plain = (told.wait, plain) if told is not None else (wait, frozenset())
        # Most are relayed as they are: this loop is what stands between the sender and the child.
        for _ in range(most):
            info = wait(awaited)
            number = info.si_signo
            if number not in plain:
                self._handle_signal(info)
                if not self._is_due():
                    self._log.flush()
                if self._is_due():
                    return
                continue
            relayed[number] = info
            try:
                kill(target, number)
            except OSError as error:
                if _is_lost(self.main, info, error, told, self._inbox):
                    self._log.flush()
                    continue
                target = self.main.target
            if told is not None:
                told.note(info)

    def _teller(self) -> "Relayed | None":
        """Return what tells of relayed signals, or None where that cannot be loaded."""
        try:
            from pyinit.log import relayed
        except Exception:
            return None  # each is told of by itself, with what is missing
        self._told = self._told or relayed.Relayed(self._log, self.main.target)
        return self._told

    def _is_due(self) -> bool:
        """Return whether something else has to be done than to wait for signals."""
        if not self.main.alive or self._reaper.is_behind:
            return True
        return self.stop is not None and self.stop.deadline is not None

    def _handle_signal(self, info: _signal.struct_siginfo) -> None:
        """Deal with one signal that was sent to us while the main child lives."""
        number = info.si_signo
        if number == _signal.SIGCHLD:
            if not self._reaper.reap() and not self._settings.installs_handlers:
                self._reaper.ask_after_known()  # another thread of the program has reaped it
            return
        if self._log.level >= events.INFO:
            self._inbox.tell(info)
        if number == self._inbox.end_signal:
            self._end_all()
            return
        # What comes of any signal now is that it is relayed: only of a stop the lifecycle
        # has to know, and asking it takes as long as kill(2).
        if number in self._inbox.stop_signals:
            self._begin_stop(info)
        else:
            self.main.relay(info)

    def _begin_stop(self, info: _signal.struct_siginfo) -> None:
        if self.stop is not None:
            self._stop_with(self.stop, info)
        else:
            self.lifecycle.step(lifecycle.STOP)
            self.main.relay(info)
        if self._inbox.first_stop is None:
            self._inbox.note_stop(info, self.main.pid)

    def _stop_with(self, stop: "Stop", info: _signal.struct_siginfo) -> None:
        try:
            stop.signal(info)
        except BaseException:
            self.main.relay(info)  # at once rather than never
            raise

    def _end_all(self) -> None:
        """Kill the main child, and then at once all that it leaves behind."""
        self._settings.leftovers = ALL
        self.lifecycle.grace_s = 0.0
        self.main.kill()
        self.main.expected |= 1 << _signal.SIGKILL

    def _end_leftovers(self) -> None:
        """End those who are left, or do with them what is asked for."""
        if self._settings.leftovers in LEFTOVERS:
            self._log.guard(self._reaper.catch_up)
            # Mostly nobody is, and what it takes to end them is not loaded.
            if not moment.is_nobody_left(is_init=self._is_init) and self._tear_down():
                return
        elif self._settings.leftovers == ASK:
            self.main.ask_group()
        self.lifecycle.step(lifecycle.ENDED)

    def _end_leftovers_simply(self) -> None:
        """End who is left where a module for it cannot be loaded."""
        if self.fallback is not None:
            self.fallback(self.lifecycle.grace_s, self.lifecycle.stops, self._inbox.stop_signals)

    def _where(self) -> "OwnNamespace | Descendants":
        """Return how those are reached that the main child leaves."""
        self._scope = self._scope or (_own_namespace() if self._is_init else _descendants())
        return self._scope

    def _ask_who_is_left(self) -> None:
        self._left = self._where().left()

    def _tear_down(self) -> bool:
        """End those who are left; return whether there is anybody to be waited for."""
        where = self._where()
        where.load()
        from pyinit import scope
        from pyinit.stopping import teardown

        self._log.guard(self._ask_who_is_left)
        if self._left == scope.NOBODY:
            return False
        in_order = self._settings.leftovers == TREE
        asked = self.main.group_asked() if in_order else None
        teardown.Teardown(
            self.lifecycle,
            self._log,
            self._reaper,
            self._inbox,
            where,
            scope.OUTSIDERS if self._left is None else self._left,
            in_order=in_order,
            group_asked=None if asked is None else (self.main.pid, asked),
        ).run()
        return True


def _is_lost(
    main: "Child",
    info: _signal.struct_siginfo,
    error: OSError,
    told: "Relayed | None",
    inbox: "Inbox",
) -> bool:
    """Say that a signal is lost, if the main child does not get it alone."""
    if main.send_alone(info.si_signo, error) is None:
        if told is not None:
            told.target = main.target
        return False
    if told is not None:
        inbox.tell(info)
    main.not_relayed(info.si_signo, error)
    return True


def _own_namespace() -> "OwnNamespace":
    sys.modules["pyinit"]._serve("teardown")
    from pyinit import scope

    return scope.OwnNamespace()


def _descendants() -> "Descendants":
    sys.modules["pyinit"]._serve("teardown")
    from pyinit import lineage

    return lineage.Descendants()


def _install_handlers() -> None:
    """Make SigCgt of /proc/PID/status tell that the relayed signals are taken care of.

    They never run: the signals stay blocked, and are taken by sigwaitinfo(2).
    """
    for number in signals.RELAYED:
        _signal.signal(number, _never_runs)


def _never_runs(number: int, frame: object) -> None:
    """Stand for a signal that is taken by sigwaitinfo(2) instead."""
