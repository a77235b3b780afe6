"""``pyinitctl status``: an init from outside and from inside, by /proc and by the file it keeps."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pyinit import __version__, ctl
from pyinit.ctl import inits
from pyinit.ctl.status import view as views
from pyinit.ctl.table import Screen, width_of
from tests.ctl.views import entered, run, view, wait_for_state
from tests.harness import (
    PID1,
    PYINITCTL,
    UNSHARE,
    Container,
    children,
    python,
    status_field,
    until,
)
from tests.kept import until_told

pytestmark = pytest.mark.usefixtures("namespaces")

WAITING = python("record.py", "TERM")


def pids(found: Any) -> set[int]:
    """Return the numbers of the processes that are shown."""
    return {each["pid"] for each in found["processes"]}


def text(capsys: pytest.CaptureFixture[str], pid: int) -> str:
    """Return what is said for people."""
    assert ctl.main(["status", str(pid)]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("which", ["the init", "its command"])
def test_from_outside(
    which: str, mode: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """PID is any process of the container; that of a subreaper are itself and all below it."""
    path = tmp_path / "status"
    command = ["sh", "-c", "sleep 1000 & echo ready; wait"]
    options = ["--status-file", str(path)]
    with Container(command, options=options, mode=mode) as container:
        container.expect("ready")
        pid = container.pid if which == "the init" else container.main_child()
        until_told(path, lambda told: told["child"], container)
        found = view(capsys, "status", str(pid))
        assert found["init"]["pid"] == container.pid
        assert found["init"]["kind"] == "pyinit"
        assert found["init"]["inner_pid"] == int(status_field(container.pid, "NSpid").split()[-1])
        assert (found["init"]["inner_pid"] == 1) == (mode == PID1)
        assert found["status_file"]["path"] == str(path)
        assert found["status_file"]["problem"] is None
        assert found["facts"] == json.loads(path.read_text())
        assert (found["facts"]["state"], found["facts"]["command"]) == ("running", command)
        assert pids(found) == {container.pid, *container.descendants()}
        for each in found["processes"]:
            numbers = status_field(each["pid"], "NSpid").split()
            assert each["numbers"] == list(map(int, numbers))
            assert each["inner_pid"] == each["numbers"][-1]


def test_from_inside(mode: str) -> None:
    """Without a number: the pyinit above us, also where it is not PID 1; options by variable."""
    command = ["sh", "-c", f"{' '.join(PYINITCTL)} status --json; :"]
    with Container(command, mode=mode, env={**os.environ, "PYINIT_VERBOSE": "0"}) as container:
        found = json.loads(container.rest())
        assert container.wait() == 0
    assert (found["init"]["pid"] == 1) == (mode == PID1)
    assert found["init"]["kind"] == "pyinit"
    assert all(each["inner_pid"] == each["pid"] for each in found["processes"])
    names = [each["command"][:2] for each in found["processes"]]
    assert ["sh", "-c"] in names
    assert not any("outer.py" in word for each in found["processes"] for word in each["command"])


def test_who_has_entered_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Its parent is outside, but it uses what the container uses."""
    with Container(WAITING) as container:
        container.expect("ready")
        with entered(container) as (inside, _):
            assert inside in pids(view(capsys, "status", str(inside)))


