"""What is said of OOM kills: in real memory cgroups of version 1, as PID 1 and as a subreaper."""

from __future__ import annotations

import json
import signal
import subprocess
from typing import TYPE_CHECKING, Any

from tests import memory
from tests.harness import Container, python, unexplained

if TYPE_CHECKING:
    from pathlib import Path

KILLED = 137


def events(text: str, name: str) -> list[dict[str, Any]]:
    """Return the events of a log in JSON that have this name, without what all lines have."""
    lines = [json.loads(line) for line in text.splitlines()]
    every = ("timestamp", "level", "event", "monotonic_s")
    return [
        {key: value for key, value in line.items() if key not in every}
        for line in lines
        if line["event"] == name
    ]


def run(
    directory: Path, command: list[str], mode: str, *options: str, stdin: str = ""
) -> tuple[int, str]:
    """Run it to its end in a cgroup, with a line on stdin; return exit code and log."""
    with Container(
        command,
        mode=mode,
        options=options,
        stdin=subprocess.PIPE,
        preexec=memory.joining(directory),
    ) as container:
        stream = container.process.stdin
        assert stream is not None
        stream.write(stdin.encode())
        stream.close()
        container.rest()
        errors = unexplained(container.errors())
        return container.wait(), errors


def test_a_quiet_run(mode: str) -> None:
    """Nothing was read at the start: the kills are those since the cgroup was made."""
    with memory.cgroup() as directory:
        for total in (1, 2):
            code, log = run(directory, python("hog.py"), mode)
            (told,) = events(log, "oom_kill")
            pid = told.pop("pid")
            assert pid == 2 or mode != "pid1"
            assert told == {
                "kills": total,
                "total": total,
                "cgroup_version": 1,
                "name": python("")[0].rpartition("/")[2],
                "since": "the cgroup was made",
            }
            assert code == KILLED


def test_a_quiet_run_that_was_not_killed(mode: str) -> None:
    """Nobody asks then, whatever has been counted before."""
    with memory.cgroup() as directory:
        run(directory, python("hog.py"), mode)
        assert run(directory, ["sh", "-c", "exit 3"], mode) == (3, "")
        assert run(directory, ["sh", "-c", "kill -TERM $$"], mode) == (143, "")


def test_a_quiet_run_with_an_older_one(mode: str) -> None:
    """It does not know that it is older, nor of a real one that it is not: it leaves that open."""
    causes = []
    with memory.cgroup() as directory:
        for command in (python("hog.py"), ["sh", "-c", "kill -KILL $$"]):
            with Container(command, mode=mode, preexec=memory.joining(directory)) as container:
                (end,) = events(container.errors(), "exiting")
                assert container.wait() == KILLED
            causes.append(end["cause"])
            assert "1 OOM kill" not in end["summary"]
    words = "perhaps by the kernel's OOM killer, which has killed since the cgroup was made"
    assert causes == [f"killed by SIGKILL, {words}"] * 2


def test_a_quiet_run_without_any(mode: str) -> None:
    """A SIGKILL of somebody else is no OOM kill."""
    with memory.cgroup() as directory:
        assert run(directory, ["sh", "-c", "kill -KILL $$"], mode) == (KILLED, "")


def test_the_main_child(mode: str, tmp_path: Path) -> None:
    """With a record only the kills of this run count, and the report says what ended it."""
    report = tmp_path / "report"
    with memory.cgroup() as directory:
        run(directory, python("hog.py"), mode)
        code, log = run(directory, python("hog.py"), mode, "--report", str(report))
    (told,) = events(log, "oom_kill")
    facts = json.loads(report.read_text())
    assert code == KILLED
    assert (told["kills"], told["total"], told["pid"]) == (1, 2, facts["child"]["pid"])
    assert "since" not in told
    assert facts["oom_kills"] == 1
    assert facts["cause"] == "killed by SIGKILL: the kernel's OOM killer"
    assert facts["usage"]["peak_cgroup_bytes"] == memory.LIMIT_BYTES


