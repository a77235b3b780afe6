"""outer.py FD COMMAND...: the init of a test's namespace around a pyinit that is not PID 1.

Starts COMMAND, waits for it, and writes to FD, as a literal of Python, its exit code and who
is left in the namespace besides this process.  Reaps nobody else before that.  Imports nothing
that is not in the interpreter already: half of the tests start this.
"""

import posix
import sys


def survivors() -> list[str]:
    """Return what is alive: every process but this one and zombies."""
    found = []
    for name in filter(str.isdecimal, posix.listdir("/proc")):
        with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
            stat = file.read()
        if name != "1" and stat.rpartition(")")[2].split()[0] not in "ZX":
            found.append(stat)
    return found


def main() -> None:
    """Run it."""
    report = int(sys.argv[1])
    posix.set_inheritable(report, False)
    pid = posix.posix_spawnp(sys.argv[2], sys.argv[2:], posix.environ)
    _, status = posix.waitpid(pid, 0)
    code = posix.waitstatus_to_exitcode(status)
    posix.write(report, ascii((code, survivors())).encode())


main()
