"""exit_codes.py PATH FIRST LAST OPTION...: is a pyinit for each exit code from FIRST to LAST.

One forked process each, from a program that has loaded pyinit from PATH, whose
command ends with that code; prints the code and pyinit's, one line each.
"""

import _signal as signal
import os
import sys

path, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
options = sys.argv[4:]
sys.path.insert(0, path)

# Loaded once.
from pyinit import boot, cli, fork, linux, supervisor  # noqa: E402, F401
from pyinit.compat import peers  # noqa: E402, F401
from pyinit.options import values  # noqa: E402, F401

for code in range(first, last + 1):
    pid = os.fork()
    if pid == 0:
        sys.argv = ["pyinit", *options, "--", "sh", "-c", f"exit {code}"]
        cli.main(signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals()))
    _, status = os.waitpid(pid, 0)
    print(code, os.waitstatus_to_exitcode(status))
