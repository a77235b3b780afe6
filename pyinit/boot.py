"""How an init is put together: its process made ready, the command started, supervised, outlived.

One place for all who need one: the command line, `pyinit.run`, `pyinit.fork_init` and the
stage of `pyinit.spawn`.  Once the command runs, the container is not ours to end: a failure
is said, and what is here relays, reaps and ends leftovers without loading anything.
"""

import _signal
import posix
import sys

from pyinit import __version__, environment, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from pyinit import events
    from pyinit.kernel.kills import Kills
    from pyinit.settings import Settings
    from pyinit.supervisor import Supervisor

# How often, in seconds, the fallback asks who is left, and from KILL to giving up; as in
# `pyinit.stopping.teardown`, which cannot be loaded then.
_POLL_S = 0.01
_KILL_BOUND_S = 2.0
_ONLY = "only relaying, reaping and ending leftovers"
# So many are reaped before signals are looked at again.
_MOST_AT_ONCE = 1000
# __WALL of waitpid(2): also who sends another signal than SIGCHLD at the end.
_REAPED = posix.WNOHANG | 0x40000000
_PEEK = posix.WEXITED | posix.WNOHANG | posix.WNOWAIT | 0x40000000

# What a pipe takes whole or not at all, in bytes; see pipe(7).
_PIPE_BUF = 4096
# What write(2) sends to its caller with EFBIG and EPIPE (errno(3)): not meant for the command.
_SENT_BY_WRITE = {27: _signal.SIGXFSZ, 32: _signal.SIGPIPE}


