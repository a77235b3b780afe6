"""activated.py [serve]: prints what sd_listen_fds(3) makes of its environment, in words of its own.

That is `none`, or `NUMBER NAMES`; then, if there was a LISTEN_PIDFDID, what it
was: `pidfd` that of this process, `wrong` another.  With `serve` it accepts one
connection on the first socket, and answers with the line that it reads.
"""

import os
import socket
import sys

FIRST = 3


def own_pidfd() -> int:
    """Return the inode of a pidfd of this process."""
    fd = os.pidfd_open(os.getpid())
    try:
        return os.fstat(fd).st_ino
    finally:
        os.close(fd)


given = os.environ
mine = given.get("LISTEN_PID") == str(os.getpid())
words = [given["LISTEN_FDS"], given.get("LISTEN_FDNAMES", "-")] if mine else ["none"]
if "LISTEN_PIDFDID" in given:
    words.append("pidfd" if given["LISTEN_PIDFDID"] == str(own_pidfd()) else "wrong")
print(*words, flush=True)
if mine and sys.argv[1:]:
    with socket.socket(fileno=FIRST) as listener, listener.accept()[0] as connection:
        connection.sendall(connection.recv(1024))
