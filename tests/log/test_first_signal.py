"""The loop comes first: what the log needs is loaded while signals are relayed."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pyinit
from tests.harness import PROGRAMS, Container, logged, run

# Stands in for structlog. Once the command is ready it has a signal sent to the init, and the next
# of its modules waits for what the command makes of that.
WAITS = "import posix; posix.read(posix.open({fifo!r}, posix.O_RDONLY), 9)"
SENDS = f"{WAITS}; posix.kill(posix.getpid(), {{number:d}})"
COMMAND = """
trap 'echo relayed >"$1"; echo relayed; exit 3' USR1; echo ready >"$0"; while :; do sleep 0.01; done
"""


def test_a_signal_is_relayed_while_the_log_is_loaded(mode: str, tmp_path: Path) -> None:
    """Between two modules of what renders lines for people, which take 100 ms together."""
    ready, relayed = str(tmp_path / "ready"), str(tmp_path / "relayed")
    os.mkfifo(ready)
    os.mkfifo(relayed)
    (tmp_path / "pyinit").symlink_to(Path(pyinit.__file__).parent)
    package = tmp_path / "structlog"
    package.mkdir()
    sends = SENDS.format(fifo=ready, number=signal.SIGUSR1)
    (package / "__init__.py").write_text(sends)
    (package / "dev.py").write_text(WAITS.format(fifo=relayed))
    init = (sys.executable, "-IS", str(PROGRAMS / "modules.py"), str(tmp_path))
    command = ["sh", "-c", COMMAND, ready, relayed]
    options = ["-v", "--log-format", "console"]
    code, out, _ = run(command, mode=mode, options=options, init=init)
    assert (code, out.split()[0]) == (3, "relayed")


def test_the_start_is_that_of_the_command(mode: str) -> None:
    """Whatever is loaded before the line is written: the command's own clock is later."""
    program = "import time; print(time.monotonic(), flush=True)"
    with Container(["python3", "-ISc", program], mode=mode, options=["-v"]) as container:
        said = float(container.line())
        found = logged(container.errors())
        container.wait()
    (started,) = (each["monotonic_s"] for each in found if each["event"] == "child_started")
    assert started < said
