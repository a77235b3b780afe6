"""workers.py: a parent that starts a new worker for each line of stdin and waits for it.

The worker takes memory until it is killed for it.  The parent says ``ready``, then of each
worker ``killed N``, and at TERM ``stopped`` and ends with 4, but not before that is said.
"""

import _signal as signal
import os
import select


def stop(number: int, frame: object) -> None:
    """End as one does who was asked to."""
    os.write(1, b"stopped\n")
    os._exit(4)


# A signal that comes between Python's last look for one and the system call interrupts nothing:
# only the descriptor ends the wait then.
woken, waker = os.pipe()
os.set_blocking(waker, False)
signal.set_wakeup_fd(waker)
signal.signal(signal.SIGTERM, stop)
os.write(1, b"ready\n")
while 0 in select.select([0, woken], [], [])[0] and os.read(0, 1):
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    worker = os.fork()
    if not worker:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write("1000")
        taken = []
        while worker == 0:
            taken.append(bytearray(1 << 20))
    _, status = os.waitpid(worker, 0)
    os.write(1, b"killed %d\n" % os.WTERMSIG(status))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
