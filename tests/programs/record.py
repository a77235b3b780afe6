"""record.py [SIGNAL...]: prints `ready`, then the name of every signal taken, until TERM ends it.

With arguments (names such as USR1) only those are taken, and TERM too; the
default is every signal that can be.  With `-` in front TERM is not the end.

It is started often: signal itself, with its enumerations, would make the start half as long again.
"""

import _signal as signal
import sys

words = sys.argv[1:]
goes_on = words[:1] == ["-"]
names = words[1:] if goes_on else words
# Of two names of a number the first one is in use: CHLD, not CLD.
known = {
    getattr(signal, name): name[3:]
    for name in sorted(dir(signal), reverse=True)
    if name.startswith("SIG") and name[3] != "_"
}
wanted = {getattr(signal, f"SIG{name}") for name in names} or signal.valid_signals()
wanted = (wanted | {signal.SIGTERM}) - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}
signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
print("ready", flush=True)
while True:
    number = signal.sigwaitinfo(wanted).si_signo
    real_time = number - signal.SIGRTMIN
    print(f"RTMIN+{real_time}" if real_time >= 0 else known[number], flush=True)
    if number == signal.SIGTERM and not goes_on:
        break
