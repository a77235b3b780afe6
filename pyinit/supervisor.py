"""The loop of the init while its command runs: signals are relayed, children are reaped.

Nothing here may end PID 1: an unexpected exception is logged and the loop goes
on.  What a quiet run of a command that leaves nobody behind does not need is in
other modules, and loaded when it is needed.
"""

import _signal
import posix

from pyinit import events, lifecycle, scope, sigset, wstatus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyinit.settings import Settings

_WAIT = posix.WNOHANG | posix.WUNTRACED | scope.WALL


class Supervisor:
    """Supervises the main child ``pid``, the leader of its own process group.

    ``had_terminal`` says that it was given the foreground of the terminal.
    """

    def __init__(
        self, pid: int, asked: "Settings", log: events.Log, *, had_terminal: bool = False
    ) -> None:
        self.log = log
        self.main = pid
        self.alive = True
        self.status = 0
        self.left = scope.OUTSIDERS  # until it is asked
        self.had_terminal = had_terminal
        self.is_init = posix.getpid() == 1
        self.scope = scope.Namespace() if self.is_init else scope.Descendants()
        self.lifecycle = lifecycle.Lifecycle(asked.grace_s)
        self._target = -pid if asked.group else pid
        self._reap_level = events.WARNING if asked.warn_on_reap else events.DEBUG
        # Looking at each orphan before it is reaped costs two more system calls.
        self._names_orphans = self._reap_level <= log.level

    def run(self) -> int:
        """Supervise until everything has ended; return the main child's exit code."""
        self.log.guard(_install_handlers)
        while self.alive:
            self.log.guard(self._turn)
        self.log.emit(
            events.INFO, "child_exited", pid=self.main, exit_code=wstatus.exit_code(self.status)
        )
        self.log.guard(self._ask_who_is_left)
        if self.left == scope.NOBODY:
            self.lifecycle.step(lifecycle.ENDED)
        else:
            self.log.guard(self._tear_down)
        if self.had_terminal:
            self.log.guard(self._take_terminal_back)
        code = wstatus.exit_code(self.status)
        self.log.emit(events.INFO, "exiting", exit_code=code)
        return code

    def _turn(self) -> None:
        """Relay and reap until the main child has ended."""
        # After a failure the signals that wait come first: reaping could fail again.
        while self.alive and (info := _signal.sigtimedwait(sigset.AWAITED, 0)) is not None:
            self.take(info)
        # SIGCHLD of those who ended before it was blocked, or before a failure, will not come.
        self.reap()
        wait, kill, awaited, target = _signal.sigwaitinfo, posix.kill, sigset.AWAITED, self._target
        # Most are relayed as they are: this loop is what stands between the sender and the child.
        plain = sigset.PLAIN if self.log.level < events.DEBUG else ()
        while self.alive:
            info = wait(awaited)
            if info.si_signo not in plain:
                self.take(info)
                continue
            try:
                kill(target, info.si_signo)
            except OSError as error:
                self._not_relayed(info.si_signo, error)

    def take(self, info: _signal.struct_siginfo) -> None:
        """Deal with one signal that was sent to us while the main child lives."""
        number = info.si_signo
        if number == _signal.SIGCHLD:
            self.reap()
            return
        # What comes of any signal now is that it is relayed: only of a stop the lifecycle
        # has to know, and asking it takes as long as kill(2).
        if number in sigset.STOP_SIGNALS:
            self.lifecycle.step(lifecycle.STOP)
        if info.si_code == sigset.SI_KERNEL or number == _signal.SIGTSTP:
            number = self._instead(number, info.si_code)
            if not number:
                return
        try:
            posix.kill(self._target, number)
        except OSError as error:
            self._not_relayed(number, error)
        else:
            if self.log.level >= events.DEBUG:
                self._tell_of_relay(number, info)

    def _instead(self, number: int, code: int) -> int:
        """Return what is to be relayed instead of signal ``number``, or 0."""
        if code == sigset.SI_KERNEL:
            if number in sigset.BACKGROUND_TTY:
                return 0  # a terminal that does not want pyinit itself to read or write
            if number in sigset.FROM_TERMINAL and self._shares_group():
                return 0  # the terminal sent it to the whole group: the child has it already
        return self._as_stop() if number == _signal.SIGTSTP else number

    def _tell_of_relay(self, number: int, info: _signal.struct_siginfo) -> None:
        self.log.emit(
            events.DEBUG,
            "signal_relayed",
            signal=sigset.name(number),
            sender_pid=info.si_pid,
            sender_uid=info.si_uid,
            target=self._target,
        )

    def _not_relayed(self, number: int, error: OSError) -> None:
        if isinstance(error, ProcessLookupError) and self._target != self.main:
            # Everybody left the group, which the child itself can do too.
            try:
                posix.kill(self.main, number)
            except OSError as other:
                error = other
            else:
                return
        self.log.emit(
            events.WARNING, "signal_dropped", signal=sigset.name(number), reason=error.strerror
        )

    def _shares_group(self) -> bool:
        """Return whether the main child has put itself into our own process group."""
        try:
            return posix.getpgid(self.main) == posix.getpgid(0)
        except OSError:
            return False

    def _as_stop(self) -> int:
        """Return SIGTSTP, or SIGSTOP where the kernel would discard the first.

        It does in an orphaned process group, one that no parent in the same
        session watches over (setpgid(2)), unless the child handles the signal.
        """
        from pyinit import job

        orphaned = job.is_orphaned(self.main) and not job.handles(self.main, _signal.SIGTSTP)
        return _signal.SIGSTOP if orphaned else _signal.SIGTSTP

    def reap(self) -> None:
        """Reap all who have ended, and note the main child's end or stop."""
        while True:
            try:
                pid, status = posix.waitpid(self._next() if self._names_orphans else -1, _WAIT)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.main and self.alive:
                stopped = wstatus.stop_signal(status)
                if stopped:
                    self._main_stopped(stopped)
                else:
                    self.alive = False
                    self.status = status

    def _next(self) -> int:
        """Return who is to be reaped next, or -1.  Raises ChildProcessError."""
        try:
            return self._name_next()
        except ChildProcessError:
            raise
        except Exception as error:
            self._names_orphans = False  # to be reaped is more than to be named
            self.log.emit(events.ERROR, "internal_error", error=repr(error))
            return -1

    def _name_next(self) -> int:
        """Return who is to be reaped next, and say it: its name is known only until then.

        Where nobody has ended, only the main child's stop is of interest: a
        stopped orphan could be continued, or end, before it is waited for.
        """
        info = posix.waitid(posix.P_ALL, 0, scope.PEEK)
        if info is None:
            return self.main if self.alive else -1
        if info.si_pid != self.main or not self.alive:
            from pyinit import describe

            self.log.emit(
                self._reap_level,
                "orphan_reaped",
                pid=info.si_pid,
                name=describe.name(info.si_pid),
                **describe.end(info.si_code, info.si_status),
            )
        return info.si_pid

    def _main_stopped(self, number: int) -> None:
        self.log.emit(events.INFO, "child_stopped", pid=self.main, signal=sigset.name(number))
        from pyinit import job

        given = job.resume_in_foreground(self.main, number)
        if not given and not self.is_init:
            given = job.stop_with(self.main, number)
        self.had_terminal = self.had_terminal or given

    def _ask_who_is_left(self) -> None:
        self.left = self.scope.left()

    def _tear_down(self) -> None:
        from pyinit import teardown

        teardown.Teardown(self).run()

    def _take_terminal_back(self) -> None:
        from pyinit import terminal

        terminal.take_back(self.main)


def _install_handlers() -> None:
    """Make SigCgt of /proc/PID/status tell that the relayed signals are taken care of.

    They never run: the signals stay blocked, and are taken by sigwaitinfo(2).
    """
    for number in sigset.RELAYED:
        _signal.signal(number, _never_runs)


def _never_runs(number: int, frame: object) -> None:
    """Stand for a signal that is taken by sigwaitinfo(2) instead."""
