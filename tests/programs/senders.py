"""senders.py NUMBER: so many children, each with a name of its own, send the init one signal each.

One after the other, and each is there until the signal of the next one has come back here.
Then one named `the last` sends TERM.
"""

import _signal as signal
import os
import sys

BACK = signal.SIGRTMIN + 1
init = os.getppid()


def send(name: str, number: int) -> int:
    """Have a child of that name send signal ``number``; return its PID."""
    pid = os.fork()
    if pid == 0:
        with open("/proc/self/comm", "w") as file:
            file.write(name)
        os.kill(init, number)
        while True:
            signal.pause()
    return pid


signal.pthread_sigmask(signal.SIG_BLOCK, {BACK})
before = 0
for count in range(int(sys.argv[1])):
    child = send(f"sender {count}", BACK)
    signal.sigwait({BACK})
    if before:
        os.kill(before, signal.SIGKILL)
        os.waitpid(before, 0)
    before = child
send("the last", signal.SIGTERM)
signal.pause()
