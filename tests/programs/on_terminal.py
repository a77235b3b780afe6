"""on_terminal.py: says whether it has the foreground of its terminal; ends with 3 on ^C."""

import _signal as signal
import os
import sys

signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
print("foreground" if os.tcgetpgrp(0) == os.getpgrp() else "background", flush=True)
signal.sigwait({signal.SIGINT})
print("interrupted", flush=True)
sys.exit(3)
