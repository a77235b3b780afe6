"""fills_pids.py: forks until it may no more, and ends on TERM; each child then says `saved`."""

import _signal as signal
import os

signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
children = 0
try:
    while True:
        if os.fork() == 0:
            signal.sigwait({signal.SIGTERM})
            os.write(1, b"saved\n")
            os._exit(0)
        children += 1
except BlockingIOError:
    print(children, flush=True)
signal.sigwait({signal.SIGTERM})
print("TERM", flush=True)
