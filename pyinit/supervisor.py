"""The loop of the init while its command runs: signals are relayed, children are reaped.

Nothing here may end PID 1: an unexpected exception is logged and the loop goes
on.  What a quiet run of a command that leaves nobody behind does not need is in
other modules, and loaded when it is needed.
"""

import _signal
import posix

from pyinit import events, lifecycle, scope, settings, signals, wstatus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyinit.kernel.kills import Killed, Kills
    from pyinit.log.orphans import Orphans
    from pyinit.stopping.stop import Stop

_KILLED = int(_signal.SIGKILL)  # a wait status
_STOPPED = 0x7F  # the low byte of a wait status, whatever the signal
_PEEK_AT_STOP = posix.WSTOPPED | posix.WNOHANG | posix.WNOWAIT

# So much is done in a turn of the loop before whatever else is due: so many children are
# reaped, or signals taken, which takes some 3 microseconds each; but only so many signals of
# which more has to be said.
_MOST = 1000
_MOST_TOLD = 16
_LONG = 125  # for as many counts a child of whom there is more to be done

# So many turns are for those who have ended with the main child.
_MOST_TURNS_AT_END = 200

_LOST = 125 << 8  # another one


class Supervisor:
    """Supervises the main child ``pid``, the leader of its own process group.

    ``mask`` is the signal mask that pyinit was given; ``had_terminal`` says that
    the child was given the foreground of the terminal.
    """

    def __init__(
        self,
        pid: int,
        asked: settings.Settings,
        log: events.Log,
        mask: set[int],
        *,
        had_terminal: bool = False,
    ) -> None:
        self.log = log
        self.main = pid
        self.alive = True
        self.status = 0
        self.left = scope.OUTSIDERS  # until it is asked
        self.had_terminal = had_terminal
        self.is_init = posix.getpid() == 1
        self.scope = scope.Namespace() if self.is_init else scope.Descendants()
        self.lifecycle = lifecycle.Lifecycle(asked.grace_s, asked.drain_s)
        self.has_killed = False  # by SIGKILL; whoever dies by one else may be the OOM killer's
        self.kills: Kills | None = asked.kills
        self._killed: list[Killed] = []  # since OOM kills were looked for
        self._oom_stopped = False
        self.stops = 0  # how often the main child has stopped so far
        self._resumed = 0  # the stop out of which we have continued it
        self.on_stop: Callable[[int, bool, int], None] | None = None
        # Ends leftovers where the teardown cannot be loaded; see `boot.end_leftovers`.
        self.fallback: Callable[[float, int, frozenset[int]], None] | None = None
        self.stop_signals = signals.STOP_SIGNALS
        self.awaited = signals.AWAITED
        self.plain = signals.PLAIN
        self._asked = asked
        self._target = -pid if asked.group else pid
        self._orphans: Orphans | None = None
        self._room = _MOST  # for children to be reaped in this turn
        self.is_behind = False  # there may be more of them
        log.lifecycle = self.lifecycle
        if asked.stop_signals is not None:
            self.stop_signals = asked.stop_signals
        if asked.synchronous:
            self.awaited += bytes(signals.SYNCHRONOUS)
        if asked.end_signal is not None:
            self.awaited += bytes((asked.end_signal,))
        self.end_signal = asked.end_signal
        self._relayed = self.awaited.replace(bytes((_signal.SIGCHLD,)), b"")
        if asked.rewrite or asked.stop_signals is not None:
            self.plain = self.plain.difference(asked.rewrite, self.stop_signals)
        self.stop: Stop | None = None
        if asked.drain_s or asked.escalation or asked.notify:
            log.guard(lambda: self._load_stop(mask))  # without it a stop is relayed at once
        level = events.WARNING if asked.warn_on_reap else events.DEBUG
        if level <= log.level:
            log.guard(lambda: self._tell_of_orphans(level))

    def _load_stop(self, mask: set[int]) -> None:
        from pyinit.stopping import stop

        self.stop = stop.Stop(self, self._asked, mask)

    def _tell_of_orphans(self, level: int) -> None:
        from pyinit.log import orphans

        self._orphans = orphans.Orphans(self, level)

    def leave_stops_to(self, on_stop: "Callable[[int, bool, int], None]") -> None:
        """Call ``on_stop`` when the main child has stopped, instead of stopping with it.

        With the signal, whether it had the terminal, and how often it has stopped so far.  It
        is continued when we get SIGCONT; one of our parent's that has such a number with it
        (sigqueue(3)) is for that stop alone, and for nothing once that is over.
        """
        self.on_stop = on_stop
        self.plain = self.plain.difference((_signal.SIGCONT,))

    def run(self) -> int:
        """Supervise until everything has ended; return the main child's exit code."""
        if self._asked.installs_handlers:
            self.log.guard(_install_handlers)
        if self._asked.keeps_record():
            self.log.guard(self._begin_counting)
        while self.alive:
            self.log.guard(self._turn)
        code = wstatus.exit_code(self.status)
        if self.main:
            self._tell_of_end(code)
        if self.stop is not None:
            self.log.guard(self.stop.main_ended)
        self.log.guard(self._end_leftovers)
        if self.lifecycle.state != lifecycle.DONE:
            self.log.guard(self._end_leftovers_simply)
        if self.had_terminal:
            self.log.guard(self._take_terminal_back)
        code = self._asked.remap_exit.get(code, code)
        if self.kills is not None:
            self.log.guard(self._end_counting)
        self.log.finish(code)
        return code

    def _tell_of_end(self, code: int) -> None:
        if self.log.level < events.INFO:
            return
        fields: dict[str, object] = {"pid": self.main, "exit_code": code}
        number = self.status & 0x7F
        if number:
            fields["signal"] = signals.name(number)
            fields["core_dumped"] = bool(self.status & 0x80)
        self.log.emit(events.INFO, "child_exited", **fields)

    def _turn(self) -> None:
        """Relay and reap until the main child has ended, or what one turn may do is done."""
        # After a failure the signals that wait come first: reaping could fail again.
        for info in self.begin_turn():
            self.take(info)
            if not self.alive:
                return
        if self.stop is not None:
            self.stop.expire()
        # SIGCHLD of those who ended before it was blocked, or before a failure, will not come.
        self.reap()
        if not self.alive:
            return
        self.log.flush()
        if self.is_behind:
            return
        if self.stop is not None and (deadline := self.stop.deadline) is not None:
            taken = self.stop.clock.wait(self.awaited, deadline)
            if taken is not None:
                self.take(taken)
            return
        self._wait()

    def begin_turn(self) -> "Iterator[_signal.struct_siginfo]":
        """Begin a turn of the loop: take one signal of each number that waits but SIGCHLD.

        Of those that wait the lowest number is taken first (signal(7)): where one comes again
        as fast as it is taken, SIGCHLD by orphans without end for one, those above it never are.
        """
        self._room = _MOST
        numbers = self._relayed
        while (info := _signal.sigtimedwait(numbers, 0)) is not None:
            numbers = numbers.replace(bytes((info.si_signo,)), b"")
            yield info

    def _wait(self) -> None:
        """Wait for signals without a deadline, and take as many as one turn may."""
        wait, kill, awaited, target = _signal.sigwaitinfo, posix.kill, self.awaited, self._target
        # Most are relayed as they are: this loop is what stands between the sender and the child.
        tells = self.log.level >= events.DEBUG
        plain: frozenset[int] = frozenset() if tells else self.plain
        for _ in range(_MOST_TOLD if tells else _MOST):
            info = wait(awaited)
            if info.si_signo not in plain:
                self.take(info)
                if not self.alive or self.is_behind:
                    return
                if self.stop is not None and self.stop.deadline is not None:
                    return
                self.log.flush()
                continue
            try:
                kill(target, info.si_signo)
            except OSError as error:
                self._not_relayed(info.si_signo, error)

    def take(self, info: _signal.struct_siginfo) -> None:
        """Deal with one signal that was sent to us while the main child lives."""
        number = info.si_signo
        if number == _signal.SIGCHLD:
            if not self.reap() and not self._asked.installs_handlers:
                self._ask_after_main()  # another thread of the program may have reaped it
            return
        if self.log.level >= events.INFO:
            self.tell_of_signal(info)
        if number == self.end_signal:
            self._end_all()
            return
        # What comes of any signal now is that it is relayed: only of a stop the lifecycle
        # has to know, and asking it takes as long as kill(2).
        if number in self.stop_signals:
            if self.stop is not None:
                self._stop_with(self.stop, info)
                return
            self.lifecycle.step(lifecycle.STOP)
        self.relay(info)

    def _stop_with(self, stop: "Stop", info: _signal.struct_siginfo) -> None:
        try:
            stop.signal(info)
        except BaseException:
            self.relay(info)  # at once rather than never
            raise

    def _end_all(self) -> None:
        """Kill the main child, and then at once all that it leaves behind."""
        self._asked.leftovers = settings.END
        self.lifecycle.grace_s = 0.0
        self.kill_main()

    def kill_main(self) -> None:
        """Kill the main child, wherever it has moved."""
        self.has_killed = True
        try:
            posix.kill(self.main, _signal.SIGKILL)
        except OSError as error:
            self._not_relayed(_signal.SIGKILL, error)

    def relay(self, info: _signal.struct_siginfo) -> None:
        """Send to the main child what becomes of a signal that was sent to us."""
        number = self._instead(info.si_signo, info.si_code)
        if not number:
            self.tell_of_ignored(info)
            return
        if number == _signal.SIGCONT and self.stops and self.on_stop is not None:
            if self._is_late(info):
                self.tell_of_ignored(info)
            else:
                self._continue_job()
            return
        self.has_killed = self.has_killed or number == _signal.SIGKILL
        try:
            posix.kill(self._target, number)
        except OSError as error:
            self._not_relayed(number, error)
            return
        if info.si_signo in self.stop_signals and number != _signal.SIGSTOP:
            self._continue_if_stopped()
        if self.log.level >= events.DEBUG:
            self._tell_of_relay(number, info)

    def send_stop(self, number: int) -> bool:
        """Send the main child signal ``number``, which is to end it; return whether we may."""
        self.has_killed = self.has_killed or number == _signal.SIGKILL
        try:
            posix.kill(self._target, number)
        except OSError as error:
            self._not_relayed(number, error)
            return not isinstance(error, PermissionError)
        self._continue_if_stopped()
        return True

    def is_out_of_reach(self) -> bool:
        """Return whether we may not signal the main child, a set-user-ID program for one; kill(2).

        A signal for its group has reached somebody all the same.
        """
        try:
            posix.kill(self.main, 0)
        except PermissionError:
            return True
        except OSError:
            pass  # it has ended
        return False

    def give_up_main(self) -> None:
        """Say that the main child cannot be killed; as PID 1 end without it.

        The kernel kills all when PID 1 ends, whoever they are (pid_namespaces(7)); when not PID 1
        it would live on without an init, so it is waited for.
        """
        effect = "it is killed with its PID 1" if self.is_init else "it is waited for"
        self.log.emit(events.WARNING, "child_not_killed", pid=self.main, effect=effect)
        if self.is_init:
            self.alive = False
            self.status = _KILLED

    def _is_late(self, info: _signal.struct_siginfo) -> bool:
        """Return whether a SIGCONT of our parent's is for a stop that is over.

        The one that it passes on may have been sent to its whole group, us too, and before.
        """
        if info.si_code != signals.SI_QUEUE or info.si_pid != posix.getppid():
            return False
        return info.si_status <= self._resumed or info.si_status < self.stops

    def _continue_if_stopped(self) -> None:
        """Continue the main child if it has stopped, for then it acts on no signal but KILL.

        We may not have been told yet: SIGTERM is taken before a SIGCHLD that waits
        as well (signal(7)).
        """
        try:
            if not self.stops and posix.waitid(posix.P_PID, self.main, _PEEK_AT_STOP) is None:
                return
            posix.kill(self._target, _signal.SIGCONT)
        except OSError:
            pass  # ECHILD: the signal has ended it already; else it was told of the signal before

    def _instead(self, number: int, code: int) -> int:
        """Return what is to be relayed for signal ``number``, or 0."""
        from_kernel = code == signals.SI_KERNEL
        if from_kernel and number in signals.BACKGROUND_TTY:
            return 0  # a terminal that does not want pyinit itself to read or write
        instead = self._asked.rewrite.get(number, number)
        same = instead == number
        if same and from_kernel and number in signals.FROM_TERMINAL and self._shares_group():
            return 0  # the terminal sent it to the whole group: the child has it already
        return self._as_stop() if instead == _signal.SIGTSTP else instead

    def tell_of_signal(self, info: _signal.struct_siginfo) -> None:
        """Say who has sent us a signal: a stop to all who want to know anything, else to most.

        Raises nothing: that the signal is relayed is more.
        """
        stop = info.si_signo in self.stop_signals
        level = events.INFO if stop else events.DEBUG
        if level > self.log.level:
            return
        try:
            from pyinit.log import senders

            sender = senders.describe_sender(info, is_init=self.is_init)
            name = signals.name(info.si_signo)
            self.log.emit(level, "signal_received", signal=name, stop=stop, **sender)
        except Exception as error:
            self.log.emit(events.ERROR, "internal_error", error=repr(error))

    def _tell_of_relay(self, number: int, info: _signal.struct_siginfo) -> None:
        received = {}
        if number != info.si_signo:
            received["received"] = signals.name(info.si_signo)
        self.log.emit(
            events.DEBUG,
            "signal_relayed",
            signal=signals.name(number),
            **received,
            target=self._target,
        )

    def tell_of_ignored(self, info: _signal.struct_siginfo) -> None:
        """Say, if everything is to be said, that a signal has come of which nothing comes."""
        if self.log.level >= events.DEBUG:
            self.log.emit(events.DEBUG, "signal_ignored", received=signals.name(info.si_signo))

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
            events.WARNING, "signal_dropped", signal=signals.name(number), reason=error.strerror
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
        try:
            from pyinit.kernel import job
        except BaseException:
            return _signal.SIGTSTP  # it was sent, whatever the kernel makes of it

        orphaned = job.is_orphaned(self.main) and not job.handles(self.main, _signal.SIGTSTP)
        return _signal.SIGSTOP if orphaned else _signal.SIGTSTP

    def reap(self) -> int:
        """Reap those who have ended, and note the main child's end, stop or continuation.

        Return how many of them there were.  There may be more where ``is_behind`` says so.
        """
        found = self._reap_all()
        if self._killed or self._asked.on_oom:
            self.log.guard(self._look_for_oom)
        return found

    def _reap_all(self) -> int:
        """Reap as many as this turn may, and return how many there were."""
        orphans, hook = self._orphans, self.stop.hook if self.stop is not None else 0
        known = (self.main if self.alive else 0, hook)
        found, room = 0, self._room
        self.is_behind = True
        while room > 0:
            room -= 1 if orphans is None else orphans.cost
            try:
                if orphans is None:
                    pid, status = posix.waitpid(-1, scope.WAIT)
                else:
                    pid, status = orphans.reap_next()
            except ChildProcessError:
                self._ask_after_main()
                pid, status = 0, 0
            except BaseException:
                self._ask_after_main()
                raise
            if pid == 0:
                self.is_behind = False
                break
            found += 1
            if status & 0xFF == _STOPPED and self._is_released(pid, wstatus.stop_signal(status)):
                continue
            if pid in known:
                room -= _LONG
                self._note(pid, status)
            elif status == _KILLED and not self._killed and not self.has_killed:
                self._note_kill(pid)  # one is enough to look for OOM kills; there may be thousands
        self._room = room
        return found

    def _note(self, pid: int, status: int) -> None:
        """Take note of the end, stop or continuation of the main child, or of the hook's end."""
        if pid == self.main and self.alive:
            if status == wstatus.CONTINUED:
                self.log.emit(events.INFO, "child_continued", pid=pid)
            elif stopped := wstatus.stop_signal(status):
                self._main_stopped(stopped)
            else:
                self.alive = False
                self.status = status
                if status == _KILLED and not self.has_killed:
                    self._note_kill(pid)
        elif self.stop is not None and pid == self.stop.hook:
            self.stop.hook_ended(status)

    def _ask_after_main(self) -> None:
        """Take the main child for ended if it is thought to live and cannot be waited for.

        Its status has gone with a failure on the way from the kernel to us (no memory), or to
        another thread of the program around us.
        """
        if not self.main or not self.alive:
            return
        try:
            pid, status = posix.waitpid(self.main, scope.WAIT)
        except ChildProcessError:
            self.alive = False
            self.status = _LOST
            self.log.emit(events.ERROR, "child_status_lost", pid=self.main, exit_code=_LOST >> 8)
        else:
            if pid:
                self._note(pid, status)

    def _note_kill(self, pid: int) -> None:
        """Keep in mind who was killed, perhaps by the OOM killer."""
        name = self._orphans.name if self._orphans is not None else None
        if pid == self.main:
            name = self._asked.command[0].rpartition("/")[2] if self._asked.command else None
        self._killed.append((pid, name))

    def _begin_counting(self) -> None:
        """Count OOM kills from now on, if not from before the start on."""
        if self.kills is None:
            from pyinit.kernel import kills

            self.kills = kills.Kills()
        self.log.peak_bytes = self.kills.counter.peak_bytes
        if self._asked.on_oom:
            self.kills.watch(self.log)
            self._look_for_oom()  # a kill of before the watch is not told by it

    def _look_for_oom(self) -> None:
        """Tell of OOM kills, and stop if that is asked for."""
        # The main child's end is what matters most.
        killed = sorted(self._killed, key=lambda each: each[0] != self.main)
        self._killed.clear()
        if self.kills is None:
            from pyinit.kernel import kills

            self.kills = kills.Kills(late=True)
        main = self.main if self.alive else 0
        if self.kills.look(self.log, killed, main) and self._asked.on_oom:
            self._stop_after_oom()

    def _stop_after_oom(self) -> None:
        """Have a stop signal come, once, unless one has come or there is nothing to be stopped."""
        if self._oom_stopped or self.lifecycle.stops or not self.alive:
            return
        self._oom_stopped = True
        numbers = self.stop_signals
        # Like all that we are sent it is blocked, and waits to be taken.
        plain = _signal.SIGTERM in numbers or not numbers
        _signal.raise_signal(_signal.SIGTERM if plain else min(numbers))

    def _end_counting(self) -> None:
        if self.kills is not None:
            self.kills.close()
            self.kills.look(self.log, self._killed)

    def _is_released(self, tid: int, number: int) -> bool:
        """Return whether ptrace(2), not job control, had stopped a thread, which goes on now."""
        try:
            from pyinit.kernel import job

            released = job.release_tracee(tid, number)
        except Exception as error:
            # The status is in our hand: taken for a stop of job control it is not lost.
            self.log.emit(events.ERROR, "internal_error", error=repr(error))
            return False
        if released and self.log.level >= events.DEBUG:
            self.log.emit(events.DEBUG, "tracee_released", pid=tid, signal=signals.name(number))
        return released

    def _main_stopped(self, number: int) -> None:
        self.stops += 1
        self.log.emit(events.INFO, "child_stopped", pid=self.main, signal=signals.name(number))
        from pyinit.kernel import job, terminal

        given = job.resume_in_foreground(self.main, number)
        if not given and self.on_stop is not None:
            self.on_stop(number, terminal.foreground() == self.main, self.stops)
        elif not given and not self.is_init:
            given = job.stop_with(self.main, number, keeps=terminal.is_kept(self._asked))
        self.had_terminal = self.had_terminal or given

    def _continue_job(self) -> None:
        self._resumed = self.stops
        try:
            from pyinit.kernel import job, terminal
        except BaseException:
            posix.kill(self._target, _signal.SIGCONT)  # without the terminal
            raise
        wanted = self.had_terminal or not terminal.is_kept(self._asked)
        job.continue_job(self.main, in_foreground=wanted)

    def _end_leftovers(self) -> None:
        """End those who are left, or do with them what is asked for."""
        if self._asked.leftovers == settings.END:
            self.log.guard(self._ask_who_is_left)
            if self.left != scope.NOBODY:
                self._tear_down()
                return
        elif self._asked.leftovers == settings.ASK:
            self._ask_leftovers()
        self.lifecycle.step(lifecycle.ENDED)

    def _ask_leftovers(self) -> None:
        """Send the main child's group a TERM, or what the rules make of it, and go on."""
        number = self._asked.rewrite.get(_signal.SIGTERM, _signal.SIGTERM)
        if not number:
            return
        try:
            posix.kill(-self.main, number)
        except OSError:
            return  # the group is empty
        self.log.emit(events.INFO, "leftovers_asked", signal=signals.name(number))

    def _ask_who_is_left(self) -> None:
        # Those who have ended are nobody to be ended.
        for _ in range(_MOST_TURNS_AT_END):
            if not self.is_behind:
                break
            self._room = _MOST
            self.reap()
        self.left = self.scope.left()

    def _tear_down(self) -> None:
        from pyinit.stopping import teardown

        self.scope.load()
        teardown.Teardown(self).run()

    def _end_leftovers_simply(self) -> None:
        """End who is left where a module for it cannot be loaded."""
        if self.fallback is not None:
            self.fallback(self.lifecycle.grace_s, self.lifecycle.stops, self.stop_signals)

    def _take_terminal_back(self) -> None:
        from pyinit.kernel import terminal

        terminal.take_back(self.main)


def _install_handlers() -> None:
    """Make SigCgt of /proc/PID/status tell that the relayed signals are taken care of.

    They never run: the signals stay blocked, and are taken by sigwaitinfo(2).
    """
    for number in signals.RELAYED:
        _signal.signal(number, _never_runs)


def _never_runs(number: int, frame: object) -> None:
    """Stand for a signal that is taken by sigwaitinfo(2) instead."""
