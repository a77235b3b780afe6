"""`fork_init`: a program that is its own init, which costs such a program as little as it can.

PID 1 that was asked for nothing stands by with next to nothing loaded until its first signal.  A
page of memory is the program's and its own until one of the two writes to it.  Python writes
where it looks a name up in a module or a class for the first time: so the names that are needed
after the fork are imported before it.
"""

import _signal
import _thread
import sys
from _signal import SIGCHLD, getsignal, pthread_sigmask, signal, sigtimedwait, sigwaitinfo
from posix import (
    O_CLOEXEC,
    O_NOCTTY,
    O_NONBLOCK,
    O_RDWR,
    P_ALL,
    _exit,
    chdir,
    close,
    fork,
    getpid,
    kill,
    open,  # noqa: A004 - with a number that it returns
    setpgid,
    stat,
    waitid,
    waitpid,
    write,
)
from time import monotonic, time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _signal import struct_siginfo
    from collections.abc import Callable
    from typing import NoReturn, Unpack

    from pyinit.api.types import Options

_ALL = _signal.valid_signals()
# As in `pyinit.signals`, which is not loaded here: those that are relayed as they are, whoever has
# sent them; those that begin a stop; and all that are taken.
_PLAIN = _ALL - {
    *(_signal.SIGILL, _signal.SIGTRAP, _signal.SIGABRT, _signal.SIGBUS, _signal.SIGFPE),
    *(_signal.SIGSEGV, _signal.SIGSYS, _signal.SIGKILL, _signal.SIGSTOP, SIGCHLD),
    *(_signal.SIGTERM, _signal.SIGINT, _signal.SIGQUIT, _signal.SIGTSTP, _signal.SIGWINCH),
    *(_signal.SIGTTIN, _signal.SIGTTOU),
}
_STOP = {_signal.SIGTERM, _signal.SIGINT, _signal.SIGQUIT}
_AWAITED = bytes(
    _PLAIN | _STOP | {_signal.SIGTSTP, _signal.SIGWINCH, _signal.SIGTTIN, _signal.SIGTTOU, SIGCHLD}
)
_BESIDES_CHLD = _AWAITED.replace(b"%c" % SIGCHLD, b"")
_REAP = 0x40000001  # WNOHANG and __WALL, as there
_PEEK = 0x41000005  # and WEXITED and WNOWAIT
_STOPPED = 0x7F  # by ptrace(2), as in `pyinit.fallback`
_LOST = 125 << 8  # the wait status where the program's own is not to be had
_POLL_S = 0.1
_HEAD_START_S = 0.003
# So long, twice, the first signal waits for what handles it to be loaded: which takes 3 ms of CPU
# time, and for ever where a file server does not answer.
_PATIENCE_S = 2.0
_GRACE_S = 5.0  # as the default of --grace
# So many signals are relayed before the init is loaded, which sees to it that one number, of which
# there are always more, does not keep the others waiting.
_MOST = 1000


def fork_init(*, always: bool = False, **options: "Unpack[Options]") -> None:
    """Fork when this process is PID 1: the parent becomes the init for good, the child returns.

    The first line of a program that may find itself PID 1, before it starts
    threads or opens anything: the program goes on in the child, in a process group
    of its own and with the terminal, and the init exits with its status, as
    ``pyinit -- program`` would.  Handlers of atexit and buffers of files are the child's alone.
    Nothing happens when this process is not PID 1, unless ``always``: then the
    parent becomes a child subreaper, but not in a worker of multiprocessing.
    ``options`` are those of `Options` that do not change what a command gets; times
    are in seconds.

    Raises ValueError and TypeError for options, RuntimeError when there are threads, or
    children that an init which is not PID 1 would reap and end, `StartError` when
    ``parent_death_signal`` cannot be set, and OSError; see fork(2), pid_namespaces(7).
    """
    is_init = getpid() == 1
    if not options and not is_init and not always:
        return
    if is_init and not options and not _may_have_terminal():
        _check_threads()
        _fork_at_once()
        return
    settings = None
    if options:
        from pyinit.api import keywords

        # A wrong one is an error on the developer's machine, too.
        settings = keywords.settings_of_program(options, fork_init)
    if is_init or always:
        from pyinit.api import forked

        if is_init or not forked.is_worker():
            _check_threads()
            forked.fork_with(settings)


