"""read_when_told.py: prints `ready`, reads a line of stdin after SIGUSR1, and prints it."""

import _signal as signal
import sys

signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
print("ready", flush=True)
signal.sigwait({signal.SIGUSR1})
print("read", sys.stdin.readline().strip(), flush=True)
