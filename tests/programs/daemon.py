"""daemon.py [SIGNAL...]: starts a daemon in a session of its own, and exits with 3.

The daemon has a worker.  It says each of the signals when it gets it, and `TERM`, which ends it
when its worker has ended; with `-` it goes on.  `ready` says that both are there, and the main
process ends then.  The daemon ends when its stdin ends, too.
"""

import _signal as signal
import os
import select
import sys

words = sys.argv[1:]
goes_on = words[:1] == ["-"]
names = words[1:] if goes_on else words


def say(text: str) -> None:
    """Write a line, whole whatever others write."""
    os.write(1, f"{text}\n".encode())


def lose(*_: object) -> None:
    """Be told to end while the daemon waits for us."""
    say("lost")
    os._exit(1)


def serve(ready: int) -> None:
    """Be the daemon."""
    os.setsid()
    orders, mine = os.pipe()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, lose)
        os.close(mine)
        os.close(ready)
        os.close(0)
        os.read(orders, 1)
        os._exit(0)
    os.close(orders)
    woken, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)
    for name in [*names, "TERM"]:
        signal.signal(getattr(signal, f"SIG{name}"), lambda *_: None)
    os.close(ready)
    while True:
        for readable in select.select([0, woken], [], [])[0]:
            data = os.read(readable, 1)
            if readable == woken:
                said = next(n for n in [*names, "TERM"] if getattr(signal, f"SIG{n}") == data[0])
                say(said)
            if not data or (data[0] == signal.SIGTERM and readable == woken and not goes_on):
                os.close(mine)
                os.wait()
                say("ended")
                os._exit(0)


waits, ready = os.pipe()
if os.fork() == 0:
    os.close(waits)
    serve(ready)
os.close(ready)
os.read(waits, 1)
say("ready")
os._exit(3)
