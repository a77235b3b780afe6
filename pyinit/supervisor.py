"""The loop of the init: the only place that blocks.

It turns signals, exits and deadlines into events of the `lifecycle`, and
performs the actions that this answers with.  Nothing here may end PID 1: once
the main child runs, an unexpected exception is logged and the loop goes on.
"""

import _signal
import posix
import time

from pyinit import events, lifecycle, scope, sigset, wstatus

# From KILL to giving up on whoever the kernel cannot end yet, in seconds.
KILL_BOUND_S = 2.0
# How often those are asked after whose end sends us no SIGCHLD, and how often who
# has come since is killed, in seconds.
POLL_S = 0.01
# Keeps a loop of failures from taking a whole processor, in seconds.
_PAUSE_AFTER_FAILURE_S = 0.1

# __WALL: also children of before exec that were made to send another signal at their
# end (clone(2)); since the exec the kernel makes it SIGCHLD, but waitpid(2) needs this.
_WALL = 0x40000000
_WAIT = posix.WNOHANG | posix.WUNTRACED | _WALL
_LOOK = posix.WNOHANG | posix.WEXITED | posix.WNOWAIT | _WALL


class Supervisor:
    """Supervises the main child ``pid``, the leader of its own process group.

    ``group`` relays to that group instead of to the child; ``grace_s`` is the
    grace in seconds; ``had_terminal`` says that the child was given the
    foreground; ``reaps_aloud`` warns of every orphan.
    """

    def __init__(
        self,
        pid: int,
        log: events.Log,
        *,
        grace_s: float,
        group: bool = False,
        had_terminal: bool = False,
        reaps_aloud: bool = False,
    ) -> None:
        self._main = pid
        self._alive = True
        self._status = 0
        self._log = log
        self._target = -pid if group else pid
        self._had_terminal = had_terminal
        self._is_init = posix.getpid() == 1
        self._scope = scope.Namespace() if self._is_init else scope.Descendants()
        self._lifecycle = lifecycle.Lifecycle(grace_s)
        self._deadline: float | None = None
        self._reap_level = events.WARNING if reaps_aloud else events.DEBUG
        # Looking at each orphan before it is reaped costs two more system calls.
        self._names_orphans = self._reap_level <= log.level
        self._left = scope.NOBODY
        self._failed = False
        self._next_look = 0.0
        self._perform = {
            lifecycle.TERMINATE: self._terminate,
            lifecycle.ARM_GRACE: self._arm_grace,
            lifecycle.KILL: self._kill,
            lifecycle.ARM_BOUND: self._arm_bound,
            lifecycle.NAME_BLOCKERS: self._name_blockers,
            lifecycle.DISARM: self._disarm,
        }

    def run(self) -> int:
        """Supervise until everything has ended; return the main child's exit code."""
        self._guard(_install_handlers)
        # Children that ended before SIGCHLD was blocked have sent theirs in vain.
        self._guard(self._reap)
        while self._lifecycle.state != lifecycle.DONE:
            self._guard(self._turn)
        if self._had_terminal:
            self._guard(self._take_terminal_back)
        code = wstatus.exit_code(self._status)
        self._log.emit(events.INFO, "exiting", exit_code=code)
        return code

    def _guard(self, step: "Callable[[], None]") -> None:
        try:
            step()
        except BaseException as error:
            # The container is not ours to end: say it, and go on relaying and reaping.
            self._failed = True
            try:
                self._log.emit(events.ERROR, "internal_error", error=repr(error), at=_place(error))
                time.sleep(_PAUSE_AFTER_FAILURE_S)
            except BaseException:
                pass  # not even that; the loop is what matters

    def _turn(self) -> None:
        """Wait for one signal or the deadline, and deal with it."""
        if self._failed:
            # That may have been the reaping that a SIGCHLD had asked for, and no other may come.
            info = _signal.sigtimedwait(sigset.AWAITED, 0)
            if info is None:
                self._failed = False
                self._reap()
                return
        elif not self._alive:
            info = self._wait_for_the_end()
            if info is None:
                return
        else:
            info = _signal.sigwaitinfo(sigset.AWAITED)
        if info.si_signo == _signal.SIGCHLD:
            self._reap()
        else:
            self._take(info)

    # -- signals ---------------------------------------------------------

    def _take(self, info: _signal.struct_siginfo) -> None:
        number = info.si_signo
        if info.si_code == sigset.SI_KERNEL and number in sigset.BACKGROUND_TTY:
            return  # a terminal that does not want pyinit itself to read or write
        event = lifecycle.STOP if number in sigset.STOP_SIGNALS else lifecycle.SIGNAL
        for action in self._lifecycle.step(event):
            if action is lifecycle.RELAY:
                self._relay(info)
            else:
                self._perform[action]()

    def _relay(self, info: _signal.struct_siginfo) -> None:
        number = info.si_signo
        from_terminal = info.si_code == sigset.SI_KERNEL and number in sigset.FROM_TERMINAL
        if from_terminal and self._shares_group():
            return  # the terminal sent it to the whole group: the child has it already
        if number == _signal.SIGTSTP and self._discards_tstp():
            number = _signal.SIGSTOP
        try:
            posix.kill(self._target, number)
        except ProcessLookupError:
            # With --group: everybody left the group, which the child can do too.
            self._relay_to_child(number)
        except OSError as error:
            self._log.emit(
                events.WARNING, "signal_dropped", signal=sigset.name(number), reason=error.strerror
            )
            return
        if self._log.level >= events.DEBUG:
            self._log.emit(
                events.DEBUG,
                "signal_relayed",
                signal=sigset.name(number),
                sender_pid=info.si_pid,
                sender_uid=info.si_uid,
                target=self._target,
            )

    def _relay_to_child(self, number: int) -> None:
        try:
            posix.kill(self._main, number)
        except OSError as error:
            self._log.emit(
                events.WARNING, "signal_dropped", signal=sigset.name(number), reason=error.strerror
            )

    def _shares_group(self) -> bool:
        """Return whether the main child has put itself into our own process group."""
        try:
            return posix.getpgid(self._main) == posix.getpgid(0)
        except OSError:
            return False

    def _discards_tstp(self) -> bool:
        """Return whether the kernel would discard a SIGTSTP for the child.

        It does in an orphaned process group, one that no parent in the same
        session watches over (setpgid(2)), unless the child handles the signal.
        """
        from pyinit import job

        return job.is_orphaned(self._main) and not job.handles(self._main, _signal.SIGTSTP)

    # -- children --------------------------------------------------------

    def _reap(self) -> None:
        """Reap all who have ended, and note the main child's end or stop."""
        while True:
            try:
                pid, status = posix.waitpid(self._next() if self._names_orphans else -1, _WAIT)
            except ChildProcessError:
                break
            if pid == 0:
                break
            if pid == self._main and self._alive:
                stopped = wstatus.stop_signal(status)
                if stopped:
                    self._main_stopped(stopped)
                else:
                    self._alive = False
                    self._status = status
        if not self._alive:
            self._ask_who_is_left()

    def _next(self) -> int:
        """Return who is to be reaped next, or -1.  Raises ChildProcessError."""
        try:
            return self._name_next()
        except ChildProcessError:
            raise
        except Exception as error:
            self._names_orphans = False  # to be reaped is more than to be named
            self._log.emit(events.ERROR, "internal_error", error=repr(error), at=_place(error))
            return -1

    def _name_next(self) -> int:
        """Return who is to be reaped next, and say it: its name is known only until then.

        Where nobody has ended, only the main child's stop is of interest: a
        stopped orphan could be continued, or end, before it is waited for.
        """
        info = posix.waitid(posix.P_ALL, 0, _LOOK)
        if info is None:
            return self._main if self._alive else -1
        if info.si_pid != self._main or not self._alive:
            from pyinit import describe

            self._log.emit(
                self._reap_level,
                "orphan_reaped",
                pid=info.si_pid,
                name=describe.name(info.si_pid),
                **describe.end(info.si_code, info.si_status),
            )
        return info.si_pid

    def _main_stopped(self, number: int) -> None:
        self._log.emit(events.INFO, "child_stopped", pid=self._main, signal=sigset.name(number))
        from pyinit import job

        given = job.resume_in_foreground(self._main, number)
        if not given and not self._is_init:
            given = job.stop_with(self._main, number)
        self._had_terminal = self._had_terminal or given

    # -- the end ---------------------------------------------------------

    def _ask_who_is_left(self) -> None:
        if self._lifecycle.state == lifecycle.DONE:
            return
        self._left = self._scope.left()
        if self._lifecycle.state in (lifecycle.TEARDOWN, lifecycle.KILLING):
            if self._left == scope.NOBODY:
                self._step(lifecycle.GONE)
            return
        self._log.emit(
            events.INFO, "child_exited", pid=self._main, exit_code=wstatus.exit_code(self._status)
        )
        self._step(lifecycle.LEFTOVERS if self._left else lifecycle.ENDED)

    def _step(self, event: str) -> None:
        for action in self._lifecycle.step(event):
            self._perform[action]()

    def _wait_for_the_end(self) -> _signal.struct_siginfo | None:
        """Wait in teardown: for a signal, the deadline, or the next time to ask who is left."""
        if self._lifecycle.state in (lifecycle.RUNNING, lifecycle.STOPPING):
            self._step(lifecycle.LEFTOVERS)  # asking who is left has failed
        now = time.monotonic()
        if self._deadline is None:
            self._deadline = now  # a step failed before it could arm one
        if now >= self._deadline:
            self._guard(self._reap)  # nobody who has ended by now is too late
            self._step(lifecycle.DEADLINE)
            return None
        until = self._deadline
        killing = self._lifecycle.state == lifecycle.KILLING
        if killing or self._left == scope.OUTSIDERS:
            if now >= self._next_look:
                self._next_look = now + POLL_S
                if killing:
                    # The children of one that was killed, or one that entered just now.
                    self._scope.signal(_signal.SIGKILL)
                self._reap()
                return None
            until = min(until, self._next_look)
        return _signal.sigtimedwait(sigset.AWAITED, until - now)

    def _tell_of_leftovers(self, event: str) -> None:
        if self._log.level >= events.INFO:
            from pyinit import describe

            self._log.emit(events.INFO, event, leftovers=describe.names(self._scope.leftovers()))

    def _terminate(self) -> None:
        self._guard(lambda: self._tell_of_leftovers("teardown_started"))
        # A stopped process acts on TERM only after CONT.
        self._scope.signal(_signal.SIGTERM, _signal.SIGCONT)

    def _kill(self) -> None:
        self._guard(lambda: self._tell_of_leftovers("leftovers_killed"))
        self._scope.signal(_signal.SIGKILL)

    def _arm_grace(self) -> None:
        self._deadline = time.monotonic() + self._lifecycle.grace_s

    def _arm_bound(self) -> None:
        now = time.monotonic()
        self._deadline = now + KILL_BOUND_S
        self._next_look = now + POLL_S

    def _disarm(self) -> None:
        self._deadline = None

    def _name_blockers(self) -> None:
        from pyinit import describe

        self._log.emit(
            events.WARNING,
            "leftovers_blocked",
            leftovers=describe.blockers(self._scope.everybody()),
            bound_s=KILL_BOUND_S,
        )

    def _take_terminal_back(self) -> None:
        from pyinit import terminal

        terminal.take_back(self._main)


def _install_handlers() -> None:
    """Make SigCgt of /proc/PID/status tell that the relayed signals are taken care of.

    They never run: the signals stay blocked, and are taken by sigwaitinfo(2).
    """
    for number in sigset.RELAYED:
        _install_handler(number)


def _install_handler(number: int) -> None:
    _signal.signal(number, _never_runs)


def _never_runs(number: int, frame: object) -> None:
    """Stand for a signal that is taken by sigwaitinfo(2) instead."""


def _place(error: BaseException) -> str:
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None:
        return "?"
    return f"{traceback.tb_frame.f_code.co_name}:{traceback.tb_lineno}"


TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