class Init:
    """The init of one command, as ``asked``; its methods are called in their order.

    ``mask`` is the signal mask from before all signals were blocked, and the command's.
    ``pid`` is the main child's, ``status`` is its wait status (wait(2)) in the end.  With
    ``on_stop`` see `Supervisor.leave_stops_to`.
    """

    def __init__(self, asked: "Settings", mask: set[int]) -> None:
        self.asked = asked
        self.mask = mask
        self.pid = 0
        self.status = 0
        self.had_terminal = False  # the command was given the terminal's foreground
        self.linux: ModuleType | None = None  # has the command die with us, if that is wanted
        self.on_stop: Callable[[int, bool, int], None] | None = None
        self._problem: str | None = None  # why orphans do not come to us

    def prepare(self) -> None:
        """Ask the kernel for what is not there by itself.  Raises StartError."""
        if self.asked.parent_death_signal:
            die_with_parent(self.asked.parent_death_signal)
        if posix.getpid() != 1:
            self._prepare_subreaper()

    def _prepare_subreaper(self) -> None:
        """Prepare what PID 1 has from the kernel: orphans come to us, the child dies with us."""
        asked = self.asked
        if not asked.subreaper and not asked.dies_with_us:
            return
        try:
            from pyinit import linux
        except ImportError as error:
            self._problem = str(error)  # a Python built without libffi
            return
        try:
            if asked.subreaper:
                linux.set_child_subreaper()
        except OSError as error:
            self._problem = error.strerror
        if asked.dies_with_us:
            self.linux = linux

    def start(self, environ: dict[bytes, bytes] | None = None) -> None:
        """Start the command with ``environ``, or the environment of C if None.

        Raises `pyinit.fork.StartError`, or UsageError for a user that there is not, after it
        was written where that is asked for.
        """
        terminal = None
        try:
            terminal = terminal_for(self.asked)
            self.pid = launch(self.asked, self.mask, environ, terminal, self.linux)
        except Exception as error:
            self._tell_of_failure(error)
            raise
        finally:
            if terminal is not None:
                close(terminal)
        self.had_terminal = terminal is not None and self.asked.place == settings.GROUP

    def _tell_of_failure(self, error: Exception) -> None:
        """Write where that is asked for that the command could not be started.  Raises nothing."""
        if not self.asked.tells_of_failure():
            return
        try:
            self.asked.verbose = min(self.asked.verbose, 0)  # whoever is told of the error knows
            record = self._open_log().record
            if record is not None:
                record.not_started(getattr(error, "code", 125), str(error))
        except Exception as other:
            tell(f"internal error: {other!r}")  # the first error is the one to be raised

    def pause(self) -> int:
        """Be the init of nobody's command; return the exit code, which is 0."""
        from pyinit import events
        from pyinit import pause as module

        log = self._open_log()
        supervisor = module.Pause(self.asked, log, self.mask)
        supervisor.fallback = end_leftovers
        log.emit(events.INFO, "pausing")
        self._say_ready(log)
        return supervisor.run()

    def supervise(self) -> int:
        """Return the exit code of the main child, once it and all that it left have ended.

        Raises nothing.
        """
        supervisor = None
        try:
            supervisor = self._supervisor()
            code = supervisor.run()
        except BaseException as error:
            if supervisor is None or supervisor.alive:
                return self._fallback_loop(error)
            self.status = supervisor.status
            return self._end_simply(error, supervisor.lifecycle.stops)
        self.status = supervisor.status
        return code

    def _supervisor(self) -> "Supervisor":
        """Return who supervises the main child, which has just been started."""
        from pyinit import events, supervisor  # the child starts up meanwhile

        # Loading what the log needs takes longer than all that happens until then.
        when = events.now() if self.asked.verbose > 0 else None
        log = self._open_log(when)
        log.emit(events.INFO, "child_started", when, pid=self.pid, command=self.asked.command)
        if self.asked.user:
            log.guard(lambda: _warn_of_no_relay(self.pid, self.asked.user, log))
        self._say_ready(log)
        made = supervisor.Supervisor(
            self.pid, self.asked, log, self.mask, had_terminal=self.had_terminal
        )
        made.fallback = end_leftovers
        if self.on_stop is not None:
            made.leave_stops_to(self.on_stop)
        return made

    def _say_ready(self, log: "events.Log") -> None:
        # The supervisor of services does, when all of them are.
        if self.asked.notify and not self.asked.services:
            log.guard(lambda: _notify_ready(log))

    def _open_log(self, when: "events.When | None" = None) -> "events.Log":
        """Return the log, which tells first what problem there was on the way to it."""
        from pyinit import events

        asked = self.asked
        level = 0 if asked.quiet else events.WARNING + asked.verbose
        fd = asked.log_to if isinstance(asked.log_to, int) else 2
        log = events.Log(level, lambda: _open_writer(asked, fd, level), fd)
        log.plain = say_plainly
        if asked.keeps_record():
            log.guard(lambda: _keep_record(asked, log))
        if log.level >= events.INFO:
            pid = posix.getpid()
            role = "init" if pid == 1 else "subreaper" if asked.subreaper else "parent"
            log.emit(events.INFO, "init_started", when, version=__version__, pid=pid, role=role)
        if asked.findings is not None:
            asked.findings.tell(log)
        if self._problem:
            log.emit(events.WARNING, "not_a_subreaper", reason=self._problem)
        return log

    def _fallback_loop(self, error: BaseException) -> int:
        """Relay and reap without the supervisor, which has failed or could not be loaded.

        Return the exit code, once the main child and its leftovers have ended.
        """
        asked = self.asked
        signals = _signal.valid_signals() - {_signal.SIGILL, _signal.SIGTRAP, _signal.SIGABRT}
        signals -= {_signal.SIGBUS, _signal.SIGFPE, _signal.SIGSEGV, _signal.SIGSYS}
        if asked.end_signal:
            signals.add(asked.end_signal)
        tell(f"internal error, {_ONLY} from here on: {error!r}")
        stops = 0
        # A SIGCHLD may have been taken before the failure.
        while not self._reap():
            try:
                number = _signal.sigwaitinfo(signals).si_signo
            except BaseException:
                _signal.sigtimedwait((), _POLL_S)  # no memory is left; but not in haste
                continue
            stops += number in stop_signals(asked)
            if number != _signal.SIGCHLD:
                self._relay(number)
        return self._end_simply(None, stops)

    def _relay(self, number: int) -> None:
        if number == self.asked.end_signal:
            self.asked.grace_s = 0.0
            number = _signal.SIGKILL
        else:
            number = self.asked.rewrite.get(number, number)
        for target in (-self.pid, self.pid) if self.asked.group else (self.pid,):
            try:
                if number:
                    posix.kill(target, number)
            except OSError:
                continue  # ESRCH: its group is empty; EPERM: nothing that ends an init
            return

    def _reap(self) -> bool:
        """Reap who has ended; return whether the main child has."""
        for _ in range(_MOST_AT_ONCE):
            try:
                pid, status = posix.waitpid(-1, _REAPED)
            except ChildProcessError:
                tell("the wait status of the command is lost")
                self.status = 125 << 8
                return True
            except OSError:
                return False  # a filter (seccomp(2)) forbids it: signals are relayed all the same
            if pid == self.pid:
                self.status = status
                return True
            if pid == 0:
                return False
        posix.kill(posix.getpid(), _signal.SIGCHLD)  # there may be more
        return False

    def _end_simply(self, error: BaseException | None, stops: int) -> int:
        """Return the exit code when leftovers have been ended without the supervisor."""
        asked = self.asked
        if error is not None:
            tell(f"internal error, {_ONLY} from here on: {error!r}")
        if asked.leftovers == settings.END:
            try:
                end_leftovers(asked.grace_s, stops, stop_signals(asked))
            except BaseException as other:
                tell(f"internal error: {other!r}")
        number = self.status & 0x7F
        code = 128 + number if number else self.status >> 8 & 0xFF
        return asked.remap_exit.get(code, code)


