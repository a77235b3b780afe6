"""pair.py: two processes of one group; each prints its name and every signal that it takes.

`child` is the command itself, `member` a child of it.  First `ready PID` of the
member, as this PID namespace numbers it.
"""

import _signal as signal
import os

signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
name = "child"
reader, writer = os.pipe()
if os.fork() == 0:
    name = "member"
    os.write(writer, b"x")
else:
    os.read(reader, 1)
    print("ready", flush=True)
while True:
    number = signal.sigwaitinfo(signal.valid_signals() - {signal.SIGCHLD}).si_signo
    print(name, number, flush=True)
