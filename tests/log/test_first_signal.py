"""The loop comes first: what the log needs is loaded while signals are relayed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pyinit
from tests.harness import DEADLINE_S, PROGRAMS, Container, logged, python, run

# Stands in for structlog. Once the command is ready it has a signal sent to the init, and the next
# of its modules waits for what the command makes of that.
WAITS = "import posix; posix.read(posix.open({fifo!r}, posix.O_RDONLY), 9)"
SENDS = f"{WAITS}; posix.kill(posix.getpid(), {{number:d}})"
COMMAND = """
trap 'echo relayed >"$1"; echo relayed; exit 3' USR1; echo ready >"$0"; while :; do sleep 0.01; done
"""


def test_a_signal_is_relayed_while_the_log_is_loaded(namespaces: None, tmp_path: Path) -> None:
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
    code, out, _ = run(command, options=options, init=init)
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


def test_signals_that_follow_each_other_are_told_in_order(namespaces: None) -> None:
    """Each is relayed before it is told of, and told of before whatever comes later."""
    words = ["-vv", "--log-format", "json"]
    with Container(python("record.py", "USR1", "USR2", "TERM"), options=words) as init:
        init.expect("ready")
        for number in (signal.SIGUSR1, signal.SIGUSR2) * 20:
            init.signal(number)
            init.expect(number.name.removeprefix("SIG"))
        init.signal(signal.SIGTERM)
        found = logged(init.errors())
        init.wait()
    told = [event for event in found if event["event"] in ("signal_received", "signal_relayed")]
    expected = [*("SIGUSR1", "SIGUSR1", "SIGUSR2", "SIGUSR2") * 20, "SIGTERM", "SIGTERM"]
    assert [event["signal"] for event in told] == expected
    assert [event["event"] for event in told] == ["signal_received", "signal_relayed"] * 41
    assert len({event.get("sender_pid") for event in told[::2]}) == 1
    moments = [event["monotonic_s"] for event in found]
    assert moments == sorted(moments)


# Stands for the loop: what is told of a signal takes a module, which is just being looked for.
LOADS = """
import sys
sys.path.insert(0, sys.argv[1])
from pyinit import events
import pyinit.log

def take_signals():
    from pyinit.log import senders
    taken.append(senders)

taken = []
log = events.Log(events.DEBUG, lambda: None)
log.take_signals = take_signals
sys.meta_path.insert(0, log)
from pyinit.log import senders
import json.tool  # what tells of no signal
assert taken and all(each is senders for each in taken)
"""


def test_what_tells_of_signals_is_loaded_once() -> None:
    """A signal that comes when its own module is looked for waits until that is there."""
    words = [sys.executable, "-IS", "-c", LOADS, str(Path(pyinit.__file__).parents[1])]
    subprocess.run(words, timeout=DEADLINE_S, check=True)
