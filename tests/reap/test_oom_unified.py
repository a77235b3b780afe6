"""OOM kills by version 2 of cgroups: by files, for few machines have it with the controller.

/proc/PID/cgroup and mountinfo of pyinit are covered by others, which lead to a directory.
"""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests import conftest
from tests.harness import SUBREAPER, Container, children, python, status_field, unexplained, until

if TYPE_CHECKING:
    from pathlib import Path

EVENTS = "low 0\nhigh 0\nmax 9\noom 4\noom_kill {}\noom_group_kill 0\n"
# Stands in front of pyinit, and execs it: the process stays the same.
COVER = """
mount --bind "$1/own" /proc/$$/cgroup
mount --bind "$1/mounts" /proc/$$/mountinfo
shift
exec "$@"
"""


@pytest.fixture
def cover(tmp_path: Path) -> list[str]:
    """Return what stands in front of pyinit; the files that count are in ``tmp_path``."""
    if os.geteuid() != 0:
        conftest.missing("root")
    (tmp_path / "own").write_text("0::/\n")
    mount = f"30 24 0:32 / {tmp_path} ro,nosuid - cgroup2 cgroup rw,nsdelegate\n"
    (tmp_path / "mounts").write_text(mount)
    (tmp_path / "cgroup.procs").write_text("")
    (tmp_path / "memory.peak").write_text("4096\n")
    count(tmp_path, 5)
    return ["unshare", "--mount", "sh", "-ec", COVER, "sh", str(tmp_path)]


def count(directory: Path, kills: int) -> None:
    """Have the files say that so many were killed so far."""
    draft = directory / "draft"
    draft.write_text(EVENTS.format(kills))
    draft.replace(directory / "memory.events")  # never half of it: pyinit may look just now


def test_the_main_child(namespaces: None, tmp_path: Path, cover: list[str]) -> None:
    """A kill that was counted while it ran, and SIGKILL."""
    report = tmp_path / "report"
    with Container(
        python("record.py"), options=["--report", str(report)], before=cover
    ) as container:
        container.expect("ready")
        count(tmp_path, 6)
        os.kill(container.main_child(), signal.SIGKILL)
        told = json.loads(unexplained(container.errors()))
        assert container.wait() == 137
    assert (told["event"], told["kills"], told["total"]) == ("oom_kill", 1, 6)
    assert told["cgroup_version"] == 2
    facts = json.loads(report.read_text())
    assert facts["cause"] == "killed by SIGKILL: the kernel's OOM killer"
    assert facts["usage"]["peak_cgroup_bytes"] == 4096


def test_nobody(namespaces: None, tmp_path: Path, cover: list[str]) -> None:
    """What was counted before is not told, and other lines of the file are not that one."""
    with Container(
        python("record.py"), options=["-v", "--log-level", "info"], before=cover
    ) as container:
        container.expect("ready")
        (tmp_path / "memory.events").write_text("max 99\noom 44\noom_kill 5\noom_group_kill 7\n")
        os.kill(container.main_child(), signal.SIGKILL)
        log = container.errors()
        assert container.wait() == 137
    assert "oom_kill" not in log


def test_a_stop(namespaces: None, tmp_path: Path, cover: list[str]) -> None:
    """--on-oom stop, seen when an orphan has ended."""
    script = 'trap "echo stopped; exit 5" TERM; echo ready; while :; do (true &); sleep 0.1; done'
    with Container(["sh", "-c", script], options=["--on-oom", "stop"], before=cover) as container:
        container.expect("ready")
        count(tmp_path, 6)
        container.expect("stopped")
        told = json.loads(unexplained(container.errors()))
        assert container.wait() == 5
    assert (told["event"], told["kills"]) == ("oom_kill", 1)


@pytest.mark.parametrize("mode", [SUBREAPER])
def test_a_quiet_run(mode: str, namespaces: None, cover: list[str]) -> None:
    """All kills since the cgroup was made."""
    with Container(["sh", "-c", "kill -KILL $$"], mode=mode, before=cover) as container:
        told = json.loads(unexplained(container.errors()))
        assert container.wait() == 137
    assert (told["kills"], told["since"]) == (5, "the cgroup was made")


def test_two_at_a_time(namespaces: None, tmp_path: Path, cover: list[str]) -> None:
    """Of two children that have died by SIGKILL the command is named, also if it is not the first.

    wait(2) gives the older one first, and that is a child from before pyinit's exec(2).
    """
    before = [*cover, "sh", "-c", 'sleep 1000 & exec "$@"', "sh"]
    report = tmp_path / "report"
    with Container(
        python("record.py"), options=["--report", str(report)], before=before
    ) as container:
        container.expect("ready")
        container.signal(signal.SIGSTOP)
        until(lambda: status_field(container.pid, "State")[0] == "T", "pyinit has stopped")
        count(tmp_path, 6)
        both = children(container.pid)
        assert len(both) == 2
        for pid in both:
            os.kill(pid, signal.SIGKILL)
        for pid in both:
            until(lambda pid=pid: status_field(pid, "State")[0] == "Z", "it has ended")  # type: ignore[misc]
        container.signal(signal.SIGCONT)
        told = json.loads(unexplained(container.errors()))
        assert container.wait() == 137
    facts = json.loads(report.read_text())
    assert told["pid"] == facts["child"]["pid"]
    assert facts["cause"] == "killed by SIGKILL: the kernel's OOM killer"


def test_a_stop_that_ends_by_sigkill(namespaces: None, tmp_path: Path, cover: list[str]) -> None:
    """The SIGKILL is ours, whatever was counted meanwhile; that is told without a name."""
    script = 'trap "" TERM; echo ready; while :; do sleep 0.1; done'
    report = tmp_path / "report"
    with Container(
        ["sh", "-c", script],
        options=["--stop-timeout", "0.05", "--grace", "0", "--report", str(report)],
        before=cover,
    ) as container:
        container.expect("ready")
        count(tmp_path, 6)
        container.signal(signal.SIGTERM)
        log = [json.loads(each) for each in container.errors().splitlines()]
        assert container.wait() == 137
    (told,) = [each for each in log if each["event"] == "oom_kill"]
    assert "pid" not in told
    assert "OOM" not in json.loads(report.read_text())["cause"]
