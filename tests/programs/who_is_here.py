"""who_is_here.py: prints the name of process 1 and the number of its parent, and ends with 7."""

import os
import sys

with open("/proc/1/comm", encoding="ascii") as file:
    print(file.read().strip(), os.getppid())
sys.exit(7)
