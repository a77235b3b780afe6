"""family.py: a process and its child print, each with its role, which of USR1 and USR2 they get.

`ready` comes first.  USR2 ends both: the parent sends it on to the child.
"""

import os
import signal

wanted = {signal.SIGUSR1, signal.SIGUSR2}
signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
child = os.fork()
role = "parent" if child else "child"
if child:
    print("ready", flush=True)
while True:
    number = signal.sigwait(wanted)
    print(role, signal.Signals(number).name[3:], flush=True)
    if number == signal.SIGUSR2:
        break
if child:
    os.kill(child, signal.SIGUSR2)
    os.waitpid(child, 0)
