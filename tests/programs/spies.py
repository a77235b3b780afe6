"""spies.py: for each PID that it reads, says what of that process it can get hold of.

`fd` is its descriptor 0, by pidfd_getfd(2); `exe` its program, open to be read, by which it
can be written when nobody runs it; `environ` and `mem` are the files of /proc.
"""

import ctypes
import os
import sys

_PIDFD_GETFD = 438  # on every machine; see syscalls(2)

libc = ctypes.CDLL(None)
print("ready", flush=True)
for line in sys.stdin:
    pid = int(line)
    found = []
    if libc.syscall(_PIDFD_GETFD, os.pidfd_open(pid), 0, 0) >= 0:
        found.append("fd")
    for name in ("exe", "environ", "mem"):
        try:
            os.close(os.open(f"/proc/{pid}/{name}", os.O_RDONLY))
        except PermissionError:
            continue
        found.append(name)
    print(*found, flush=True)
