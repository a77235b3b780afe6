"""catch.py [SIGNAL...]: prints `ready`, and then the name of every signal of these that it catches.

All others keep their dispositions; TERM ends it.
"""

import _signal as signal
import os
import sys

known = {getattr(signal, f"SIG{word}"): word for word in sys.argv[1:]}


def say(number: int, _: object) -> None:
    """Print the name of a signal; print() itself must not be interrupted by a print()."""
    os.write(1, f"{known[number]}\n".encode())


for each in known:
    signal.signal(each, say)
# Not pause(2): one that comes just before it has set a flag, and its handler would wait
# for the next one.
reader, writer = os.pipe()
os.set_blocking(writer, False)
signal.set_wakeup_fd(writer)
os.write(1, b"ready\n")
while True:
    os.read(reader, 1)
