"""What is done to the main child: signals are relayed to it, it is stopped, continued, killed."""

import _signal
import posix

from pyinit import events, signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pyinit.reaper import Reaper
    from pyinit.settings import Settings

_USER_HZ = 100  # the kernel's for user space, on every machine; see time(7)


class Child:
    """The main child ``pid``, the leader of its own process group.

    ``status`` is its wait status, once it is not ``alive``.  ``had_terminal`` says that it was
    given the foreground of the terminal.  ``target`` is what kill(2) gets to relay a signal, and
    ``plain`` are the signals that are relayed as they are, whoever has sent them.
    """

    def __init__(
        self,
        pid: int,
        settings: "Settings",
        log: events.Log,
        reaper: "Reaper",
        stop_signals: frozenset[int],
    ) -> None:
        self.pid = pid
        self.alive = True
        self.status = 0
        self.had_terminal = False
        self.ended: events.When | None = None
        self.relayed: dict[int, _signal.struct_siginfo] = {}  # the last of each number
        self.expected = 0  # a bit for each signal of a stop: to end by it is no bad end
        self.target = -pid if settings.group else pid
        self.plain = signals.PLAIN
        if settings.rewrite or stop_signals is not signals.STOP_SIGNALS:
            self.plain = self.plain.difference(settings.rewrite, stop_signals)
        self._settings = settings
        self._log = log
        self._reaper = reaper
        self._stop_signals = stop_signals
        # How often it has stopped so far, and the stop out of which we have continued it.
        self._stops = self._resumed = 0
        self._on_stop: Callable[[int, bool, int], None] | None = None
        self._group_asked: int | None = None
        self._ends_by_term = False  # TERM is more than a signal that it has a use for
        if settings.group:
            self.plain = self.plain.difference((_signal.SIGTERM,))
        if pid:
            reaper.known[pid] = self._change

    def delegate_job_control(self, on_stop: "Callable[[int, bool, int], None]") -> None:
        """Call ``on_stop`` when the main child has stopped, instead of stopping with it.

        With the signal, whether it had the terminal, and how often it has stopped so far.  It
        is continued when we get SIGCONT; one of our parent's that has such a number with it
        (sigqueue(3)) is for that stop alone, and for nothing once that is over.
        """
        self._on_stop = on_stop
        self.plain = self.plain.difference((_signal.SIGCONT,))

    def _change(self, pid: int, status: int) -> None:
        """Take note of its end, stop or continuation."""
        if status == signals.CONTINUED:
            self._log.emit(events.INFO, "child_continued", pid=pid)
        elif stopped := signals.stop_signal(status):
            self._has_stopped(stopped)
        else:
            self.alive = False
            self.status = status
            self.ended = events.now()
            if status == signals.KILLED:
                command = self._settings.command
                self._reaper.note_kill(pid, command[0].rpartition("/")[2] if command else None)

    def has_ended_badly(self) -> bool:
        """Return whether a signal has ended it that is neither of a stop nor of the terminal."""
        number = self.status & 0x7F
        expected = self.expected
        if self.had_terminal:
            expected |= 1 << _signal.SIGINT | 1 << _signal.SIGQUIT
        return bool(number) and not expected >> number & 1

    def tell_of_end(self) -> None:
        """Say how it has ended."""
        if self._log.level >= events.INFO:
            self._log.emit(events.INFO, "child_exited", pid=self.pid, **_end(self.status))

    # -- Signals.

    def relay(self, info: _signal.struct_siginfo, *, was_held: bool = False) -> None:
        """Send it what becomes of a signal that was sent to us, and may have been held back."""
        number = _mapped(self._settings, self.pid, info)
        is_stop = info.si_signo in self._stop_signals
        if is_stop:
            # What is not relayed of a terminal's, the child has from there.
            self.expected |= 1 << (number or info.si_signo)
            self._ends_by_term = self._ends_by_term or number == _signal.SIGTERM
        if not number:
            self._tell_of_ignored(info)
            return
        if number == _signal.SIGCONT and self._stops and self._on_stop is not None:
            if self._is_late(info):
                self._tell_of_ignored(info)
            else:
                self._continue_job()
            return
        if self.relayed.get(info.si_signo) is not info and not self._send(number, self.target):
            return  # it is there where `pyinit.standby` has relayed it
        self.relayed[info.si_signo] = info
        if is_stop and number != _signal.SIGSTOP:
            self._continue_if_stopped()
        level = events.INFO if was_held else events.DEBUG
        tell_of_relay(self._log, level, number, info.si_signo, self.target)

    def send_stop(self, number: int) -> bool:
        """Send signal ``number``, which is to end it; return whether we may."""
        self._ends_by_term = self._ends_by_term or number == _signal.SIGTERM
        try:
            self._kill(self.target, number)
        except OSError as error:
            if not self.not_relayed(number, error):
                return not isinstance(error, PermissionError)
        if number == _signal.SIGKILL and self.target != self.pid:
            self._send(number, self.pid)  # it may have left its group, in which others are
        self._continue_if_stopped()
        return True

    def kill(self) -> None:
        """Kill it, wherever it has moved."""
        self._send(_signal.SIGKILL, self.pid)

    def _send(self, number: int, target: int) -> bool:
        """Send a signal; return whether that worked, which else is said."""
        try:
            self._kill(target, number)
        except OSError as error:
            return self.not_relayed(number, error)
        return True

    def _kill(self, target: int, number: int) -> None:
        """Call kill(2).  Raises OSError."""
        if number == _signal.SIGKILL:
            self._reaper.has_killed = True
        posix.kill(target, number)
        if number == _signal.SIGTERM and target < 0:
            import time  # every interpreter has it built in

            self._group_asked = int(time.clock_gettime(time.CLOCK_BOOTTIME) * _USER_HZ)

    def send_alone(self, number: int, error: OSError) -> OSError | None:
        """Send it without its group if that is empty; return why it is lost, or None."""
        if not isinstance(error, ProcessLookupError) or self.target == self.pid:
            return error
        try:
            posix.kill(self.pid, number)
        except OSError as other:
            return other
        self.target = self.pid  # everybody has left the group, and so has the child itself
        return None

    def not_relayed(self, number: int, error: OSError) -> bool:
        """Say that a signal is lost, if the child does not get it alone; return whether it does."""
        if (left := self.send_alone(number, error)) is None:
            return True
        self._log.emit(
            events.WARNING, "signal_dropped", signal=signals.name(number), reason=left.strerror
        )
        return False

    def group_asked(self) -> int | None:
        """Return when its group was sent a TERM to end it, in clock ticks since boot; proc(5)."""
        return self._group_asked if self._ends_by_term or self.status == _signal.SIGTERM else None

    def ask_group(self) -> None:
        """Send its group a TERM, or what the rules make of it, when it has ended itself."""
        number = self._settings.rewrite.get(_signal.SIGTERM, _signal.SIGTERM)
        if not number:
            return
        try:
            posix.kill(-self.pid, number)
        except OSError:
            return  # the group is empty
        self._log.emit(events.INFO, "leftovers_asked", signal=signals.name(number))

    def give_up(self) -> None:
        """Say that it cannot be killed; as PID 1 end without it.

        The kernel kills all when PID 1 ends, whoever they are (pid_namespaces(7)); when not PID 1
        it would live on without an init, so it is waited for.
        """
        is_init = posix.getpid() == 1
        effect = "the kernel kills it when PID 1 ends" if is_init else "pyinit waits for it"
        self._log.emit(events.WARNING, "child_not_killed", pid=self.pid, effect=effect)
        if is_init:
            self.alive = False
            self.status = signals.KILLED

    def _tell_of_ignored(self, info: _signal.struct_siginfo) -> None:
        """Say, if everything is to be said, that a signal has come of which nothing comes."""
        if self._log.level >= events.DEBUG:
            self._log.emit(events.DEBUG, "signal_ignored", received=signals.name(info.si_signo))

    # -- Job control.

    def _has_stopped(self, number: int) -> None:
        self._stops += 1
        self._log.emit(events.INFO, "child_stopped", pid=self.pid, signal=signals.name(number))
        from pyinit.kernel import job, terminal

        given = job.resume_in_foreground(self.pid, number)
        if not given and self._on_stop is not None:
            self._on_stop(number, terminal.foreground() == self.pid, self._stops)
        elif not given and posix.getpid() != 1:
            self._log.flush()  # while we are stopped nobody brings the status file up to date
            given = job.stop_with(self.pid, number, keeps=terminal.is_kept(self._settings))
        self.had_terminal = self.had_terminal or given

    def _is_late(self, info: _signal.struct_siginfo) -> bool:
        """Return whether a SIGCONT of our parent's is for a stop that is over.

        The one that it passes on may have been sent to its whole group, us too, and before.
        """
        if info.si_code != signals.SI_QUEUE or info.si_pid != posix.getppid():
            return False
        return info.si_status <= self._resumed or info.si_status < self._stops

    def _continue_if_stopped(self) -> None:
        """Continue it if it has stopped, for then it acts on no signal but KILL.

        We may not have been told yet: SIGTERM is taken before a SIGCHLD that waits
        as well (signal(7)).
        """
        try:
            if (
                not self._stops
                and posix.waitid(posix.P_PID, self.pid, signals.PEEK_AT_STOP) is None
            ):
                return
            posix.kill(self.target, _signal.SIGCONT)
        except OSError:
            pass  # ECHILD: the signal has ended it already; else it was told of the signal before

    def _continue_job(self) -> None:
        self._resumed = self._stops
        try:
            from pyinit.kernel import job, terminal
        except BaseException:
            posix.kill(self.target, _signal.SIGCONT)  # without the terminal
            raise
        wanted = self.had_terminal or not terminal.is_kept(self._settings)
        job.continue_job(self.pid, in_foreground=wanted)

    def take_terminal_back(self) -> None:
        """Make our own group the foreground again, where it was."""
        if not self.had_terminal:
            return
        from pyinit.kernel import terminal

        terminal.take_back(self.pid)


