"""catch.py [SIGNAL...]: prints `ready`, and then the name of every signal of these that it catches.

All others keep their dispositions; TERM ends it.
"""

import signal
import sys


def say(number: int, _: object) -> None:
    """Print the name of a signal."""
    print(signal.Signals(number).name[3:], flush=True)


for word in sys.argv[1:]:
    signal.signal(signal.Signals[f"SIG{word}"], say)
print("ready", flush=True)
while True:
    signal.pause()
