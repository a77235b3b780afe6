"""steals.py WORD [PACKET...]: takes the init's end of the caller's socket, and uses it.

WORD is `say`, with packets in hexadecimal digits; `fill`, until there is no room; or `shut`,
for both directions.  It begins with the first line of its stdin, says `done`, and exits with 3
when its stdin ends.  It is the child of an init that it may trace; see pidfd_getfd(2).
"""

import contextlib
import ctypes
import os
import socket
import sys
import time

_PIDFD_GETFD = 438  # on every machine; see syscalls(2)


def socket_of(pid: int) -> socket.socket:
    """Return the socket of a process that has one."""
    fds = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            if os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:"):
                fds.append(int(name))
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.syscall(_PIDFD_GETFD, os.pidfd_open(pid), max(fds), 0)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "pidfd_getfd")
    return socket.socket(fileno=fd)


def sleeps(pid: int) -> bool:
    """Return whether the process waits for something; see proc(5)."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return file.read().rpartition(")")[2].split()[0] == "S"


# The init has said by then that the command has started: it was woken up by our execve(2), and
# goes to sleep when it has.
sys.stdin.readline()
while not sleeps(os.getppid()):
    time.sleep(0.001)
taken = socket_of(os.getppid())
if sys.argv[1] == "say":
    for word in sys.argv[2:]:
        taken.send(bytes.fromhex(word))
elif sys.argv[1] == "fill":
    taken.setblocking(False)
    try:
        while True:
            taken.send(b"[1]")
    except BlockingIOError:
        pass
    taken.setblocking(True)
else:
    taken.shutdown(socket.SHUT_RDWR)
print("done", flush=True)
sys.stdin.read()
sys.exit(3)
