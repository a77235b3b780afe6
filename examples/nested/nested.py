#!/usr/bin/env python3
"""nested.py [LEVELS]: make a container in a container, and show what each level sees.

Each level is a new PID namespace with pyinit as its PID 1, whose command is this program again.
Every process has a number at its own level and at each level above it, but none below.  The field
NSpid of /proc/PID/status lists the numbers from the reader's level down.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pyinit

# An ordinary user needs a new user namespace to make the others, and is root inside of it.
NAMESPACES = {"pid", "mount", *(("user",) if os.geteuid() else ())}


def numbers(pid: int | str) -> str:
    """Return the numbers of a process, from our level down to its own."""
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
        print(f"level {level}: /proc shows processes {seen}, and none of the levels above")
        return level
    container = pyinit.spawn(
        [sys.executable, __file__, str(levels)],
        namespaces=NAMESPACES,
        env={**os.environ, "LEVEL": str(level + 1)},
    )
    with container:
        inside = numbers(container.pid)
        ended = container.wait()
    print(f"level {level}: the init of level {level + 1} had the numbers {inside}, here and there")
    print(f"level {level}: it has ended with {ended.code}, the status of its command")
    return ended.code


if __name__ == "__main__":
    sys.exit(main())
