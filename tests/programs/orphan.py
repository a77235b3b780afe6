"""orphan.py: ends with 4 and leaves two daemons: one ends at once, one on TERM.

What they say goes to the stdout of process 1.
"""

import _signal as signal
import os

signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
parent = os.getpid()
for number in 1, 2:
    if os.fork() == 0:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for fd in 0, 1, 2:
            os.dup2(null, fd)
        while os.getppid() == parent:
            os.sched_yield()
        output = os.open("/proc/1/fd/1", os.O_WRONLY)
        if number == 1:
            os.write(output, b"orphan's parent: %d\n" % os.getppid())
        else:
            signal.sigwait({signal.SIGTERM})
            os.write(output, b"orphan: TERM\n")
        os._exit(0)
os._exit(4)
