#!/usr/bin/env python3
"""probe.py PID SECONDS COMMAND...: ask a container whether it is well, and leave nothing there.

PID is any process of the container, as it is numbered here.  The command runs in the container's
namespaces.  As Kubernetes wants it of a probe, the exit code is 0 when the container is well
and 1 when it is not; 2 says that the probe itself could not be made.

A probe that hangs is ended after its time together with all that it started, also daemons and
what ignores TERM: otherwise each probe of a sick container would add to what it has to bear.
The same in a shell: pyinitctl exec PID --timeout SECONDS -- COMMAND
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
            # After TERM, so long until KILL: for the command, and for what it leaves behind.
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
            # Its init ends all of them, in good order, and then itself.
            process.stop(timeout=10)
            print(f"probe: no answer within {time_s:g} s", file=sys.stderr)
            return SICK
    return WELL if ended.code == 0 else SICK


if __name__ == "__main__":
    if len(sys.argv) < 4:
        print(__doc__, file=sys.stderr)
        sys.exit(NO_PROBE)
    sys.exit(probe(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]))
