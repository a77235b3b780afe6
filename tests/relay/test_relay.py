"""Every relayable signal is relayed to the main child, as often as it was queued."""

from __future__ import annotations

import signal

import pytest

from tests.harness import Container, python, run, unexplained

NOT_RELAYED = {"KILL", "STOP", "CHLD", "ILL", "TRAP", "ABRT", "BUS", "FPE", "SEGV", "SYS"}
STANDARD = sorted({s.name[3:] for s in signal.Signals if s < signal.SIGRTMIN} - NOT_RELAYED)
REAL_TIME = range(signal.SIGRTMIN, signal.SIGRTMAX + 1)


def test_every_standard_signal_is_relayed(mode: str) -> None:
    """Sent from outside one by one, each is received once."""
    with Container(python("record.py", "-"), mode=mode) as container:
        container.expect("ready")
        for name in STANDARD:
            container.signal(signal.Signals[f"SIG{name}"])
            container.expect(name)


def test_real_time_signals_are_relayed_as_often_as_queued(mode: str) -> None:
    """Three of each arrive as three: they are not coalesced, and no fourth one is made."""
    with Container(python("record.py", "-"), mode=mode) as container:
        container.expect("ready")
        for number in REAL_TIME:
            for _ in range(3):
                container.signal(number)
            for _ in range(3):
                container.expect(f"RTMIN+{number - signal.SIGRTMIN}")
        container.signal(signal.SIGTERM)
        container.expect("TERM")


def test_a_queue_of_all_real_time_signals_is_relayed(mode: str) -> None:
    """Ten of each at once: pyinit cannot keep up with it, and none is lost."""
    with Container(python("record.py", "-"), mode=mode) as container:
        container.expect("ready")
        for number in REAL_TIME:
            for _ in range(10):
                container.signal(number)
        seen = [container.line() for _ in range(10 * len(REAL_TIME))]
        for number in REAL_TIME:
            assert seen.count(f"RTMIN+{number - signal.SIGRTMIN}") == 10
        container.signal(signal.SIGTERM)
        container.expect("TERM")


@pytest.mark.parametrize("who", ["command", "helper"])
def test_signals_from_inside_the_namespace_are_relayed(mode: str, who: str) -> None:
    """The kernel shields an init from signals of its own namespace, unless it has them blocked."""
    numbers = [signal.Signals[f"SIG{name}"] for name in STANDARD] + [*REAL_TIME]
    command = python("send_to_init.py", who, *(str(int(number)) for number in numbers))
    expected = [n for number in numbers for n in [int(number)] * (3 if number in REAL_TIME else 1)]
    code, out, err = run(command, mode=mode)
    assert [int(line) for line in out.split()] == expected
    assert (code, unexplained(err)) == (0, "")