def _check_threads() -> None:
    if _thread._count():
        raise RuntimeError(
            "this process has other threads already, of which fork(2) copies none: "
            "call fork_init() first"
        )


def _may_have_terminal() -> bool:
    """Return whether the terminal's foreground may be ours to give; see `pyinit.boot`."""
    try:
        close(open("/dev/tty", O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC))
    except (FileNotFoundError, PermissionError):
        return True  # a /dev without it: the standard descriptors may tell
    except OSError:
        return False  # ENXIO: there is no controlling terminal
    return True


def _fork_at_once() -> None:
    """Fork where nothing can be refused; return in the child only.

    Raises OSError, and what the Python handler of a signal that has just come raises.
    """
    may_stand_by = _may_stand_by()
    mask = pthread_sigmask(_signal.SIG_BLOCK, ())
    disposition = getsignal(SIGCHLD)
    pid = 0
    try:
        pthread_sigmask(_signal.SIG_BLOCK, _ALL)
        if disposition == _signal.SIG_IGN:
            signal(SIGCHLD, _signal.SIG_DFL)  # else nobody is told how a child ends; see wait(2)
        pid = fork()
        if not pid:
            _lead_group(0)
    finally:
        if not pid:
            if disposition == _signal.SIG_IGN:
                signal(SIGCHLD, disposition)
            # Not SIG_SETMASK, which would unblock 32 and 33: glibc takes them out of every set.
            pthread_sigmask(_signal.SIG_UNBLOCK, _ALL - mask)
    if pid:
        _be_init(pid, mask, may_stand_by=may_stand_by)


def _may_stand_by() -> bool:
    """Return whether we have one thread, nobody to reap yet, and no module in a relative place."""
    for path in (*sys.path, *sys.modules["pyinit"].__path__):
        if path[:1] != "/":
            return False  # it is found from where we are, and we go to the root directory
    try:
        # A directory has 2 links, and one more for each directory in it, which is a thread.
        return stat("/proc/self/task").st_nlink <= 3 and waitid(P_ALL, 0, _PEEK) is None
    except ChildProcessError:
        return True
    except OSError:
        return False


def _lead_group(pid: int) -> None:
    """Have the program lead a process group, as a command under pyinit does.

    Both processes do that: a signal for the group may come at once.
    """
    try:
        setpgid(pid, pid)
    except OSError:
        pass  # EACCES: it has started another program already; ESRCH


def _be_init(pid: int, mask: set[int], *, may_stand_by: bool) -> "NoReturn":
    """Be the init of the forked program ``pid``, and exit with its status."""
    code, first, init = 125, None, None
    relayed: dict[int, struct_siginfo] = {}
    try:
        _lead_group(pid)
        # Its first line is a millisecond away.  What is done beside it makes that longer, also
        # on another processor: see docs/performance.md.  Signals wait for that long.
        when = time(), monotonic()
        sigtimedwait((), _HEAD_START_S)
        if may_stand_by:
            first = _stand_by(pid, relayed)
            _load("pyinit.api.forked")
        from pyinit.api import forked

        init = forked.init_of(pid, mask, when)
        if first is None:
            code = forked.supervise(init, None)
        else:
            init.relayed = relayed
            code = forked.wake(init, first, _load)
    except BaseException as error:
        _say(f"pyinit: cannot be loaded, signals are relayed all the same: {error!r}\n")
        if init is not None and init.has_ended:
            status = init.status
        else:
            is_sent = first is not None and relayed.get(first.si_signo) is first
            status = _attend(pid, None if is_sent else first)
        _end_leftovers()
        code = 128 + (status & 0x7F) if status & 0x7F else status >> 8
    finally:
        _exit(code)  # nothing of the program runs in here, whatever is raised


