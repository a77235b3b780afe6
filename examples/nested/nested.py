#!/usr/bin/env python3
"""nested.py [LEVELS]: a container in a container, and what each level sees of the processes.

Each level is a new PID namespace with pyinit as its PID 1, whose command is this program again.
Every process has a number at its own level and at each one above, and none below: the
field NSpid of /proc/PID/status lists those that can be seen from where it is read.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pyinit

# Namespaces of an ordinary user take a user namespace; inside of it that user is root.
NAMESPACES = {"pid", "mount", *(("user",) if os.geteuid() else ())}


def numbers(pid: int | str) -> str:
    """Return the numbers of a process, from the level at which we look down to its own."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("NSpid:"):
            return " ".join(line.split()[1:])
    return str(pid)


def main() -> int:
    """Show this level, and what it sees of the one below."""
    level = int(os.environ.get("LEVEL", "0"))
    levels = int(sys.argv[1]) if sys.argv[1:] else 2
    print(f"level {level}: I am process {os.getpid()}, my parent is {os.getppid()}", flush=True)
    if level == levels:
        seen = sorted(int(name) for name in os.listdir("/proc") if name.isdecimal())
        print(f"level {level}: /proc shows processes {seen}, and nobody of the levels above")
        return level
    container = pyinit.spawn(
        [sys.executable, __file__, str(levels)],
        namespaces=NAMESPACES,
        env={**os.environ, "LEVEL": str(level + 1)},
    )
    with container:
        inside = numbers(container.pid)
        ended = container.wait()
    print(f"level {level}: the init of level {level + 1} had here and there the numbers {inside}")
    print(f"level {level}: it has ended with {ended.code}, the status of its command")
    return ended.code


if __name__ == "__main__":
    sys.exit(main())
