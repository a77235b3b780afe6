"""forks.py DIRECTORY -- WORD...: a program that is its own init, with pyinit from DIRECTORY.

It goes on as the command.  Under -IS nothing else is on the path.
"""

import sys

sys.path.insert(0, sys.argv[1])

import pyinit

pyinit.fork_init()

import os  # noqa: E402

os.execvp(sys.argv[3], sys.argv[3:])
