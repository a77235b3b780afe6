"""What goes on without the supervisor, where that fails or cannot be loaded.

It relays, reaps and ends leftovers, with `--rewrite`, `--group`, `--grace`, `--stop-signals` and
`--remap-exit`.  Loaded before the command is started, it loads nothing itself.
"""

import _signal
import posix

from pyinit import environment
from pyinit.settings import LEFTOVERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyinit.settings import Settings

# How often, in seconds, it is asked who is left, and from KILL to giving up; as in
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
# In the low byte of the wait status of one that ptrace(2) has stopped, whatever the signal.
_STOPPED = 0x7F
# What write(2) sends to its caller with EFBIG and EPIPE (errno(3)): not meant for the command.
_SENT_BY_WRITE = {27: _signal.SIGXFSZ, 32: _signal.SIGPIPE}


class Fallback:
    """The init of the command ``pid``; ``status`` is its wait status, once it has ended."""

    def __init__(self, pid: int, settings: "Settings", status: int = 0) -> None:
        self.status = status
        self._pid = pid
        self._settings = settings

    def run(self, error: BaseException) -> int:
        """Relay and reap without the supervisor, which has failed or could not be loaded.

        Return the exit code, once the main child and its leftovers have ended.
        """
        settings = self._settings
        signals = _signal.valid_signals() - {_signal.SIGILL, _signal.SIGTRAP, _signal.SIGABRT}
        signals -= {_signal.SIGBUS, _signal.SIGFPE, _signal.SIGSEGV, _signal.SIGSYS}
        if settings.end_signal:
            signals.add(settings.end_signal)
        tell(f"internal error, {_ONLY} from here on: {error!r}")
        stops = 0
        # A SIGCHLD may have been taken before the failure.
        while not self._reap():
            try:
                number = _signal.sigwaitinfo(signals).si_signo
            except BaseException:
                _signal.sigtimedwait((), _POLL_S)  # no memory is left; but not in haste
                continue
            stops += number in stop_signals(settings)
            if number != _signal.SIGCHLD:
                self._relay(number)
        return self.finish(None, stops)

    def _relay(self, number: int) -> None:
        if number == self._settings.end_signal:
            self._settings.grace_s = 0.0
            number = _signal.SIGKILL
        else:
            number = self._settings.rewrite.get(number, number)
        for target in (-self._pid, self._pid) if self._settings.group else (self._pid,):
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
                pid, status = _wait()
            except ChildProcessError:
                tell("the wait status of the command is lost")
                self.status = 125 << 8
                return True
            except OSError:
                return False  # a filter (seccomp(2)) forbids it: signals are relayed all the same
            if pid == self._pid and status & 0xFF != _STOPPED:
                self.status = status
                return True
            if pid == 0:
                return False
        posix.kill(posix.getpid(), _signal.SIGCHLD)  # there may be more
        return False

    def finish(self, error: BaseException | None, stops: int) -> int:
        """Return the exit code when leftovers have been ended without the supervisor."""
        settings = self._settings
        if error is not None:
            tell(f"internal error, {_ONLY} from here on: {error!r}")
        if settings.leftovers in LEFTOVERS:
            try:
                end_leftovers(settings.grace_s, stops, stop_signals(settings))
            except BaseException as other:
                tell(f"internal error: {other!r}")
        number = self.status & 0x7F
        code = 128 + number if number else self.status >> 8 & 0xFF
        return settings.remap_exit.get(code, code)


def _wait() -> tuple[int, int]:
    """Return what waitpid(2) does; one that ptrace(2) has stopped is let go on, if that can be."""
    pid, status = posix.waitpid(-1, _REAPED)
    if status & 0xFF == _STOPPED:
        try:
            from pyinit.kernel import job

            job.release_tracee(pid, status >> 8)
        except BaseException:
            pass  # nothing can be loaded any more
    return pid, status


def stop_signals(settings: "Settings") -> "frozenset[int]":
    """Return the signals that begin a stop, or cut its grace short."""
    if settings.stop_signals is not None:
        return settings.stop_signals
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
            if not _wait()[0]:
                return
    except OSError:
        pass  # ECHILD: there are none


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
    except (OSError, NotImplementedError) as error:
        if getattr(error, "errno", None) in _SENT_BY_WRITE:
            raise
        # It is not for a terminal, nor for a pipe before Linux 6.4; and an interpreter that was
        # built for an older C library does not have it.
        flags = posix.O_WRONLY | posix.O_NONBLOCK | posix.O_NOCTTY | posix.O_CLOEXEC
        own = posix.open(f"/proc/self/fd/{fd}", flags)
        try:
            posix.write(own, line)
        finally:
            posix.close(own)
