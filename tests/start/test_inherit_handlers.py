"""A handler of the program around the init never runs in the command's process.

execve(2) takes handlers away, but before it the mask is given to the new process, and what
waits for that is delivered: with a handler of Python's it would be swallowed.
"""

from __future__ import annotations

import signal
import subprocess
import sys

from tests.harness import DEADLINE_S, unexplained

# Sends each signal to the new process while all are blocked there.
PROGRAM = """if True:
    import os, signal, sys, pyinit
    def on_signal(number, frame):
        os.write(1, b"the handler ran\\n")
    def send():
        os.kill(os.getpid(), number)
    os.register_at_fork(after_in_child=send)
    for number in map(int, sys.argv[1:]):
        signal.signal(number, on_signal)
        done = pyinit.run(["echo", "the command ran"])
        os.write(1, b"%d %d\\n" % (number, done.code))
        assert signal.getsignal(number) is on_signal
"""


def lines(*numbers: int) -> list[str]:
    """Run the program in this namespace; return what it and its commands said."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *(str(int(number)) for number in numbers)],
        capture_output=True,
        text=True,
        check=True,
        timeout=DEADLINE_S,
    )
    assert not unexplained(done.stderr)
    return done.stdout.splitlines()


def test_one_that_ends_the_command() -> None:
    """By its default action, as it would a moment later."""
    numbers = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT, signal.SIGALRM, signal.SIGRTMAX)
    assert lines(*numbers) == [f"{number:d} {128 + number}" for number in numbers]


def test_one_that_does_nothing() -> None:
    """The default action of these."""
    numbers = (signal.SIGCHLD, signal.SIGWINCH, signal.SIGURG)
    expected = [["the command ran", f"{number:d} 0"] for number in numbers]
    assert lines(*numbers) == [line for each in expected for line in each]
