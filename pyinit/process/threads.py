"""Other threads than ours in the process of the init, which take signals that are meant for it.

A preloaded library or a ``sitecustomize`` has started them.  A signal that is sent to a
process goes to any thread that does not block it (signal(7)), and ours blocks all: it takes
them with sigwaitinfo(2).  At its default disposition a signal that such a thread gets is lost
to a PID 1, and ends any other process.
"""

import _signal
import posix

from pyinit import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    import select
    from collections.abc import Callable
    from typing import NoReturn

# A thread that waits for signals as we do takes them without a trace: who has ended is
# looked for this often, in milliseconds.
_TICK_MS = 1000

# Before what has failed is tried again, in seconds.
_PAUSE_S = 0.01

_EINVAL = 22  # errno(3)
_CLONE_THREAD = 0x10000  # clone(2)


def count() -> int:
    """Return how many threads there are beside the one of Python; without /proc 1 stands for many.

    Also where it cannot be found out: to be prepared for them does no harm.
    """
    try:
        # See `environment.is_single_threaded`.
        return max(0, posix.stat("/proc/self/task").st_nlink - 3)
    except OSError:
        return int(_are_there())


def _are_there() -> bool:
    """Ask the kernel: for a process of one thread CLONE_THREAD changes nothing (unshare(2))."""
    try:
        from pyinit import linux

        linux.unshare(_CLONE_THREAD)
    except OSError as error:
        # EPERM is a filter's answer (seccomp(2)).
        return error.errno == _EINVAL or _may_be_brought()
    except ImportError:
        return _may_be_brought()  # a Python built without libffi
    return False


def _may_be_brought() -> bool:
    return any(name in posix.environ for name in (b"LD_PRELOAD", b"LD_AUDIT"))


def attend() -> None:
    """Have all signals that other threads take handed on to this one, from now on.

    They run Python's C handler, which writes the number into a pipe; a thread of ours, which
    blocks all signals, sends it to this one.  Raises OSError, RuntimeError.
    """
    import _thread
    import select
    import time

    reader, writer = posix.pipe2(posix.O_CLOEXEC | posix.O_NONBLOCK)
    try:
        poll = select.poll()
        poll.register(reader, select.POLLIN)
        _signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        # It imports nothing: a fork meanwhile would leave the lock held.
        _thread.start_new_thread(_hand_on, (poll, reader, _thread.get_ident(), time.sleep))
    except BaseException:
        _signal.set_wakeup_fd(-1)
        posix.close(reader)
        posix.close(writer)
        raise
    for number in (*signals.RELAYED, _signal.SIGCHLD):
        # The command gets what was ignored so.
        if _signal.getsignal(number) != _signal.SIG_IGN:
            _signal.signal(number, _nothing)


def _hand_on(
    poll: "select.poll", reader: int, thread: int, sleep: "Callable[[float], None]"
) -> "NoReturn":
    numbers: bytes | tuple[int, ...] = b""
    while True:
        try:
            if not numbers:
                tick = not poll.poll(_TICK_MS)
                numbers = (_signal.SIGCHLD,) if tick else posix.read(reader, 4096)
            _signal.pthread_kill(thread, numbers[0])
            numbers = numbers[1:]
        except Exception:
            # EAGAIN: as many real-time signals wait as may (RLIMIT_SIGPENDING in setrlimit(2)).
            sleep(_PAUSE_S)


def _nothing(number: int, frame: object) -> None:
    """Stand for what the thread of `attend` does."""
