"""outer.py FD COMMAND...: the init of a test's namespace around a pyinit that is not PID 1.

Starts COMMAND, waits for it, and writes to FD as JSON its exit code and who is
left in the namespace besides this process.  Reaps nobody else before that.
"""

import json
import os
import sys


def survivors() -> list[str]:
    """Return what is alive: every process but this one and zombies."""
    found = []
    for name in filter(str.isdecimal, os.listdir("/proc")):
        with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
            stat = file.read()
        if name != "1" and stat.rpartition(")")[2].split()[0] not in "ZX":
            found.append(stat)
    return found


def main() -> None:
    """Run it."""
    report = int(sys.argv[1])
    os.set_inheritable(report, False)
    pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environb)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    text = json.dumps({"code": code, "survivors": survivors()})
    os.write(report, text.encode())


main()
