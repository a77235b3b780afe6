"""leftovers.py COUNT PROGRAM [ARG...]: a command that ends while others live on.

Starts PROGRAM COUNT times, prints `ready`, and when a line comes on stdin
prints CLOCK_MONOTONIC in nanoseconds and ends.
"""

import os
import sys
import time


def main() -> None:
    """Run it."""
    argv = sys.argv[2:]
    for _ in range(int(sys.argv[1])):
        os.posix_spawn(argv[0], argv, os.environ)
    os.write(1, b"ready\n")
    os.read(0, 1)
    os.write(1, b"%d\n" % time.monotonic_ns())
    os._exit(0)


main()
