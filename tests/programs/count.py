"""count.py: counts signals; prints `ready`, at USR2 the counts so far, and ends at TERM."""

import json
import signal

wanted = signal.valid_signals() - {signal.SIGCHLD}
signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
counts: dict[str, int] = {}
print("ready", flush=True)
while True:
    number = signal.sigwaitinfo(wanted).si_signo
    real_time = number >= signal.SIGRTMIN
    name = f"RTMIN+{number - signal.SIGRTMIN}" if real_time else signal.Signals(number).name[3:]
    counts[name] = counts.get(name, 0) + 1
    if number == signal.SIGUSR2:
        print(json.dumps(counts), flush=True)
    if number == signal.SIGTERM:
        break
