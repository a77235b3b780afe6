"""Signals that report a fault of their receiver say nothing when kill(2) sends them to pyinit."""

from __future__ import annotations

import signal

from tests.cases import in_turn
from tests.harness import Container, python, status_field

NAMES = ("ILL", "TRAP", "ABRT", "BUS", "FPE", "SEGV", "SYS")


@in_turn("name", NAMES)
def test_a_synchronous_signal_from_outside_changes_nothing(mode: str, name: str) -> None:
    """It is neither relayed nor deadly: the next thing that the child gets is USR1."""
    number = signal.Signals[f"SIG{name}"]
    with Container(python("record.py"), mode=mode) as container:
        container.expect("ready")
        for _ in range(3):
            container.signal(number)
        assert int(status_field(container.pid, "SigBlk"), 16) >> (number - 1) & 1
        container.signal(signal.SIGUSR1)
        container.expect("USR1")
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        assert container.wait() == 0


def test_synchronous_signals_from_inside_change_nothing(mode: str) -> None:
    """The command sends all of them to its parent, and USR1 after them."""
    numbers = [int(signal.Signals[f"SIG{name}"]) for name in NAMES]
    program = f"""
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
for number in {[*numbers, int(signal.SIGUSR1)]}:
    os.kill(os.getppid(), number)
raise SystemExit(signal.sigwait(signal.valid_signals()))
"""
    with Container([*python("record.py")[:2], "-c", program], mode=mode) as container:
        assert container.wait() == signal.SIGUSR1


def test_a_real_fault_of_the_child_is_its_own(mode: str) -> None:
    """The mask that pyinit has is not the child's: SEGV ends the child as it would elsewhere."""
    with Container(["sh", "-c", "kill -SEGV $$"], mode=mode) as container:
        assert container.wait() == 128 + signal.SIGSEGV
