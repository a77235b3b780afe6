"""sender.py HOW NUMBER: sends its parent, the init, a signal in some way, and stays.

HOW is `command`: this process sends it; `child`: a child does, called `some "one"` and
two bytes that are no text; `user`: a child of user 1234, called so, does; `gone`: a child
does when a line comes, ends and is reaped, and this process says `reaped`.
"""

import _signal as signal
import os
import sys

how, number = sys.argv[1], int(sys.argv[2])
NAMES = {"child": b'some "one"\n\xff\xfe', "user": b"user"}


def send() -> None:
    """Send it, as somebody who has that name."""
    if how in NAMES:
        with open("/proc/self/comm", "wb", buffering=0) as file:
            file.write(NAMES[how])
    if how == "user":
        os.setreuid(1234, 0)  # the kernel tells the real one
    os.kill(init, number)


init = os.getppid()
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
print("ready", flush=True)
if how == "gone":
    sys.stdin.readline()
child = 0 if how == "command" else os.fork()
if child == 0:
    send()
if how == "gone":
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    print("reaped", flush=True)
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
signal.pause()