def stop_signals(asked: "Settings") -> "frozenset[int]":
    """Return the signals that begin a stop, or cut its grace short."""
    if asked.stop_signals is not None:
        return asked.stop_signals
    return frozenset((_signal.SIGTERM, _signal.SIGINT, _signal.SIGQUIT))


def end_leftovers(grace_s: float, stops: int, stop_numbers: "frozenset[int]") -> None:
    """End who is left without loading anything: TERM and CONT, ``grace_s`` seconds, KILL.

    A signal of ``stop_numbers`` ends the grace, if ``stops`` came before the main child's end.
    When not PID 1, children get TERM, and whoever becomes our child by the end of another.
    Return when nobody is left, or `_KILL_BOUND_S` after KILL.
    """
    steps = [((_signal.SIGTERM, _signal.SIGCONT), grace_s)] if grace_s else []
    for numbers, bound_s in (*steps, ((_signal.SIGKILL,), _KILL_BOUND_S)):
        if _is_gone_within(bound_s, numbers, stops, stop_numbers):
            return


def _is_gone_within(
    bound_s: float, numbers: tuple[int, ...], stops: int, stop_numbers: "frozenset[int]"
) -> bool:
    """Send ``numbers`` to all leftovers; return whether nobody is left before the time is over."""
    import time  # every interpreter has it built in

    kills = _signal.SIGKILL in numbers
    awaited = (*stop_numbers, _signal.SIGCHLD)
    deadline = time.monotonic() + bound_s
    waits = bound_s / _POLL_S  # those that have run out count too: a clock may stand still
    reached: set[int] = set()
    while True:
        _signal_leftovers(numbers, set() if kills else reached)
        _reap_orphans()
        if not _is_anybody_left():
            return True
        if time.monotonic() >= deadline or waits <= 0:
            return False
        info = _signal.sigtimedwait(awaited, _POLL_S)
        if info is not None and info.si_signo in stop_numbers:
            stops += 1
            if stops > 1 and not kills:
                return False
        elif info is None or info.si_signo != _signal.SIGCHLD:
            waits -= 1


def _signal_leftovers(numbers: tuple[int, ...], reached: set[int]) -> None:
    """Send signals to all leftovers who are not in ``reached``, and add them."""
    targets = {-1} if posix.getpid() == 1 else _children()
    for target in targets - reached:
        reached.add(target)
        for number in numbers:
            try:
                posix.kill(target, number)
            except OSError:
                break  # ESRCH: nobody is left; EPERM: they run as users whom we may not signal


