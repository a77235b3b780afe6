"""orphans.py NUMBER [CODE]: leaves NUMBER orphans, which all exit with CODE when its stdin ends.

It says `ready` when they are orphans, and `ended` when they have been told to
end; ends itself, with 7, when it gets TERM.  With CODE `at-once` it ends in the
moment they do, and with `stopped` they stop instead.
"""

import _signal as signal
import contextlib
import os
import sys


def leave(number: int, how: str, gate: int) -> None:
    """Start them, by a process that ends."""
    if os.fork():
        with contextlib.suppress(ChildProcessError):  # SIGCHLD is ignored: it waits all the same
            os.wait()
        return
    for _ in range(number):
        if os.fork() == 0:
            os.read(gate, 1)
            if how == "stopped":
                os.kill(os.getpid(), signal.SIGSTOP)
            os._exit(int(how) if how.isdecimal() else 0)
    os._exit(0)


def main() -> None:
    """Run it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    how = sys.argv[2] if sys.argv[2:] else "0"
    leave(int(sys.argv[1]), how, 0)
    os.write(1, b"ready\n")
    os.read(0, 1)
    if how != "at-once":
        os.write(1, b"ended\n")
        signal.sigwait([signal.SIGTERM])
    os._exit(7)


main()
