"""Every relayable signal that pyinit gets is relayed to the main child."""

from __future__ import annotations

import signal

import pytest

from tests.harness import Container, python

NOT_RELAYED = {"KILL", "STOP", "CHLD", "ILL", "TRAP", "ABRT", "BUS", "FPE", "SEGV", "SYS"}
STANDARD = sorted({s.name[3:] for s in signal.Signals if s < signal.SIGRTMIN} - NOT_RELAYED)


def test_every_standard_signal_is_relayed(mode: str) -> None:
    """Sent from outside one by one, each is received once, TERM last."""
    with Container(python("record.py", "-"), mode=mode) as container:
        container.expect("ready")
        for name in STANDARD:
            container.signal(signal.Signals[f"SIG{name}"])
            container.expect(name)


@pytest.mark.parametrize("number", range(signal.SIGRTMIN, signal.SIGRTMAX + 1))
def test_real_time_signals_are_relayed_as_often_as_queued(number: int, namespaces: None) -> None:
    """Three of each arrive as three: they are not coalesced, and no fourth one is made."""
    with Container(python("record.py")) as container:
        container.expect("ready")
        for _ in range(3):
            container.signal(number)
        for _ in range(3):
            container.expect(f"RTMIN+{number - signal.SIGRTMIN}")
        container.signal(signal.SIGTERM)
        container.expect("TERM")
