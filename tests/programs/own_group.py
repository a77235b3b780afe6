"""own_group.py COMMAND...: execs COMMAND as the leader of a process group, as a shell's job is.

With a parent in the same session and another group it is not orphaned: SIGTSTP
stops it; see setpgid(2).
"""

import os
import sys

os.setpgid(0, 0)
os.execvp(sys.argv[1], sys.argv[1:])
