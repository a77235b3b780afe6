"""crowd.py ENDING DEAF MASTERS: leaves so many children when a line comes, and tells of each TERM.

One that is ending ends by it, a deaf one does not, and a master waits 0.2 s for its worker first.
Prints `ready` when all have their handlers.
"""

from __future__ import annotations

import os
import signal
import sys
import time

ending, deaf, masters = map(int, sys.argv[1:])
ready, mine = os.pipe()


def child(name: str, *, ends: bool = True, slow_s: float = 0.0) -> int:
    """Fork one that writes its name for each TERM, and that goes on for good."""
    if pid := os.fork():
        return pid

    def told(*_: object) -> None:
        time.sleep(slow_s)
        os.write(1, f"{name}\n".encode())
        if ends:
            os._exit(0)

    signal.signal(signal.SIGTERM, told)
    if name.startswith("master"):
        child(name.replace("master", "worker"))
    os.write(mine, b".")
    while True:
        signal.pause()


for n in range(ending):
    child(f"ending {n}")
for n in range(deaf):
    child(f"deaf {n}", ends=False)
for n in range(masters):
    child(f"master {n}", slow_s=0.2)
for _ in range(ending + deaf + 2 * masters):
    os.read(ready, 1)
os.write(1, b"ready\n")
sys.stdin.readline()
os._exit(7)
