"""mix.py ORPHANS TRACED: the command of a soak; says when each signal came, and makes work below.

One process double-forks all the time, ORPHANS a burst.  Another makes orphans that stop and are
continued, and with TRACED ones that ask the init to trace them and then get a signal.  Records as
those of actor.py.  Ends with 7 on TERM; whatever is left is for the init.
"""

import _signal
import posix
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

PTRACE_TRACEME = 0
# Between two bursts: as long as makes the orphans half of what a processor can do.
PAUSE_S = 0.05


def record(what: str) -> None:
    """Write one record."""
    posix.write(1, b"%.6f 0 %s\n" % (time.monotonic(), what.encode()))


def orphan() -> bool:
    """Fork an orphan; return whether this is it."""
    pid = posix.fork()
    if pid == 0:
        if posix.fork():
            posix._exit(0)
        return True
    posix.waitpid(pid, 0)
    return False


def storm(burst: int) -> "NoReturn":
    """Leave orphans that end at once."""
    while True:
        for _ in range(burst):
            if orphan():
                posix._exit(0)
        time.sleep(PAUSE_S)


def go_on(pid: int) -> None:
    """Continue an orphan until it is gone: it may not have stopped yet."""
    try:
        while True:
            time.sleep(0.01)
            posix.kill(pid, _signal.SIGCONT)
    except ProcessLookupError:
        pass


def stops(traced: bool) -> "NoReturn":  # noqa: FBT001
    """Leave orphans that stop; continue and end them; leave some that are traced by the init."""
    import ctypes

    ptrace = ctypes.CDLL(None).ptrace
    reader, writer = posix.pipe()
    while True:
        if orphan():
            posix.write(writer, b"%10d" % posix.getpid())
            posix.kill(posix.getpid(), _signal.SIGSTOP)
            posix._exit(0)
        go_on(int(posix.read(reader, 10)))
        if traced and orphan():
            while posix.getppid() != 1:
                pass
            ptrace(PTRACE_TRACEME, 0, 0, 0)
            posix.kill(posix.getpid(), _signal.SIGUSR1)  # which ends it once the init lets it
            posix._exit(0)
        time.sleep(0.01)


def main() -> None:
    """Run it."""
    heeded = {_signal.SIGTERM, _signal.SIGUSR1, _signal.SIGRTMIN + 1}
    _signal.pthread_sigmask(_signal.SIG_BLOCK, heeded)
    burst, traced = int(sys.argv[1]), bool(int(sys.argv[2]))
    for is_storm in (True, False):
        if posix.fork() == 0:
            # A stop of the command is for that alone.
            posix.setpgid(0, 0)
            _signal.pthread_sigmask(_signal.SIG_UNBLOCK, heeded)
            if is_storm:
                storm(burst)
            stops(traced)
    record("armed")
    while True:
        number = _signal.sigwait(heeded)
        record(f"got {int(number)}")
        if number == _signal.SIGTERM:
            posix._exit(7)


main()
