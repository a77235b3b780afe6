"""record.py [SIGNAL...]: prints `ready`, then the name of every signal taken, until TERM ends it.

With arguments (names such as USR1) only those are taken, and TERM too; the
default is every signal that can be.  With `-` in front TERM is not the end.
"""

import signal
import sys

words = sys.argv[1:]
goes_on = words[:1] == ["-"]
names = words[1:] if goes_on else words
wanted = {signal.Signals[f"SIG{name}"] for name in names} or signal.valid_signals()
wanted = (wanted | {signal.SIGTERM}) - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}
signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
print("ready", flush=True)
while True:
    number = signal.sigwaitinfo(wanted).si_signo
    name = number - signal.SIGRTMIN if number >= signal.SIGRTMIN else None
    print(f"RTMIN+{name}" if name is not None else signal.Signals(number).name[3:], flush=True)
    if number == signal.SIGTERM and not goes_on:
        break
