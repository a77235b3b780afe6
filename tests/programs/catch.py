"""catch.py [SIGNAL...]: prints `ready`, and then the name of every signal of these that it catches.

All others keep their dispositions; TERM ends it.
"""

import os
import signal
import sys


def say(number: int, _: object) -> None:
    """Print the name of a signal; print() itself must not be interrupted by a print()."""
    os.write(1, signal.Signals(number).name[3:].encode() + b"\n")


for word in sys.argv[1:]:
    signal.signal(signal.Signals[f"SIG{word}"], say)
os.write(1, b"ready\n")
while True:
    signal.pause()
