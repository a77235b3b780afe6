"""A wait that is interrupted after its time gives a siginfo that nobody has filled: no signal."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import pytest

import pyinit
from tests.harness import PROGRAMS, Container, python, status_field, until
from tests.stopping.test_teardown_entered import entered

pytestmark = pytest.mark.usefixtures("namespaces")

DIRECTORY = str(Path(pyinit.__file__).parent.parent)


def interrupted(number: int) -> tuple[str, ...]:
    """Return the start of a pyinit whose waits give signal ``number`` when they run out."""
    return (sys.executable, "-IS", str(PROGRAMS / "timeless.py"), f"wait:{number}", DIRECTORY)


# Of CPython 3.13 and 3.11, as they were seen; and SIGSYS, which no init awaits by itself.
@pytest.mark.parametrize("number", [0, -177392304, signal.SIGSYS])
def test_a_drain(number: int) -> None:
    """It ends as any other, and nothing is said."""
    with Container(
        python("record.py", "TERM"), options=["--drain", "0.1"], init=interrupted(number)
    ) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        assert container.wait() == 0
        assert container.errors() == ""


def test_a_teardown() -> None:
    """Who has entered is waited for, in short waits, and not killed."""
    with Container(
        python("record.py", "TERM"), options=["--grace", "1000"], init=interrupted(0)
    ) as container:
        container.expect("ready")
        with entered(container, python("leave.py", "-", "slow")) as process:
            container.signal(signal.SIGTERM)
            assert process.stdout is not None
            assert process.stdout.read() == b"TERM\ndone\n"
            assert container.wait() == 0


def test_an_init_that_is_stopped_and_continued() -> None:
    """As a freezer does.  In a drain, which is over when the init goes on."""
    options = ["--drain", "0.2", "-v"]
    with Container(python("record.py", "TERM"), options=options) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        while "drain_started" not in (line := container.line(2)):
            assert line, "the end of the log"
        over = time.monotonic() + 0.3
        container.signal(signal.SIGSTOP)
        until(lambda: status_field(container.pid, "State")[0] == "T", "the init has stopped")
        until(lambda: time.monotonic() > over, "the drain is over")
        container.signal(signal.SIGCONT)
        container.expect("TERM")
        assert container.wait() == 0
        assert "signal_dropped" not in container.errors()
