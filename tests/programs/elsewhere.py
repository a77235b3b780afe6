"""elsewhere.py HOW: makes a UTS or time namespace that is not its own; prints its inode and waits.

HOW is `thread`: a thread of this process is in a new UTS namespace, or
`children`: the next child would be in a new time namespace; see unshare(2).
"""

import ctypes
import os
import sys
import threading

CLONE_NEWTIME = 0x80
CLONE_NEWUTS = 0x04000000

libc = ctypes.CDLL(None, use_errno=True)


def unshare(flag: int, path: str) -> None:
    """Leave a namespace, and say what the new one is."""
    if libc.unshare(flag):
        raise OSError(ctypes.get_errno(), "unshare")
    print(os.stat(path).st_ino, flush=True)
    sys.stdin.read()


if sys.argv[1] == "thread":
    path = "/proc/thread-self/ns/uts"
    thread = threading.Thread(target=unshare, args=(CLONE_NEWUTS, path))
    thread.start()
    thread.join()
else:
    unshare(CLONE_NEWTIME, "/proc/self/ns/time_for_children")