@pytest.mark.parametrize("by", ["option", "variable", "tini"])
def test_the_file_is_found_as_the_init_finds_it(
    by: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its command line and its environment; a relative path is one in its directory."""
    place = ["env", "-C", str(tmp_path)]
    if by == "option":
        where = {"before": place, "options": ["--status-file", "status"]}
    elif by == "variable":
        where = {"before": [*place, "PYINIT_STATUS_FILE=status"]}
    else:
        where = {"before": [*place, "PYINIT_STATUS_FILE=status"], "options": ["--as", "tini", "-g"]}
    with Container(WAITING, **where) as container:  # type: ignore[arg-type]
        container.expect("ready")
        until_told(tmp_path / "status", lambda told: told["child"], container)
        found = view(capsys, "status", str(container.pid))
        assert found["status_file"]["path"] == "status"
        assert found["facts"]["command"] == WAITING


def test_another_path_can_be_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For an init whose options are in no command line."""
    with Container(WAITING, options=["--status-file", str(tmp_path / "status")]) as container:
        container.expect("ready")
        until_told(tmp_path / "status", lambda told: told["child"], container)
        (tmp_path / "other").write_bytes((tmp_path / "status").read_bytes())
        words = ("status", str(container.pid), "--status-file", str(tmp_path / "other"))
        found = view(capsys, *words)
        assert found["status_file"]["path"] == str(tmp_path / "other")
        assert found["facts"]["pid"] == 1


def test_without_a_status_file(capsys: pytest.CaptureFixture[str]) -> None:
    """All that /proc tells is told, and how there could be more."""
    with Container(WAITING) as container:
        container.expect("ready")
        found = view(capsys, "status", str(container.pid))
        assert (found["facts"], found["status_file"]["path"]) == (None, None)
        assert found["uptime_s"] > 0
        assert len(found["processes"]) == 2
        assert "'pyinit --status-file PATH' would tell" in text(capsys, container.pid)


def test_an_init_of_another_kind(capsys: pytest.CaptureFixture[str]) -> None:
    """/proc tells of it too; our variables are nothing to it."""
    init = ["env", "PYINIT_STATUS_FILE=/nowhere", "sh", "-c", "echo ready; read _; :"]
    process = subprocess.Popen([*UNSHARE, *init], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        (pid,) = children(process.pid)
        found = view(capsys, "status", str(pid))
        assert (found["init"]["kind"], found["init"]["inner_pid"]) == ("shell", 1)
        assert found["facts"] is None
        assert found["status_file"]["path"] is None
        assert pids(found) == {pid}
        assert f"init         sh, a shell, PID 1, process {pid} here\n" in text(capsys, pid)
    finally:
        process.communicate()


def test_what_a_process_uses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Who has used most of a processor stands first; the memory is what is resident."""
    burn = "import time\nwhile time.process_time() < 0.3: pass\nprint('ready', flush=True); input()"
    command = [sys.executable, "-IS", "-c", burn]
    began = time.monotonic()
    with Container(command, stdin=subprocess.PIPE) as container:
        container.expect("ready")
        found = view(capsys, "status", str(container.pid))
        most_s = time.monotonic() - began + 0.02  # the kernel counts in ticks of 10 ms
        first = found["processes"][0]
        assert first["pid"] == container.main_child()
        assert first["cpu_s"] >= 0.29
        assert first["cpu_percent"] > 0
        assert found["cpu_over_s"] is None  # of its whole life
        resident = int(status_field(first["pid"], "VmRSS").split()[0]) * 1024
        assert abs(first["rss_bytes"] - resident) < 1 << 20
        assert first["uid"] == os.stat(f"/proc/{first['pid']}").st_uid
        assert 0 < first["age_s"] <= most_s
        assert first["threads"] == 1
        assert first["command"] == command


def test_zombies_and_stopped_ones_are_marked(capsys: pytest.CaptureFixture[str]) -> None:
    """A zombie has a name, and no command any more."""
    # The sleep that follows exec reaps nobody.
    with Container(["sh", "-c", "sleep 0 & exec sleep 1000"]) as container:
        until(lambda: len(container.descendants()) == 2, "both are there", container.pid)
        zombie = container.descendants()[1]
        wait_for_state(zombie, "Z")
        os.kill(container.main_child(), signal.SIGSTOP)
        wait_for_state(container.main_child(), "T")
        found = {each["pid"]: each for each in view(capsys, "status", str(zombie))["processes"]}
        assert (found[zombie]["zombie"], found[zombie]["state"]) == (True, "Z")
        assert (found[zombie]["name"], found[zombie]["command"]) == ("sleep", [])
        assert found[container.main_child()]["state"] == "T"
        said = text(capsys, container.pid)
        assert "[sleep] (zombie)\n" in said
        assert "processes    3, 1 zombie, 3 threads, CPU " in said


def test_what_has_happened_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A stop, by whom and for how long; what it does now; whom it has reaped."""
    path = tmp_path / "status"
    command = python("record.py", "-", "USR1", "TERM")
    options = ["--status-file", str(path), "--drain", "1000"]
    with Container(command, options=options) as container:
        container.expect("ready")
        container.signal(signal.SIGUSR1)
        container.expect("USR1")
        container.signal(signal.SIGTERM)
        until_told(path, lambda told: told["stop"], container)
        lines = dict(
            line.split(maxsplit=1)
            for line in text(capsys, container.pid).split("\n\n")[0].split("\n")
        )
        assert lines["init"] == f"pyinit {__version__}, PID 1, process {container.pid} here"
        assert lines["state"] == "draining"
        assert lines["command"].endswith(" here, running)")
        assert lines["stop"].startswith("SIGTERM from outside the namespace, ")
        assert "1 SIGUSR1 from outside the namespace" in lines["signals"]
        assert lines["orphans"] == "0 reaped"


def test_it_fits_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """No line is wider; what commands one is escaped."""
    command = ["sh", "-c", "echo ready; read _; :", "\x1b[31m", "x" * 500]
    with Container(command, stdin=subprocess.PIPE) as container:
        container.expect("ready")
        shown = views.View(inits.init_for(container.pid), "")
        try:
            shown.look()
            lines = shown.as_text(Screen(70), 7)
        finally:
            shown.close()
        assert len(lines) == 7
        assert lines[-1] == "2 more, sorted by cpu"
        assert max(map(width_of, lines)) <= 70
        said = text(capsys, container.pid)
        assert "\x1b" not in said
        assert f"\\x1b[31m {'x' * 500}\n" in said


def test_there_is_no_such_process(capsys: pytest.CaptureFixture[str]) -> None:
    """It is said in one line."""
    beyond = int(Path("/proc/sys/kernel/pid_max").read_text()) + 1
    assert ctl.main(["status", str(beyond)]) == 1
    assert capsys.readouterr().err == f"pyinitctl status: there is no process {beyond}\n"


def test_a_proc_of_another_namespace_is_refused() -> None:
    """Its numbers are other processes."""
    before = [word for word in UNSHARE if word != "--mount-proc"]
    out, err = run("status", before=before, code=1)
    assert out == ""
    assert err.startswith("pyinitctl status: /proc is missing, or shows another PID namespace")


@pytest.mark.parametrize("word", ["0", "-1", "x", "nan", "1e9"])
def test_an_interval_that_is_none(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is a usage error."""
    with pytest.raises(SystemExit) as end:
        ctl.main(["status", f"--interval={word}"])
    assert end.value.code == 2
    assert "is not an interval" in capsys.readouterr().err
