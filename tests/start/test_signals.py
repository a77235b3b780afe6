"""No signal is lost while pyinit starts up.

A signal at its default disposition is discarded when it is sent to the init of a namespace
(pid_namespaces(7)), but one that is blocked waits in the queue: so pyinit blocks all of them
before it imports anything.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

from tests import harness
from tests.harness import Container, python

# With the default disposition each of them ends the command, which shows that it arrived.
ENDING = [
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGPIPE,
    signal.SIGALRM,
    signal.SIGTERM,
    signal.SIGSTKFLT,
    signal.SIGXCPU,
    signal.SIGXFSZ,
    signal.SIGVTALRM,
    signal.SIGPROF,
    signal.SIGIO,
    signal.SIGPWR,
    signal.SIGRTMIN,
    signal.SIGRTMAX,
]
SLEEP = ["/bin/sleep", "1000"]


def slowness() -> float:
    """Return how many times longer than 20 ms the interpreter itself takes to start now, or 1."""
    started = time.monotonic()
    for _ in range(3):
        subprocess.run([sys.executable, "-c", "pass"], check=True)
    return max(1.0, (time.monotonic() - started) / 3 / 0.02)


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_60_ms_after_exec_reaches_the_command(number: int, mode: str) -> None:
    """Sent from inside the namespace.

    The time is the claim.  What pyinit has to wait for a processor is not counted, and
    on a machine on which the interpreter alone takes more than 20 ms it is so much longer.
    """
    before = python("later.py", str(0.06 * slowness()), str(int(number)))
    assert harness.run(SLEEP, mode=mode, before=before) == (128 + number, "", "")


# From the first system call of pyinit's own code to well after the command has started.
@pytest.mark.parametrize("delay_ms", [0, *(each / 2 for each in range(1, 31)), 20, 30, 50, 80])
def test_a_signal_at_any_moment_of_the_start_reaches_the_command(
    delay_ms: float, mode: str
) -> None:
    """A little later each time, counted from the moment at which pyinit has blocked them."""
    number = ENDING[int(2 * delay_ms) % len(ENDING)]
    before = python("later.py", f"+{delay_ms / 1000}", str(int(number)))
    assert harness.run(SLEEP, mode=mode, before=before) == (128 + number, "", "")


@pytest.mark.parametrize("delay_ms", [0, 1, 2, 5, 10, 15, 20, 25, 30, 40, 50, 60, 80])
def test_all_signals_sent_during_the_start_reach_the_command(delay_ms: int, mode: str) -> None:
    """Of every kind that is relayed, real-time ones as often as they were sent.

    They are blocked on entry, for pyinit and the command, so that they may come at any time
    after exec: also before pyinit has done anything.  But ignoring a signal discards it from
    the queue, and Python ignores SIGPIPE and SIGXFSZ when it starts.
    """
    but = (signal.SIGTERM, signal.SIGPIPE, signal.SIGXFSZ)
    often = [signal.SIGRTMIN, signal.SIGRTMIN + 7, signal.SIGRTMAX] * 5
    sent = [*(number for number in ENDING if number not in but), signal.SIGWINCH, *often]
    blocked = json.dumps({"blocked": sorted({int(signal.SIGTERM), *map(int, sent)})})
    later = python("later.py", str(delay_ms / 1000), ",".join(str(int(each)) for each in sent))
    before = [*python("enter.py", blocked), *later]
    with Container(python("record.py"), mode=mode, before=before) as container:
        container.expect("ready")
        lines = sorted(container.line() for _ in sent)
        assert lines == sorted(map(name, sent))
        container.signal(signal.SIGTERM)
        container.expect("TERM")


def name(number: int) -> str:
    """Return the name of a signal as tests/programs/record.py prints it."""
    if number >= signal.SIGRTMIN:
        return f"RTMIN+{number - signal.SIGRTMIN}"
    return signal.Signals(number).name[3:]
