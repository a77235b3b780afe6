#!/usr/bin/env python3
"""look.py PID [COMMAND...]: show the container of process PID, or run a command in it.

PID is any process of the container, as it is numbered here.  Without a command, look.py shows
which namespaces differ from ours, and the container's processes with their numbers here and
there.  With a command, it runs that in the container's namespaces, root and cgroups, under an
init of its own, which ends everything that the command leaves behind.
"""

from __future__ import annotations

import sys

import pyinit


def look(pid: int) -> None:
    """Show namespaces and processes."""
    ours = pyinit.namespaces_of()
    for kind, space in pyinit.namespaces_of(pid).items():
        print(f"{kind:8} {space}{'' if space == ours.get(kind) else '  not ours'}")
    print()
    for each in pyinit.processes_of(pid):
        with each.process.oneshot():
            words = " ".join(each.process.cmdline()) or each.process.name()
        print(f"{each.pid:>8} {each.inner_pid:>8}  {words}")


def main() -> int:
    """Look, or run the command; return the exit code."""
    pid, *command = sys.argv[1:]
    if not command:
        look(int(pid))
        return 0
    with pyinit.exec_in(int(pid), command, quiet=True) as process:
        return process.wait().code


if __name__ == "__main__":
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    try:
        sys.exit(main())
    except (OSError, pyinit.StartError) as problem:
        print(f"look: {problem}", file=sys.stderr)
        sys.exit(1)
