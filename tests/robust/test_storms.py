"""Orphans and signals without end: what else is due comes in between, and the end comes in time."""

from __future__ import annotations

import json
import signal
import subprocess
from functools import partial
from pathlib import Path

import pytest

from tests.harness import MODES, PID1, Container, logged, python, status_field, until

pytestmark = pytest.mark.usefixtures("namespaces")

# Until a signal is taken, in seconds of the init's own CPU time: the machines are shared.
BOUND_S = 0.1

# Each kind of wait, and of what is done with an orphan.
ALL = [
    *((mode, ("-w",)) for mode in MODES),
    (PID1, ("-vv",)),
    (PID1, ("-w", "--drain", "0.01", "--status-file", "{}/status", "--report", "{}/report")),
]


def cpu_s(container: Container) -> float:
    """Return the CPU time that the init has used, but for what it used while we waited for ours.

    The command's way to its handler is left out too: it waits for its children and for the CPU,
    and the init reaps meanwhile. See /proc/PID/schedstat in proc(5).
    """
    used = int(Path(f"/proc/{container.pid}/schedstat").read_text().split()[0])
    waited = int(Path("/proc/thread-self/schedstat").read_text().split()[1])
    return (used - waited) / 1e9


def is_taken(container: Container, number: int) -> bool:
    """Whether the signal does not wait for the init any more."""
    return not int(status_field(container.pid, "ShdPnd"), 16) & 1 << number - 1


@pytest.mark.parametrize(("mode", "options"), ALL)
def test_signals_and_the_end_come_among_orphans_without_end(
    mode: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    """Those too that have a higher number than SIGCHLD; then the grace is over, and all is killed.

    The container's end waits for the grace: there is one who ignores TERM.
    """
    given = [option.format(tmp_path) for option in (*options, "--grace", "0.5")]
    with Container(
        python("orphan_storm.py"), options=given, mode=mode, stderr=subprocess.DEVNULL
    ) as container:
        container.expect("ready")
        for number, name in (
            (signal.SIGUSR1, "USR1"),
            (signal.SIGPWR, "PWR"),
            (signal.SIGRTMIN + 1, "RTMIN+1"),
            (signal.SIGTERM, "TERM"),
        ):
            before = cpu_s(container)
            container.signal(number)
            until(partial(is_taken, container, number), f"the init has taken {name}")
            assert cpu_s(container) - before < BOUND_S
            container.expect(name)
        assert container.wait() == 7


def test_each_of_orphans_without_end_is_counted(tmp_path: Path) -> None:
    """Told of are as many as there is time for; the log says how many more, the report has all."""
    log, report = tmp_path / "log", tmp_path / "report"
    options = ["-w", "--log-format", "json", "--report", str(report), "--grace", "0.3"]
    with (
        log.open("wb") as file,
        Container(python("orphan_storm.py"), options=options, stderr=file.fileno()) as container,
    ):
        container.expect("ready")
        container.signal(signal.SIGTERM)
        assert container.wait() == 7
    found = logged(log.read_text())
    told = sum(each["event"] == "orphan_reaped" for each in found)
    more = sum(each["count"] for each in found if each["event"] == "orphans_not_told")
    assert more
    assert json.loads(report.read_text())["orphans"]["reaped"] == told + more


def test_a_deadline_comes_among_orphans_without_end() -> None:
    """The command ignores TERM, and is killed."""
    options = ["-w", "--stop-timeout", "0.3", "--grace", "0"]
    command = python("orphan_storm.py", "deaf")
    with Container(command, options=options, stderr=subprocess.DEVNULL) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        assert container.wait() == 128 + signal.SIGKILL


def test_a_second_stop_comes_among_orphans_without_end(tmp_path: Path) -> None:
    """It cuts the grace short, also by a signal of a higher number than SIGCHLD."""
    status = tmp_path / "status"
    options = ["-w", "--status-file", str(status), "--grace", "1000"]
    options += ["--stop-signals", "TERM,RTMIN+3"]
    with Container(
        python("orphan_storm.py"), options=options, stderr=subprocess.DEVNULL
    ) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        begun = ("descending", "bypassing", "teardown")
        until(lambda: json.loads(status.read_text())["state"] in begun, "the teardown began")
        container.signal(signal.SIGRTMIN + 3)
        assert container.wait() == 7


def test_others_come_among_signals_without_end(tmp_path: Path) -> None:
    """Of those that wait the kernel gives the lowest number first, and of one as many as there are.

    They are queued while the init is stopped.
    """
    log = tmp_path / "log"
    command = python("record.py")
    with (
        log.open("wb") as file,
        Container(command, options=["-vv"], stderr=file.fileno()) as container,
    ):
        container.expect("ready")
        container.signal(signal.SIGSTOP)
        until(lambda: status_field(container.pid, "State")[0] == "T", "the init has stopped")
        for _ in range(500):
            container.signal(signal.SIGRTMIN + 1)
        container.signal(signal.SIGRTMIN + 2)
        container.signal(signal.SIGCONT)
        names = {container.line() for _ in range(502)}
        assert names == {"CONT", "RTMIN+1", "RTMIN+2"}
        container.signal(signal.SIGTERM)
        assert container.wait() == 0
    relayed = [each["signal"] for each in logged(log.read_text()) if "target" in each]
    assert relayed.index("SIGRTMIN+2") < 50
