"""zombies.py NUMBER: leaves two processes when its stdin ends, and exits with 7.

One has started as many processes that have ended, which it does not wait for, and then the other
one.  `ready` comes when they have ended.
"""

import os
import sys


def serve() -> None:
    """Be the one with the zombies."""
    os.close(0)
    for _ in range(int(sys.argv[1])):
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    if os.fork():
        os.write(1, b"ready\n")
    os.read(os.pipe()[0], 1)


if os.fork() == 0:
    serve()
os.read(0, 1)
os._exit(7)
