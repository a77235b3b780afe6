"""Which signals are relayed, and what they are called, without a process."""

from __future__ import annotations

import signal

from pyinit import signals
from tests.cases import in_one_test

SYNCHRONOUS = {"ILL", "TRAP", "ABRT", "BUS", "FPE", "SEGV", "SYS"}
ALL = range(1, 65)


def test_what_is_not_relayed() -> None:
    """KILL, STOP cannot be blocked, CHLD is about our own, 32, 33 are glibc's, a fault is ours."""
    names = {"KILL", "STOP", "CHLD"} | SYNCHRONOUS
    kept = {signal.Signals[f"SIG{name}"] for name in names} | {32, 33}
    assert set(ALL) - signals.RELAYED == kept


def test_what_is_waited_for() -> None:
    """The relayed ones and CHLD, each once."""
    assert sorted(signals.AWAITED) == sorted(signals.RELAYED | {signal.SIGCHLD})


def test_stop_signals_are_relayed() -> None:
    """The first one goes to the command like any other."""
    assert signals.STOP_SIGNALS <= signals.RELAYED
    assert {signal.SIGTERM, signal.SIGINT} <= signals.STOP_SIGNALS


@in_one_test("number", [n for n in ALL if n in signal.valid_signals()])
def test_each_signal_has_its_name(number: int) -> None:
    """As signal(7) and kill(1) call them, and none of the aliases (IOT, CLD, POLL)."""
    if signal.SIGRTMIN < number < signal.SIGRTMAX:
        assert signals.name(number) == f"SIGRTMIN+{number - signal.SIGRTMIN}"
    else:
        assert signals.name(number) == signal.Signals(number).name


def test_a_number_without_a_name_is_shown() -> None:
    """32 and 33 can end a process as well."""
    assert signals.name(33) == "signal 33"
