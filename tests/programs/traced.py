"""traced.py KIND: has its parent trace it, by PTRACE_TRACEME; see ptrace(2).

`main` is this process, `thread` a thread of it, `exec` a program that it becomes, and
`orphan` a grandchild, once its parent has ended, which lives on when stdin ends.  `stop` is
`main` that then sends itself SIGSTOP, `trap` one that raises SIGTRAP.  Each says `ready`,
and the name of USR1 and of TERM, which ends it, when its handler runs.
"""

import _thread
import ctypes
import os
import signal
import sys
import time

PTRACE_TRACEME = 0


def say(word: str) -> None:
    """Write a line, whole whatever others write."""
    os.write(1, f"{word}\n".encode())


def trace_me() -> None:
    """Have the parent trace the calling thread."""
    null = ctypes.c_void_p(None)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(PTRACE_TRACEME, 0, null, null) == -1:
        raise OSError(ctypes.get_errno(), "ptrace")


def trace_thread() -> None:
    """Have the parent trace this thread, and stop in it."""
    trace_me()
    signal.pthread_kill(_thread.get_ident(), signal.SIGUSR1)


def ended(number: int, frame: object) -> None:
    """Say TERM and end."""
    say("TERM")
    os._exit(0)


def linger() -> None:
    """Say what comes."""
    signal.signal(signal.SIGUSR1, lambda *_: say("USR1"))
    signal.signal(signal.SIGTERM, ended)
    say("ready")
    while True:
        time.sleep(0.01)  # a signal of another thread interrupts nothing, but its handler runs here


def become_orphan() -> None:
    """Be one, and leave a parent that ends when stdin does."""
    if os.fork():
        while os.read(0, 1):
            pass
        os._exit(7)
    parent = os.getpid()
    if os.fork():
        os._exit(0)
    while os.getppid() == parent:
        time.sleep(0.001)
    os.closerange(0, 1)
    trace_me()


def main() -> None:
    """Run it."""
    kind = sys.argv[1]
    if kind == "thread":
        signal.signal(signal.SIGUSR1, lambda *_: say("USR1"))
        _thread.start_new_thread(trace_thread, ())
    elif kind == "orphan":
        become_orphan()
    elif kind != "-":
        trace_me()
    if kind == "exec":
        os.execv(sys.executable, [sys.executable, "-IS", __file__, "-"])
    if kind == "trap":
        signal.raise_signal(signal.SIGTRAP)
    if kind == "stop":
        signal.signal(signal.SIGTERM, ended)
        say("ready")
        os.kill(os.getpid(), signal.SIGSTOP)
        say("continued")
    linger()


main()
