"""leave_orphans.py [COUNT [again]]: leaves COUNT orphans (1) behind, and ends when they have.

The first one is named `orphan`.  Prints what its parent is then: `pyinit`,
which is the parent of this process, or `another`.  With `again` it does so for
every line of stdin, and prints `done` each time.
"""

import os
import sys

BATCH = 500

pyinit = os.getppid()


def orphan(end: int, *, first: bool) -> None:
    """Be an orphan, of which the first one says who has adopted it."""
    os.close(end)
    if first:
        with open("/proc/self/comm", "w", encoding="ascii") as file:
            file.write("orphan")
        while os.getppid() not in (pyinit, 1):
            os.sched_yield()
        print("pyinit" if os.getppid() == pyinit else "another", flush=True)
    os._exit(3)


def leave(count: int) -> None:
    """Leave ``count`` orphans behind; return when they have ended."""
    ends, end = os.pipe()  # EOF is the end of all orphans
    for start in range(0, count, BATCH):
        middle = os.fork()
        if middle == 0:
            for number in range(start, min(start + BATCH, count)):
                if os.fork() == 0:
                    orphan(ends, first=number == 0)
            os._exit(0)
        os.waitpid(middle, 0)
    os.close(end)
    os.read(ends, 1)
    os.close(ends)


count = int(sys.argv[1]) if len(sys.argv) > 1 else 1
if sys.argv[2:] == ["again"]:
    while os.read(0, 1):
        leave(count)
        print("done", flush=True)
else:
    leave(count)
