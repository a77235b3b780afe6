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
from tests.harness import PID1, SUBREAPER, Container, python

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
    """Return how many times longer than 20 ms the interpreter itself takes to start now.

    A test fails where it takes no longer.
    """
    started = time.monotonic()
    for _ in range(3):
        subprocess.run([sys.executable, "-c", "pass"], check=True)
    slow = (time.monotonic() - started) / 3 / 0.02
    assert slow > 1.0
    return slow


@pytest.mark.parametrize(
    ("number", "mode"),
    [*((each, PID1) for each in ENDING), *((each, SUBREAPER) for each in ENDING[::6])],
)
def test_a_signal_60_ms_after_exec_reaches_the_command(
    number: int, mode: str, namespaces: None
) -> None:
    """Sent from inside the namespace.

    The time is the claim.  What pyinit has to wait for a processor is not counted, and
    on a machine on which the interpreter alone takes more than 20 ms it is so much longer.
    """

    def ended_by_it(after_s: float) -> bool:
        before = python("later.py", str(after_s), str(int(number)))
        code, out, err = harness.run(SLEEP, mode=mode, before=before)
        return (code, out, harness.unexplained(err)) == (128 + number, "", "")

    assert ended_by_it(0.06) or ended_by_it(0.06 * slowness())


# From the first system call of pyinit's own code to well after the command has started.
@pytest.mark.parametrize("span_ms", [(0, 2), (2, 5), (5, 10), (10, 15), (15, 30), (30, 80)])
def test_a_signal_at_any_moment_of_the_start_reaches_the_command(
    span_ms: tuple[float, float], mode: str
) -> None:
    """At a drawn moment, counted from the one at which pyinit has blocked them."""
    draw = harness.draw(f"{mode} {span_ms}")
    number = draw.choice(ENDING)
    before = python("later.py", f"+{draw.uniform(*span_ms) / 1000}", str(int(number)))
    code, out, err = harness.run(SLEEP, mode=mode, before=before)
    assert (code, out, harness.unexplained(err)) == (128 + number, "", ""), before


@pytest.mark.parametrize("span_ms", [(0, 0), (1, 10), (10, 20), (20, 30), (30, 80)])
def test_all_signals_sent_during_the_start_reach_the_command(
    span_ms: tuple[float, float], mode: str
) -> None:
    """Of every kind that is relayed, real-time ones as often as they were sent.

    They are blocked on entry, for pyinit and the command, so that they may come at any time
    after exec: also before pyinit has done anything.  But ignoring a signal discards it from
    the queue, and Python ignores SIGPIPE and SIGXFSZ when it starts.
    """
    delay_s = harness.draw(f"all {mode} {span_ms}").uniform(*span_ms) / 1000
    but = (signal.SIGTERM, signal.SIGPIPE, signal.SIGXFSZ)
    often = [signal.SIGRTMIN, signal.SIGRTMIN + 7, signal.SIGRTMAX] * 5
    sent = [*(number for number in ENDING if number not in but), signal.SIGWINCH, *often]
    blocked = json.dumps({"blocked": sorted({int(signal.SIGTERM), *map(int, sent)})})
    later = python("later.py", str(delay_s), ",".join(str(int(each)) for each in sent))
    before = [*python("enter.py", blocked), *later]
    with Container(python("record.py"), mode=mode, before=before) as container:
        container.expect("ready")
        lines = sorted(container.line() for _ in sent)
        assert lines == sorted(map(name, sent)), delay_s
        container.signal(signal.SIGTERM)
        container.expect("TERM")


def name(number: int) -> str:
    """Return the name of a signal as tests/programs/record.py prints it."""
    if number >= signal.SIGRTMIN:
        return f"RTMIN+{number - signal.SIGRTMIN}"
    return signal.Signals(number).name[3:]
