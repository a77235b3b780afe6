"""inside.py: prints as JSON what only a process itself can ask the kernel about itself."""

import ctypes
import json
import os
import signal
import sys

libc = ctypes.CDLL(None)


def asked(option: int) -> int:
    """Return what a PR_GET_... of prctl(2) writes to its argument."""
    value = ctypes.c_int(-1)
    libc.prctl(option, ctypes.byref(value), 0, 0, 0)
    return value.value


def children() -> str:
    """Return the PIDs of the children."""
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return file.read()


facts = {
    "parent-death signal": asked(2),
    "is a subreaper": asked(37),
    "dumpable": libc.prctl(3, 0, 0, 0, 0),
    "keeps capabilities": libc.prctl(7, 0, 0, 0, 0),
    "securebits": libc.prctl(27, 0, 0, 0, 0),
    "time stamp counter": asked(25),
    "timers": [signal.getitimer(which) for which in range(3)],
    "leads its group": os.getpgrp() == os.getpid(),
    "leads its session": os.getsid(0) == os.getpid(),
    "children": children(),
}
json.dump(facts, sys.stdout)
