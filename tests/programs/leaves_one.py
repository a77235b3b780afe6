"""leaves_one.py: ends with 7 and leaves a daemon behind that says `saved` 300 ms after TERM."""

import _signal as signal
import os
import time

signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
if os.fork():
    os._exit(7)
os.setsid()
signal.sigwait({signal.SIGTERM})
time.sleep(0.3)
os.write(1, b"saved\n")
