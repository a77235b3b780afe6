"""bystanders.py NUMBER COMMAND...: becomes COMMAND, with NUMBER children that block every signal.

They print `bystander` each, and live until they are killed.
"""

import os
import signal
import sys

for _ in range(int(sys.argv[1])):
    if os.fork() == 0:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        os.closerange(0, 1)
        os.write(1, b"bystander\n")
        while True:
            signal.pause()
os.execvp(sys.argv[2], sys.argv[2:])
