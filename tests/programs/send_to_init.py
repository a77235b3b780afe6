"""send_to_init.py WHO NUMBER...: sends signals to its parent, the init, and prints those it gets.

WHO is `command` (this process sends) or `helper` (a child of it does).  A
real-time signal is sent three times at once.  Ends when all have come back.
"""

import _signal as signal
import os
import sys

who, *words = sys.argv[1:]
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
init = os.getppid()
for number in map(int, words):
    times = 3 if number >= signal.SIGRTMIN else 1
    pid = os.fork() if who == "helper" else 0
    if pid == 0:
        for _ in range(times):
            os.kill(init, number)
        if who == "helper":
            os._exit(0)
    else:
        os.waitpid(pid, 0)
    for _ in range(times):
        wanted = signal.valid_signals() - {signal.SIGCHLD}
        print(int(signal.sigwaitinfo(wanted).si_signo), flush=True)
