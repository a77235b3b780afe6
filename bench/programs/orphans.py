"""orphans.py one-by-one|at-once COUNT: a command whose orphans the init has to reap.

Makes COUNT orphans that wait, prints `ready`, and ends them when a line comes
on stdin: one by one, each reaped before the next ends, or all at once.  Prints
`done` when all are reaped.
"""

import os
import signal
import sys

from crowd import make_orphans  # type: ignore[import-not-found]  # beside this file


def is_there(pid: int) -> bool:
    """Return whether process (or group) ``pid`` exists; one that ended and is not reaped does."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def end(pid: int) -> None:
    """End ``pid`` and return once it is reaped.

    Not by SIGKILL, which few orphans die of: pyinit looks for an OOM kill then, once for
    all that it reaps together.
    """
    os.kill(pid, signal.SIGTERM)
    while is_there(pid):
        os.sched_yield()


def main() -> None:
    """Run it."""
    group, pids = make_orphans(int(sys.argv[2]))
    os.write(1, b"ready\n")
    os.read(0, 1)
    for pid in pids if sys.argv[1] == "one-by-one" else [-group]:
        end(pid)
    os.write(1, b"done\n")
    os.read(0, 1)


main()
