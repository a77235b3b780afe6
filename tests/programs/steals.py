"""steals.py WORD [PACKET...]: takes the init's end of the caller's socket, and uses it.

WORD is `say`, with packets in hexadecimal digits; `fill`, until there is no room; or `shut`,
for both directions.  Then it says `done`, and exits with 3 when its stdin ends.  It is the
child of an init that it may trace; see pidfd_getfd(2).
"""

import ctypes
import os
import socket
import sys

_PIDFD_GETFD = 438  # on every machine; see syscalls(2)


def socket_of(pid: int) -> socket.socket:
    """Return the socket of a process that has one."""
    names = os.listdir(f"/proc/{pid}/fd")
    fds = [int(n) for n in names if os.readlink(f"/proc/{pid}/fd/{n}").startswith("socket:")]
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.syscall(_PIDFD_GETFD, os.pidfd_open(pid), max(fds), 0)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "pidfd_getfd")
    return socket.socket(fileno=fd)


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