def _stand_by(pid: int, relayed: "dict[int, struct_siginfo]") -> "struct_siginfo":
    """Relay signals until one comes for which more has to be done; return that.

    One of a stop is relayed, too.  ``relayed`` gets the last of each number that was.
    """
    try:
        chdir("/")  # so that no mount is busy
    except OSError:
        pass  # a filter forbids it
    for number in _AWAITED:
        if number != SIGCHLD:
            signal(number, _never_runs)  # as `pyinit.supervisor` does
    for _ in range(_MOST):
        info = sigwaitinfo(_AWAITED)
        number = info.si_signo
        # A terminal's are sent by the kernel, to the program as well.
        if number not in _PLAIN and (number not in _STOP or info.si_code > 0):
            return info
        try:
            kill(pid, number)
        except OSError:
            return info  # it is told of
        relayed[number] = info
        if number in _STOP:
            break
    return info


def _never_runs(number: int, frame: object) -> None:
    """Stand for a signal that is taken by sigwaitinfo(2) instead."""


def _load(name: str) -> None:
    """Load a module, and wait for a file system no longer than that may take.

    Raises TimeoutError, and what an import raises.
    """
    try:
        _call_within(_PATIENCE_S, __import__, name)
    except TimeoutError:
        raise TimeoutError(f"no answer of the file system within {_PATIENCE_S:g} s") from None


def _say(text: str) -> None:
    """Write to stderr, and do not wait for whoever reads it."""
    try:
        _call_within(_POLL_S, write, 2, text.encode(errors="backslashreplace"))
    except BaseException:
        pass  # nobody reads it, or no memory is left


def _call_within(bound_s: float, function: "Callable[..., object]", *arguments: object) -> None:
    """Call a function in a thread, and wait for it so long.

    Raises TimeoutError, and what the function raises.
    """
    done = _thread.allocate_lock()
    done.acquire()
    problems: list[BaseException] = []

    def call() -> None:
        try:
            function(*arguments)
        except BaseException as problem:
            problems.append(problem)
        finally:
            done.release()

    try:
        _thread.start_new_thread(call, ())
    except RuntimeError:
        call()  # the PIDs or the memory are used up
    if not done.acquire(timeout=bound_s):
        raise TimeoutError
    if problems:
        raise problems[0]


def _attend(pid: int, first: "struct_siginfo | None") -> int:
    """Relay and reap until the program ``pid`` has ended; return its wait status.

    All signals are relayed but those that report faults, beginning with ``first``.
    """
    number = first.si_signo if first is not None else SIGCHLD
    while True:
        try:
            if number != SIGCHLD:
                relayed, number = number, SIGCHLD
                kill(pid, relayed)
            ended, status = waitpid(-1, _REAP)
            if ended == pid and status & 0xFF != _STOPPED:
                return status
            # Of orphans there may be no end.
            info = sigtimedwait(_BESIDES_CHLD, 0) if ended else sigwaitinfo(_AWAITED)
            number = info.si_signo if info is not None else SIGCHLD
        except ChildProcessError:
            return _LOST
        except BaseException:
            sigtimedwait((), _POLL_S)  # no memory is left; but not in haste


def _end_leftovers() -> None:
    """Have those who are left end, until the grace is over; the kernel kills them with us."""
    deadline = monotonic() + _GRACE_S
    waits = _GRACE_S / _POLL_S  # those that have run out count too: a clock may stand still
    try:
        kill(-1, _signal.SIGTERM)
        kill(-1, _signal.SIGCONT)
        while monotonic() < deadline and waits > 0:
            if not waitpid(-1, _REAP)[0] and sigtimedwait((SIGCHLD,), _POLL_S) is None:
                waits -= 1
    except (OSError, MemoryError):
        pass  # ESRCH, ECHILD: nobody is left, but who has entered