def _children() -> set[int]:
    """Return the PIDs of our children, as far as /proc lists them and the kernel confirms them."""
    pid = posix.getpid()
    try:
        listed = environment.read_all(f"/proc/self/task/{pid}/children").split()
    except OSError:
        return set()  # none that is ours, or no descriptor is free now
    return {int(word) for word in listed if _has_children(posix.P_PID, int(word))}


def _has_children(kind: int = posix.P_ALL, pid: int = 0) -> bool:
    """Return whether this process has children, ended or not, or the child ``pid``."""
    try:
        posix.waitid(kind, pid, _PEEK)
    except ChildProcessError:
        return False
    except OSError:
        pass  # a filter (seccomp(2)) forbids it: somebody may be there
    return True


def _is_anybody_left() -> bool:
    if _has_children():
        return True
    if posix.getpid() != 1:
        return False
    try:
        posix.kill(-1, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # EPERM: somebody is there whom we may not signal
    return True


def _reap_orphans() -> None:
    try:
        for _ in range(_MOST_AT_ONCE):
            if not posix.waitpid(-1, _REAPED)[0]:
                return
    except OSError:
        pass  # ECHILD: there are none


def _keep_record(asked: "Settings", log: "events.Log") -> None:
    """Have everything noted for the report."""
    from pyinit.report import record

    log.keep(record.Record(asked, log))


def _open_writer(asked: "Settings", fd: int, level: int) -> "events.Writer":
    """Return what writes the log."""
    if asked.alias and not asked.log_format:
        from pyinit.compat import log

        return log.Writer(fd, asked.alias, level)
    from pyinit.log import lines

    return lines.Writer(fd, asked.log_format)


def _notify_ready(log: "events.Log") -> None:
    from pyinit.stopping import notify

    notify.send(notify.READY, log)


def _warn_of_no_relay(pid: int, user: str, log: "events.Log") -> None:
    """Warn when no signal will reach the main child, which runs as another user."""
    try:
        posix.kill(pid, 0)
    except PermissionError:
        from pyinit import events

        log.emit(events.WARNING, "cannot_relay", user=user, reason="pyinit has no CAP_KILL")
    except OSError:
        pass  # it has ended already


def launch(
    asked: "Settings",
    mask: set[int],
    environ: dict[bytes, bytes] | None,
    terminal: int | None,
    linux: "ModuleType | None",
) -> int:
    """Start the command of ``asked``; return its PID.

    It is the leader of a new process group, unless another place is asked for, and
    gets the signal mask ``mask`` and the environment ``environ``, or that of C if
    None.  ``terminal`` is handed over to it.  With ``linux``, the module, it gets
    SIGKILL when this process ends (prctl(2), PR_SET_PDEATHSIG).  Raises
    `pyinit.fork.StartError`, or UsageError for a user that there is not.
    """
    ignored: tuple[int, ...] = ()
    if _signal.getsignal(_signal.SIGCHLD) == _signal.SIG_IGN:
        # With an ignored SIGCHLD the kernel drops every wait status; see wait(2).
        _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
        ignored = (_signal.SIGCHLD,)
    if asked.keeps_record():
        asked.kills = kills_before()
    simple = terminal is None and linux is None and not ignored and not asked.services
    changes = None
    if asked.changes_command() or b"LISTEN_PID" in environment.current():
        from pyinit.command import changes as module

        changes = module.Changes(asked)
    simple = simple and changes is None and asked.place == settings.GROUP
    # glibc keeps 32 and 33 to itself: posix_spawn(3) cannot say that they are blocked.
    simple = simple and not mask & {32, 33} and sys.getfilesystemencoding() == "utf-8"
    argv = asked.command
    if environ is not None and simple:
        try:
            # vfork(2) inside: half a millisecond less than fork(2), and no copied pages.
            return posix.posix_spawnp(
                argv[0], argv, environ, setpgroup=0, setsigmask=mask, setsigdef=environment.RESET
            )
        except (OSError, ValueError):
            pass  # forking finds out which step failed, and knows the way to /bin/sh
    from pyinit import fork

    orders = fork.Orders(mask, ignored, terminal, linux, place=asked.place, changes=changes)
    if asked.services:
        from pyinit.services import entry

        return entry.start(asked, orders)
    return fork.start(argv, orders)


def kills_before() -> "Kills | None":
    """Return what counts OOM kills from now on: the command may be killed while it starts."""
    try:
        from pyinit.kernel import kills

        return kills.Kills()
    except Exception:
        return None  # no reason not to start; it is tried again for the first one who is killed


def die_with_parent(number: int) -> None:
    """Have signal ``number`` sent to us when our parent ends; PR_SET_PDEATHSIG in prctl(2).

    A parent that ended while it was asked for counts as one that ends now.  As PID 1
    that cannot be seen: the parent is outside, and has the number 0 like every other
    (pid_namespaces(7)).  Raises StartError.
    """
    parent = posix.getppid()
    try:
        from pyinit import linux

        linux.set_parent_death_signal(number)
    except (ImportError, OSError) as error:
        from pyinit import fork

        reason = error.strerror if isinstance(error, OSError) else error
        raise fork.StartError(125, f"cannot set the parent-death signal: {reason}") from None
    if posix.getppid() != parent:
        posix.kill(posix.getpid(), number)


def terminal_for(asked: "Settings") -> int | None:
    """Return a descriptor of the terminal that the command gets, or None.

    It becomes the foreground, or with a session of its own takes the terminal over.
    """
    if asked.place == settings.GROUP:
        return _foreground_terminal(asked)
    if asked.place != settings.SESSION:
        return None
    from pyinit.kernel import terminal

    return terminal.give_up()


def _foreground_terminal(asked: "Settings") -> int | None:
    """Return a descriptor of the controlling terminal when its foreground is ours to give."""
    # An image can have a line there whose carrier open(2) would wait for.
    flags = posix.O_RDWR | posix.O_NONBLOCK | posix.O_NOCTTY | posix.O_CLOEXEC
    try:
        posix.close(posix.open("/dev/tty", flags))
    except (FileNotFoundError, PermissionError):
        pass  # a /dev without it: the standard descriptors may tell
    except OSError:
        return None  # ENXIO, the usual case in a container: there is no controlling terminal
    from pyinit.kernel import terminal

    return None if asked.rewrite and terminal.is_kept(asked) else terminal.take_foreground()


def close(fd: int) -> None:
    """Close a descriptor.  An error is none: its number is free all the same (close(2))."""
    try:
        posix.close(fd)
    except OSError:
        pass


def tell(message: str, prefix: str = "pyinit: ") -> None:
    """Write ``message`` for people on stderr, when there is no log.

    Raises nothing and waits for nobody: what is done matters more than what is said.
    """
    try:
        from pyinit.log import sink, text

        sink.Sink(2).write(f"{prefix}{text.printable(message)}")
    except BaseException:
        say_plainly(2, f"{prefix}{message}")


def say_plainly(fd: int, text: str) -> None:
    """Write a line to ``fd`` if it fits, without loading anything; raises nothing."""
    try:
        _write_now(fd, ascii(text)[1:-1].encode()[: _PIPE_BUF - 1] + b"\n")
    except OSError as error:
        if error.errno in _SENT_BY_WRITE:
            _signal.sigtimedwait((_SENT_BY_WRITE[error.errno],), 0)
    except Exception:
        pass  # there is no memory either


def _write_now(fd: int, line: bytes) -> None:
    """Write without waiting, where that is not for a disk, as `pyinit.log.sink.Sink` does.

    Raises OSError.
    """
    if posix.fstat(fd).st_mode & 0o170000 == 0o100000:  # S_IFREG; see inode(7)
        posix.write(fd, line)
        return
    try:
        posix.pwritev(fd, [line], -1, getattr(posix, "RWF_NOWAIT", 0x8))
    except OSError as error:
        if error.errno in _SENT_BY_WRITE:
            raise
        # It is not for a terminal, nor for a pipe before Linux 6.4.
        flags = posix.O_WRONLY | posix.O_NONBLOCK | posix.O_NOCTTY | posix.O_CLOEXEC
        own = posix.open(f"/proc/self/fd/{fd}", flags)
        try:
            posix.write(own, line)
        finally:
            close(own)