def test_a_kill_by_somebody(mode: str, tmp_path: Path) -> None:
    """With older OOM kills in the cgroup: nothing is said of them."""
    report = tmp_path / "report"
    with memory.cgroup() as directory:
        run(directory, python("hog.py"), mode)
        command = ["sh", "-c", "kill -KILL $$"]
        assert run(directory, command, mode, "--report", str(report)) == (KILLED, "")
    facts = json.loads(report.read_text())
    assert facts["oom_kills"] == 0
    assert "OOM" not in facts["cause"]


def test_a_kill_by_us(mode: str, tmp_path: Path) -> None:
    """A worker's OOM kill of before is not taken for what our own SIGKILL did."""
    report = tmp_path / "report"
    with (
        memory.cgroup() as directory,
        Container(
            python("workers.py"),
            mode=mode,
            options=["--rewrite", "USR1:KILL", "--report", str(report)],
            stdin=subprocess.PIPE,
            preexec=memory.joining(directory),
        ) as container,
    ):
        container.expect("ready")
        assert container.process.stdin is not None
        container.process.stdin.write(b"\n")
        container.process.stdin.flush()
        container.expect("killed 9")
        container.signal(10)
        log = container.errors()
        assert container.wait() == KILLED
    (told,) = events(log, "oom_kill")
    assert "pid" not in told
    facts = json.loads(report.read_text())
    assert facts["oom_kills"] == 1
    assert "OOM" not in facts["cause"]


def test_a_kill_of_the_pre_stop_command(mode: str) -> None:
    """It is pyinit's, with whoever is in the command's group: no OOM kill, with an older one."""
    hook = "sleep 1000 & echo draining; sleep 1000"
    options = ["--drain", "1000", "--pre-stop", hook]
    with memory.cgroup() as directory:
        run(directory, python("hog.py"), mode)
        with Container(
            python("record.py", "TERM"),
            mode=mode,
            options=options,
            preexec=memory.joining(directory),
        ) as container:
            container.expect("ready")
            container.signal(signal.SIGTERM)
            container.expect("draining")
            container.signal(signal.SIGTERM)
            log = container.errors()
            assert container.wait() == 0
    assert [each["drain_s"] for each in events(log, "pre_stop_cut_short")] == [1000]
    assert events(log, "oom_kill") == []


def test_a_worker(mode: str) -> None:
    """Its parent reaps it, so pyinit is not told: it is seen at the end."""
    with memory.cgroup() as directory:
        code, log = run(directory, python("workers.py"), mode, "-v", stdin="\n\n")
    (told,) = events(log, "oom_kill")
    assert told == {"kills": 2, "total": 2, "cgroup_version": 1}
    assert code == 0
    (end,) = events(log, "exiting")
    assert "2 OOM kills" in end["summary"]


def test_an_orphan(mode: str) -> None:
    """It is seen when it is reaped, and named where orphans are."""
    script = '("$@" &) | cat'
    with memory.cgroup() as directory:
        code, log = run(directory, ["sh", "-c", script, "sh", *python("hog.py")], mode, "-vv")
    (told,) = events(log, "oom_kill")
    (reaped,) = [each for each in events(log, "orphan_reaped") if each.get("signal") == "SIGKILL"]
    assert (told["kills"], told["pid"], told["name"]) == (1, reaped["pid"], reaped["name"])
    assert code == 0


def test_an_orphan_of_a_quiet_run(mode: str) -> None:
    """It is seen there as well."""
    script = '("$@" &) | cat'
    with memory.cgroup() as directory:
        code, log = run(directory, ["sh", "-c", script, "sh", *python("hog.py")], mode)
    (told,) = events(log, "oom_kill")
    assert (told["kills"], told["since"]) == (1, "the cgroup was made")
    assert code == 0


def test_leftovers_that_we_kill(mode: str) -> None:
    """The counter is not asked for their sake."""
    script = "trap '' TERM; sleep 1000 & exit 0"
    with memory.cgroup() as directory:
        run(directory, python("hog.py"), mode)
        assert run(directory, ["sh", "-c", script], mode, "--grace", "0") == (0, "")
