"""socket_activate.py PATH NAME COMMAND...: listens at PATH, and becomes COMMAND for the first one.

As systemd-socket-activate(1) does, for where there is none; see sd_listen_fds(3).
"""

import os
import select
import socket
import sys

FIRST = 3

path, name, *command = sys.argv[1:]
with socket.socket(socket.AF_UNIX) as listener:
    listener.bind(path)
    listener.listen()
    select.select([listener], [], [])
    if listener.fileno() == FIRST:
        os.set_inheritable(FIRST, True)
    else:
        os.dup2(listener.fileno(), FIRST)
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES=name)
    os.execvp(command[0], command)
