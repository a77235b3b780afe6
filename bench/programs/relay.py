"""relay.py COUNT ORPHANS: a command that sends signals to its init and takes them back.

Makes ORPHANS orphans that wait, prints `ready`, and when a line comes on stdin
sends USR1 to its parent, the init, COUNT times, each after the last one has
come back.  Prints the median time of a round trip in nanoseconds.
"""

import os
import signal
import sys
import time

from crowd import make_orphans  # type: ignore[import-not-found]  # beside this file

USR1 = (signal.SIGUSR1,)


def round_trip_ns(init: int) -> int:
    """Send one signal and take it back."""
    start = time.perf_counter_ns()
    os.kill(init, signal.SIGUSR1)
    signal.sigwaitinfo(USR1)
    return time.perf_counter_ns() - start


def main() -> None:
    """Run it."""
    count, orphans = int(sys.argv[1]), int(sys.argv[2])
    init = os.getppid()
    signal.pthread_sigmask(signal.SIG_BLOCK, USR1)
    if orphans:
        make_orphans(orphans)
    os.write(1, b"ready\n")
    os.read(0, 1)
    times = sorted(round_trip_ns(init) for _ in range(count))
    os.write(1, b"%d\n" % times[count // 2])
    os.read(0, 1)


main()
