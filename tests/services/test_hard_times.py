"""Services where things go wrong around them: below tini, full disks, floods, want of memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import pyinit
from tests.conftest import need
from tests.harness import children, status_field, until
from tests.services.boxes import box, shell, supervisor, told
from tests.services.test_ends import BY_ITSELF, OTHER
from tests.services.test_stop import CHAIN

TINI = ("tini", "--")
PATIENT = "restart-limit = 'none'\nrestart-delay = [0, 0]\n"


# There is no memory when the forked process loads its modules.
STARVED = """
import _signal, sys
sys.path.insert(0, sys.argv.pop(1))
import pyinit
from pyinit import cli

def serve(what):
    raise MemoryError(what)

pyinit._serve = serve
cli.main(_signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals()))
"""


def kib(pid: int, field: str) -> int:
    """Return how much memory a process has, or had at most."""
    return int(status_field(pid, field).split()[0])


def test_the_order_below_tini(namespaces: None, tmp_path: Path) -> None:
    """As for `docker run --init`: pyinit is a subreaper there."""
    need("tini")
    with box(tmp_path, CHAIN, before=TINI) as container:
        assert [container.line() for _ in "123"] == ["db", "app", "web"]
        container.signal(signal.SIGTERM)
        assert container.wait() == 0
        assert container.rest().split("\n")[:3] == ["web stops", "app stops", "db stops"]


def test_a_supervisor_that_cannot_be_loaded_ends(namespaces: None, tmp_path: Path) -> None:
    """Whatever is raised, the forked process is never a second init."""
    root = str(Path(pyinit.__file__).parents[1])
    with box(tmp_path, OTHER, init=(sys.executable, "-IS", "-c", STARVED, root)) as container:
        assert container.wait() == 125
        (line,) = container.errors().splitlines()
    assert line == "pyinit: the supervisor of services has failed: MemoryError('services')"


@pytest.mark.parametrize("case", ["code", "signal", "task", "start-timeout"])
def test_the_code_below_tini(namespaces: None, tmp_path: Path, case: str) -> None:
    """It is that of the service."""
    need("tini")
    text, code = BY_ITSELF[case]
    with box(tmp_path, text + OTHER, before=TINI) as container:
        assert container.wait() == code


def test_a_supervisor_that_is_killed_below_tini(namespaces: None, tmp_path: Path) -> None:
    """Its services get TERM from pyinit, and the report says what has killed it."""
    need("tini")
    report = tmp_path / "report"
    with box(tmp_path, CHAIN, before=TINI, options=("--report", str(report))) as container:
        assert [container.line() for _ in "123"] == ["db", "app", "web"]
        (init,) = children(container.pid)
        os.kill(children(init)[0], signal.SIGKILL)
        assert container.wait() == 137
        assert sorted(container.rest().split("\n")[:-1]) == ["app stops", "db stops", "web stops"]
    found = json.loads(report.read_text())
    assert found["cause"].startswith("killed by SIGKILL, which pyinit did not send")
    assert found["exit_code"] == 137


@pytest.fixture
def full(tmp_path: Path) -> tuple[str, ...]:
    """Return what stands before pyinit to have its outputs and `place` on a disk without room."""
    place = tmp_path / "place"
    place.mkdir()
    script = (
        f"mount -t tmpfs -o size=64k none {place} && cp /dev/zero {place}/fill 2>{place}/err; "
        f'exec "$@" >{place}/out 2>{place}/err'
    )
    return ("sh", "-c", script, "sh")


def test_a_full_disk(namespaces: None, tmp_path: Path, full: tuple[str, ...]) -> None:
    """What goes to stdout is lost; the services go on, stop in order, and have their code."""
    line = f"echo $0 >>{tmp_path}/said"
    text = ""
    for name, after in (("db", ""), ("web", "after = ['db']\n")):
        trap = f'trap "echo {name} stops >>{tmp_path}/said; exit 0" TERM'
        script = (
            f"{trap}; {line.replace('$0', name)}; (echo >&3); while :; do echo x; sleep 0.05; done"
        )
        text += f"[service.{name}]\nlog = 'prefix'\nready = {{fd = 3}}\n{after}{shell(script)}"
    options = ("--status-file", str(tmp_path / "place" / "status"))
    said = tmp_path / "said"
    with box(tmp_path, text, before=full, options=options) as container:
        until(lambda: said.exists() and "web" in said.read_text(), "both run", container.pid)
        container.signal(signal.SIGTERM)
        assert container.wait() == 0
    assert said.read_text().split("\n")[:-1] == ["db", "web", "web stops", "db stops"]


def test_a_log_that_cannot_be_opened_is_an_end(
    namespaces: None, tmp_path: Path, full: tuple[str, ...]
) -> None:
    """A service whose output is a file on a full disk is started; in no directory it is not."""
    text = f"[service.web]\nlog = '{tmp_path}/none/log'\n" + shell("exit 0")
    with box(tmp_path, text) as container:
        assert container.wait() == 125
        found = [each for each in told(container) if each["event"] == "service_not_started"]
        assert "none/log" in found[0]["reason"]
    text = f"[service.web]\nlog = '{tmp_path}/place/log'\n" + shell("echo x; exit 7")
    with box(tmp_path, text, before=full) as container:
        assert container.wait() == 7


def test_a_flood_of_lines_takes_no_memory(namespaces: None, tmp_path: Path) -> None:
    """Neither one of short lines, nor a line without an end."""
    text = "log = 'prefix'\n[service.web]\n" + shell(
        "echo ready; read x <gate; yes | head -c 8000000; head -c 8000000 /dev/zero; echo; "
        "echo done >&2; exec sleep 1000"
    )
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    text += f"chdir = '{tmp_path}'\n"
    with box(tmp_path, text, stdout=subprocess.DEVNULL) as container:
        pid = supervisor(container)
        before = kib(pid, "VmRSS")
        gate.write_text("\n")
        while "done" not in container.line(2):
            pass
        assert kib(pid, "VmHWM") - before < 8 * 1024


def test_a_storm_of_restarts_takes_no_memory(namespaces: None, tmp_path: Path) -> None:
    """A hundred of them leave nothing behind."""
    text = "[service.web]\non-success = 'restart'\n" + PATIENT + shell("echo x")
    with box(tmp_path, text) as container:
        for _ in range(20):
            container.expect("x")
        pid = supervisor(container)
        before, open_before = kib(pid, "VmRSS"), len(os.listdir(f"/proc/{pid}/fd"))
        for _ in range(100):
            container.expect("x")
        assert kib(pid, "VmRSS") - before < 1024
        assert len(os.listdir(f"/proc/{pid}/fd")) - open_before < 8
