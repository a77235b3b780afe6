"""join.py HOW COMMAND...: leaves the process group that the init has made, and execs COMMAND.

HOW is `group` (that of the parent), `foreground` (the same, and makes it the
foreground of the terminal) or `session` (one of its own, which a group leader
cannot make; see setsid(2)).
"""

import _signal as signal
import os
import sys

how, *command = sys.argv[1:]
os.setpgid(0, os.getpgid(os.getppid()))
if how == "foreground":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
    os.tcsetpgrp(0, os.getpgrp())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTTOU})
elif how == "session":
    os.setsid()
os.execvp(command[0], command)
