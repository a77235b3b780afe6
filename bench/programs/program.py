"""program.py [fork-init]: a Python program that says `ready` first and waits for its stdin.

With `fork-init` its first line makes an init of it.
"""

import sys

if sys.argv[1:]:
    import pyinit

    pyinit.fork_init()

import os

os.write(1, b"ready\n")
os.read(0, 1)
