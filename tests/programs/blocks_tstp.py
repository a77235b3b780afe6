"""blocks_tstp.py: takes SIGTSTP from its queue after SIGUSR1, and prints the names of both."""

import signal

signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTSTP, signal.SIGUSR1})
print("ready", flush=True)
for number in (signal.SIGUSR1, signal.SIGTSTP):
    print(signal.Signals(signal.sigwait({number})).name[3:], flush=True)
