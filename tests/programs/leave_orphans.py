"""leave_orphans.py [COUNT]: leaves COUNT orphans (1) behind, and ends when they have.

The first one is named `orphan`.  Prints what its parent is then: `pyinit`, which is the parent of
this process, or `another`.
"""

import os
import sys

BATCH = 500

pyinit = os.getppid()
count = int(sys.argv[1]) if len(sys.argv) > 1 else 1
ends, end = os.pipe()  # EOF is the end of all orphans
first = True
while count > 0:
    batch = min(BATCH, count)
    count -= batch
    middle = os.fork()
    if middle == 0:
        for _ in range(batch):
            if os.fork() == 0:
                os.close(ends)
                if first:
                    with open("/proc/self/comm", "w", encoding="ascii") as file:
                        file.write("orphan")
                    while os.getppid() not in (pyinit, 1):
                        os.sched_yield()
                    print("pyinit" if os.getppid() == pyinit else "another", flush=True)
                os._exit(3)
            first = False
        os._exit(0)
    os.waitpid(middle, 0)
    first = False
os.close(end)
os.read(ends, 1)
