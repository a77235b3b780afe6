"""later.py WHEN SIGNALS COMMAND...: becomes COMMAND, and a child of it sends it SIGNALS then.

WHEN is a time in seconds after exec, in which COMMAND had a processor whenever it
wanted one; with `+` in front it counts from the moment at which COMMAND blocks
SIGTERM.  SIGNALS are numbers with commas between them.
"""

import _signal as signal
import os
import sys
import time

when, numbers, *command = sys.argv[1:]
reader, writer = os.pipe()  # both ends are closed by exec, which is how the child learns of it
target = os.getpid()


def status(name: str) -> str:
    """Return a field of /proc/PID/status of the other process."""
    with open(f"/proc/{target}/status", encoding="ascii", errors="replace") as file:
        return next(line.split()[1] for line in file if line.startswith(name))


def takes_term() -> bool:
    """Return whether the other process blocks SIGTERM.

    While sigwaitinfo(2) waits for it, it looks unblocked, but then it has a handler.  A set with
    33 in it is the C library's, which blocks all for a moment while a program starts (glibc 2.42).
    """
    blocked, caught = int(status("SigBlk"), 16), int(status("SigCgt"), 16)
    return bool((blocked | caught) & 1 << signal.SIGTERM - 1) and not blocked & 1 << 33 - 1


def own_time_s(start: float) -> float:
    """Return the time since ``start``, less what the other process has waited for a processor."""
    now = time.monotonic()
    runs = status("State") == "R"
    # In this order: a wait up to now that has ended is counted.
    with open(f"/proc/{target}/schedstat", encoding="ascii") as file:
        ran, waited, _ = file.read().split()
    return int(ran) / 1e9 if runs else now - start - int(waited) / 1e9


if os.fork() == 0:
    os.close(writer)
    os.read(reader, 1)
    started = time.monotonic()
    if when.startswith("+"):
        while not takes_term():
            pass
        time.sleep(float(when))
    while not when.startswith("+") and own_time_s(started) < float(when):
        time.sleep(0.001)
    for number in numbers.split(","):
        os.kill(target, int(number))
    os._exit(0)
for each in (signal.SIGPIPE, signal.SIGXFSZ):
    signal.signal(each, signal.SIG_DFL)
os.execv(command[0], command)
