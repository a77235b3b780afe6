#!/usr/bin/env python3
"""probe.py PID SECONDS COMMAND...: probe a container, and leave no process in it.

PID is any process of the container, as it is numbered here.  The command runs in the container's
namespaces.  The exit code is 0 if the container is well and 1 if it is not, as Kubernetes
expects it; 2 means that the probe itself could not run.

After SECONDS a probe that hangs is ended together with all that it started, also daemons and
processes that ignore TERM.  Otherwise each probe of a sick container would leave more of them.
In a shell, this does the same: pyinitctl exec PID --timeout SECONDS -- COMMAND
"""

from __future__ import annotations

import subprocess
import sys

from pyinit import StartError, exec_in

WELL, SICK, NO_PROBE = 0, 1, 2


def probe(pid: int, time_s: float, command: list[str]) -> int:
    """Run the command in the container of ``pid``; return the exit code of the probe."""
    try:
        process = exec_in(
            pid,
            command,
            stdin=subprocess.DEVNULL,
            # The times from TERM to KILL, for the command and for what it leaves behind.
            stop_timeout_s=0.5,
            grace_s=0.5,
            quiet=True,
        )
    except (OSError, ValueError, StartError) as error:
        print(f"probe: {error}", file=sys.stderr)
        return NO_PROBE
    with process:
        try:
            ended = process.wait(time_s)
        except TimeoutError:
            # The init of the probe ends all its processes, and then itself.
            process.stop(timeout=10)
            print(f"probe: no answer within {time_s:g} s", file=sys.stderr)
            return SICK
    return WELL if ended.code == 0 else SICK


if __name__ == "__main__":
    if len(sys.argv) < 4:
        print(__doc__, file=sys.stderr)
        sys.exit(NO_PROBE)
    sys.exit(probe(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]))