def _end(status: int) -> dict[str, object]:
    """Return a wait status as fields of an event."""
    fields: dict[str, object] = {"exit_code": signals.exit_code(status)}
    if number := status & 0x7F:
        fields["signal"] = signals.name(number)
        fields["core_dumped"] = bool(status & 0x80)
    return fields


def tell_of_relay(log: events.Log, level: int, number: int, received: int, target: int) -> None:
    """Say that a signal was sent on, if the log is for that."""
    if log.level < level:
        return
    fields: dict[str, object] = {"signal": signals.name(number)}
    if number != received:
        fields["received"] = signals.name(received)
    log.emit(level, "signal_relayed", **fields, target=target)


def _mapped(settings: "Settings", pid: int, info: _signal.struct_siginfo) -> int:
    """Return what is to be relayed for a signal, or 0."""
    number, from_kernel = info.si_signo, info.si_code == signals.SI_KERNEL
    if from_kernel and number in signals.BACKGROUND_TTY:
        return 0  # a terminal that does not want pyinit itself to read or write
    mapped = settings.rewrite.get(number, number)
    same = mapped == number
    if same and from_kernel and number in signals.FROM_TERMINAL and _shares_group(pid):
        return 0  # the terminal sent it to the whole group: the child has it already
    return _as_stop(pid) if mapped == _signal.SIGTSTP else mapped


def _shares_group(pid: int) -> bool:
    """Return whether the main child has put itself into our own process group."""
    try:
        return posix.getpgid(pid) == posix.getpgid(0)
    except OSError:
        return False


def _as_stop(pid: int) -> int:
    """Return SIGTSTP, or SIGSTOP where the kernel would discard the first.

    It does in an orphaned process group, one that no parent in the same
    session watches over (setpgid(2)), unless the child handles the signal.
    """
    try:
        from pyinit.kernel import job
    except BaseException:
        return _signal.SIGTSTP  # it was sent, whatever the kernel makes of it

    orphaned = job.is_orphaned(pid) and not job.handles(pid, _signal.SIGTSTP)
    return _signal.SIGSTOP if orphaned else _signal.SIGTSTP
