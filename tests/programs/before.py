"""before.py WORDS COMMAND...: becomes COMMAND, and is what the comma-separated WORDS say.

`ignored` and `blocked` concern SIGCHLD.  The others are children that COMMAND
then has without having started them: `zombie` has ended, `child` lives until
TERM; `silent` too, which is made to send no signal at its end, and `usr1` SIGUSR1.
"""

import _signal as signal
import ctypes
import os
import sys

CLONE = 220 if os.uname().machine == "aarch64" else 56


def clone(exit_signal: int) -> int:
    """Fork a child whose end sends that signal; see clone(2)."""
    return int(ctypes.CDLL(None).syscall(CLONE, exit_signal, 0, 0, 0, 0))


def main() -> None:
    """Run it."""
    exit_signals = {"zombie": signal.SIGCHLD, "child": signal.SIGCHLD, "silent": 0}
    exit_signals["usr1"] = signal.SIGUSR1
    for word in sys.argv[1].split(","):
        if word == "ignored":
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        elif word == "blocked":
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
        elif clone(exit_signals[word]) == 0:
            while word != "zombie":
                signal.pause()
            os._exit(3)
        elif word == "zombie":
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
    os.execv(sys.argv[2], sys.argv[2:])


main()
