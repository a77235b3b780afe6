"""What a program has lent to run() comes back, whatever the kernel refuses meanwhile."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyinit
from tests.harness import DEADLINE_S


def test_signals_come_back_where_prctl_fails() -> None:
    """The end of the command is told, and the next signal runs the handler of the program."""
    program = f"""if True:
        import errno, os, signal, sys
        sys.path.append({str(Path(pyinit.__file__).parents[1])!r})
        import pyinit
        from pyinit import linux
        from pyinit.api import held

        # As under a filter of seccomp(2) that another thread has put on all of them.
        def refuse(option, argument):
            raise OSError(errno.EPERM, "prctl")

        def give_back(self):
            linux._prctl = refuse
            whole(self)

        whole = held.SavedProcessState.give_back
        held.SavedProcessState.give_back = give_back
        signal.signal(signal.SIGUSR1, lambda *_: print("handled"))
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        print(pyinit.run(["sh", "-c", "exit 3"]))
        os.kill(os.getpid(), signal.SIGUSR1)
        print(signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask)
    """
    argv = [sys.executable, "-IS", "-c", program]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=DEADLINE_S)
    assert done.stdout.splitlines() == ["Exit(code=3, signal=None)", "handled", "True"]
