"""stays.py [--] COMMAND...: the init of a test's namespace that starts COMMAND and outlives it.

Reaps whoever ends, until nobody is left.
"""

import os
import sys

words = sys.argv[1:]
if words[0] == "--":
    del words[0]
os.posix_spawnp(words[0], words, os.environb)
while True:
    try:
        os.wait()
    except ChildProcessError:
        break
