"""storm.py PID COUNT SIGNAL...: sends COUNT signals to PID, the SIGNALs (numbers) in turn."""

import os
import sys

pid, count, *numbers = map(int, sys.argv[1:])
for i in range(count):
    os.kill(pid, numbers[i % len(numbers)])
