"""leave.py KIND MANNER [NUMBER]: leaves leftovers behind when its stdin ends, and exits with 7.

KIND is how it was started: `plain`, `group` (a process group of its own),
`session`, `daemon` (session, parent ended), `stopped` (by SIGSTOP), `threads`
(its first thread has ended), `half-dumpable` (every other is not; prctl(2)),
`nested` (init in a PID namespace of its own) or `deep` (each the child of the
one before).  MANNER is what it does on TERM, after it has said so: `end`,
`slow` (ends after 300 ms and says `done`), `ignore`, or `deaf` (the signal is
ignored).  Each says `ready` first, and `USR1` whenever it gets that.  With
`killed` as fourth argument the end is SIGKILL instead.
"""

import _signal as signal
import _thread
import os
import sys
import time

AWAITED = {signal.SIGTERM, signal.SIGUSR1}


def say(word: str) -> None:
    """Write a line, whole whatever others write."""
    os.write(1, f"{word}\n".encode())


def linger(manner: str) -> None:
    """Be a leftover."""
    say("ready")
    while True:
        if signal.sigwaitinfo(AWAITED).si_signo == signal.SIGUSR1:
            say("USR1")
            continue
        say("TERM")
        if manner == "slow":
            time.sleep(0.3)
            say("done")
        if manner != "ignore":
            os._exit(0)


def fork(kind: str, manner: str) -> None:
    """Start a leftover of that kind."""
    pid = os.fork()
    if pid:
        if kind == "stopped":
            os.waitpid(pid, os.WUNTRACED)
            say("stopped")
        if kind == "daemon":
            os.waitpid(pid, 0)
        return
    os.closerange(0, 1)
    become(kind, manner)
    linger(manner)


def become(kind: str, manner: str) -> None:
    """Turn this process into one of that kind."""
    if kind == "group":
        os.setpgid(0, 0)
    elif kind in ("session", "daemon"):
        os.setsid()
        if kind == "daemon" and os.fork():
            os._exit(0)
    elif kind == "stopped":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif kind == "undumpable":
        import ctypes

        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE
    elif kind == "nested":
        command = ["unshare", "--pid", "--fork", sys.executable, "-IS", __file__, "-", manner]
        os.waitpid(os.posix_spawnp(command[0], command, os.environb), 0)
        os._exit(0)
    elif kind == "threads":
        _thread.start_new_thread(linger, (manner,))
        exit_thread()


def exit_thread() -> None:
    """End the calling thread only; exit(2), which is not exit_group(2)."""
    import ctypes

    ctypes.CDLL(None).syscall(93 if os.uname().machine == "aarch64" else 60, 0)


def deepen(manner: str, depth: int) -> None:
    """Start a line of that many processes."""
    if depth and os.fork() == 0:
        os.closerange(0, 1)
        deepen(manner, depth - 1)
        linger(manner)


def main() -> None:
    """Run it."""
    kind, manner = sys.argv[1:3]
    number = int(sys.argv[3]) if sys.argv[3:] else 1
    if manner == "deaf":
        # A signal that is blocked as well would be queued, ignored or not.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        AWAITED.remove(signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_BLOCK, AWAITED)
    if kind == "-":
        linger(manner)
    elif kind == "deep":
        deepen(manner, number)
    else:
        for count in range(number):
            fork(kind if kind != "half-dumpable" or count % 2 else "undumpable", manner)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, AWAITED)
    while os.read(0, 1):
        pass
    if sys.argv[4:]:
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(7)


main()
