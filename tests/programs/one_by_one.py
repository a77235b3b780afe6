"""one_by_one.py: sends itself five signals by way of PID 1, then leaves orphans one by one.

It begins when PID 1 sleeps, and makes the next orphan when it does again: two that end while
PID 1 reaps are one SIGCHLD.
"""

import _signal as signal
import os
import time


def sleeps(pid: int) -> bool:
    """Return whether a process sleeps; one that a tracer has stopped does not."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()[0] == b"S"


signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
while not sleeps(1):
    time.sleep(0.001)
for _ in range(5):
    os.kill(1, signal.SIGUSR1)
    signal.sigwaitinfo([signal.SIGUSR1])
for _ in range(5):
    reader, writer = os.pipe()
    if os.fork() == 0:
        if os.fork() == 0:
            while os.getppid() != 1:
                time.sleep(0.001)
            os.write(writer, str(os.getpid()).encode())
            os._exit(0)
        os._exit(0)
    os.wait()
    pid = int(os.read(reader, 10))
    while os.path.exists(f"/proc/{pid}") or not sleeps(1):
        time.sleep(0.001)
