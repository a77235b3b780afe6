"""orphan_storm.py [deaf]: has an orphan that makes orphans, one after the other as fast as it can.

It says `ready` when hundreds have been reaped, and then the name of each signal that it gets;
ends itself, with 7, on TERM; with `deaf` it ignores that.  The orphan ignores TERM, and goes on
until it is killed.  Its children are its parent's, the init's (CLONE_PARENT in clone(2)): one
costs 30 microseconds.  While so many as `MOST` have not been reaped it waits, for the machine
has other use for its PIDs.
"""

import collections
import contextlib
import ctypes
import mmap
import os
import signal
import sys

CLONE_VM, CLONE_VFORK, CLONE_PARENT = 0x100, 0x4000, 0x8000
STACK = 65536
MOST = 2000
READY = 500


def storm() -> None:
    """Make orphans for ever."""
    libc = ctypes.CDLL(None)
    memory = mmap.mmap(-1, STACK)
    stack = ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(memory)) + STACK)
    flags = CLONE_VM | CLONE_VFORK | CLONE_PARENT | signal.SIGCHLD
    made: collections.deque[int] = collections.deque()
    reaped = 0
    while True:
        if len(made) == MOST:
            wait_for_end(made.popleft())
            reaped += 1
            if reaped == READY:
                os.write(1, b"ready\n")
        # Its whole life: _exit(2) with 0.
        made.append(libc.clone(libc._exit, stack, flags, None))


def wait_for_end(pid: int) -> None:
    """Return when there is no process ``pid``, not even as a zombie."""
    with contextlib.suppress(ProcessLookupError):
        while True:
            os.kill(pid, 0)
            os.sched_yield()


def main() -> None:
    """Run it."""
    wanted = signal.valid_signals() - {signal.SIGCHLD}
    if sys.argv[1:] == ["deaf"]:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        wanted -= {signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
    reader, writer = os.pipe()
    middle = os.fork()
    if middle == 0:
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            os.close(writer)
            os.read(reader, 1)  # its parent has ended
            storm()
        os._exit(0)
    os.waitpid(middle, 0)
    os.close(writer)
    while (number := signal.sigwait(wanted)) != signal.SIGTERM:
        name = number - signal.SIGRTMIN if number >= signal.SIGRTMIN else None
        word = f"RTMIN+{name}" if name is not None else signal.Signals(number).name[3:]
        os.write(1, f"{word}\n".encode())
    os.write(1, b"TERM\n")
    os._exit(7)


main()
