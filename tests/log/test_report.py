"""--report: what the JSON object tells of a run, and the line for people."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from pyinit import __version__
from tests import users
from tests.harness import PID1, ROOT, Container, children, python, run, until
from tests.log import reports
from tests.log.reports import finish, reported, timeless
from tests.stopping.test_teardown_blocked import WALL, seize
from tests.terminals import state, until_settled

if TYPE_CHECKING:
    from pathlib import Path

    from tests.log.reports import Report

LEFT = python("leave.py", "session", "ignore")
SMALL = 64 * 1024  # what a pipe takes whole; see pipe(7)
BLOCK = 50_000_000


def test_who_and_when(mode: str, tmp_path: Path) -> None:
    """The init, its command, and times: UTC with microseconds, and seconds since the start."""
    before = datetime.now(UTC)
    _, report = reported(tmp_path, ["sh", "-c", "exit 3", "an 'argument'"], mode=mode)
    after = datetime.now(UTC)
    assert (report["schema"], report["pyinit"], report["state"]) == (1, __version__, "done")
    assert report["role"] == ("init" if mode == PID1 else "subreaper")
    assert report["command"] == ["sh", "-c", "exit 3", "an 'argument'"]
    times = [report["started"], report["written"]]
    assert all(re.fullmatch(r"[\d-]{10}T[\d:]{8}\.\d{6}Z", each) for each in times)
    started, written = map(datetime.fromisoformat, times)
    assert before <= started <= written <= after
    child = report["child"]
    assert 0 <= child["at_s"] <= report["uptime_s"] <= (after - before).total_seconds()
    assert child == {
        "pid": child["pid"],
        "state": "ended",
        "exit_code": 3,
        "signal": None,
        "core_dumped": False,
        "at_s": child["at_s"],
    }
    if mode == PID1:
        assert (report["pid"], child["pid"]) == (1, 2)


def test_a_quiet_end_has_nothing_to_tell(mode: str, tmp_path: Path) -> None:
    """No stop, no teardown, no signals, no orphans."""
    _, report = reported(tmp_path, ["true"], mode=mode)
    assert (report["stop"], report["teardown"], report["signals"]) == (None, None, [])
    assert report["signals_dropped"] == report["oom_kills"] == 0
    assert report["orphans"] == {"reaped": 0, "killed": 0, "failed": 0}
    assert report["cause"] == "exited with 0"


def keys(value: object) -> set[str]:
    """Return all keys of a report, however deep."""
    if isinstance(value, list):
        return set().union(*map(keys, value))
    if isinstance(value, dict):
        return set(value).union(*map(keys, value.values()))
    return set()


def left_report(directory: Path, mode: str, *options: str) -> Report:
    """Return the report of a stopped command that left a process which had to be killed."""
    path = directory / "report"
    options = (*reports.option(path), "--grace", "0.01", "--escalate", "KILL@0", *options)
    with Container(LEFT, mode=mode, options=options, stdin=subprocess.PIPE) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        return finish(container, path)


def test_every_field_is_in_the_document(tmp_path: Path, namespaces: None) -> None:
    """docs/report.md has a line for each."""
    document = (ROOT / "docs" / "report.md").read_text()
    told = set(re.findall(r"`(\w+)`", document))
    assert keys(left_report(tmp_path, PID1)) - told == set()


def test_a_leftover_that_had_to_be_killed(mode: str, tmp_path: Path) -> None:
    """By name and number, and how long it took with the grace."""
    teardown = left_report(tmp_path, mode)["teardown"]
    (name,) = teardown["leftovers"]
    assert re.fullmatch(r"python\S*\[\d+\]", name)
    assert teardown["killed"] == [name]
    assert (teardown["count"], teardown["kills"], teardown["blocked"]) == (1, 1, [])
    assert teardown["grace_s"] == 0.01
    assert teardown["took_s"] >= 0.01


def test_leftovers_that_end_in_time(namespaces: None, tmp_path: Path) -> None:
    """None is killed."""
    path = tmp_path / "report"
    command = python("leave.py", "session", "end", "3")
    with Container(command, options=reports.option(path), stdin=subprocess.PIPE) as container:
        for _ in range(3):
            container.expect("ready")
        container.close_stdin()
        teardown = finish(container, path)["teardown"]
    assert (teardown["count"], teardown["kills"], teardown["killed"]) == (3, 0, [])


def test_a_leftover_that_does_not_go_away(tmp_path: Path, namespaces: None) -> None:
    """Who is traced stays a zombie until the tracer reaps it, here the test; it is told so."""
    path = tmp_path / "report"
    options = [*reports.option(path), "--grace", "0", "-v"]
    with Container(LEFT, options=options, stdin=subprocess.PIPE) as container:
        container.expect("ready")
        (leftover,) = children(container.main_child())
        seize(leftover)
        try:
            container.close_stdin()
            while "exiting" not in (line := container.line(2)):
                assert line
        finally:
            os.kill(leftover, signal.SIGKILL)
            os.waitpid(leftover, WALL)
        report = finish(container, path)
    (blocked,) = report["teardown"]["blocked"]
    assert blocked.endswith("]: ended, to be reaped by its tracer first")
    assert "), 1 still there after T and SIGKILL; CPU" in timeless(json.loads(line)["summary"])


@pytest.mark.parametrize("number", [100, pytest.param(500, marks=pytest.mark.long)])
def test_many_leftovers(namespaces: None, tmp_path: Path, number: int) -> None:
    """All are counted, and the first of them named: the report stays small."""
    path = tmp_path / "report"
    options = [*reports.option(path), "--grace", "0"]
    command = python("leave.py", "plain", "ignore", str(number))
    with Container(command, options=options, stdin=subprocess.PIPE) as container:
        for _ in range(number):
            container.expect("ready")
        container.close_stdin()
        teardown = finish(container, path)["teardown"]
    assert (teardown["count"], teardown["kills"]) == (number, number)
    assert len(teardown["leftovers"]) == len(teardown["killed"]) == 20
    assert path.stat().st_size < SMALL


def test_leftovers_of_a_proc_of_another_namespace(tmp_path: Path, namespaces: None) -> None:
    """They are ended as ever (kill(2) needs no /proc), but nobody counts or names them."""
    path = tmp_path / "report"
    options = [*reports.option(path), "-v"]
    stale = ("unshare", "--pid", "--fork", "--kill-child")
    command = ["sh", "-c", "sleep 1000 & exit 7"]
    code, _, errors = run(command, options=options, before=stale)
    assert code == 7
    teardown = reports.read(path)["teardown"]
    assert (teardown["count"], teardown["leftovers"]) == (0, [])
    assert "; leftovers ended in T; CPU" in timeless(errors)


def test_orphans(mode: str, tmp_path: Path) -> None:
    """A zombie factory: children left to the init, how many, and how they ended."""
    path = tmp_path / "report"
    # Each says that it is an orphan's before it ends.
    script = """
        sleep 1000 &
        for how in 'exit 0' 'exit 0' 'exit 1' 'exit 255' 'kill -TERM $$' 'kill -KILL $$'; do
            (sh -c "echo orphan; $how" &)
        done; echo left; read _; exit 7
    """
    command = ["sh", "-c", script]
    with Container(
        command, mode=mode, options=[*reports.option(path), "-v"], stdin=subprocess.PIPE
    ) as container:
        # The last of them can say so before its parent has ended.
        assert sorted(container.line() for _ in range(7)) == ["left"] + ["orphan"] * 6
        until(
            lambda: children(container.pid) == [container.main_child()],
            "all orphans are reaped",
            container.process.pid,
        )
        container.close_stdin()
        report = finish(container, path)
        errors = container.errors()
    assert report["orphans"] == {"reaped": 7, "killed": 3, "failed": 2}
    assert report["teardown"]["reaped"] == 1
    assert "; 6 orphans reaped; 1 leftover (" in errors


def test_a_stop_of_an_orphan_is_no_end(mode: str, tmp_path: Path) -> None:
    """Nor is that it is continued: it is reaped once."""
    path = tmp_path / "report"
    script = "(sh -c 'kill -STOP $$' &); read _; exit 7"
    with Container(
        ["sh", "-c", script], mode=mode, options=reports.option(path), stdin=subprocess.PIPE
    ) as container:
        until(lambda: stopped_children(container.pid), "it has stopped", container.pid)
        until_settled(container.pid)
        (orphan,) = stopped_children(container.pid)
        os.kill(orphan, signal.SIGCONT)
        until(
            lambda: children(container.pid) == [container.main_child()],
            "it is reaped",
            container.pid,
        )
        container.close_stdin()
        report = finish(container, path)
    assert report["orphans"] == {"reaped": 1, "killed": 0, "failed": 0}


def stopped_children(pid: int) -> list[int]:
    """Return the children of a process that job control has stopped."""
    return [each for each in children(pid) if state(each) == "T"]


def test_names_and_words_that_are_no_text(namespaces: None, tmp_path: Path) -> None:
    """Bytes, newlines, quotes and controls: it is JSON, in one line."""
    words = [b"true", b"\xff\xfe", b"a\nb", b'"quoted"\\', b"\x1b[31m", "é €".encode()]
    _, report = reported(tmp_path, words)
    shown = ["true", "\\xff\\xfe", "a\\x0ab", '"quoted"\\', "\\x1b[31m", "é €"]
    assert report["command"] == shown


def test_a_long_name(tmp_path: Path, namespaces: None) -> None:
    """The kernel keeps 15 bytes; the command line, which has no end, is not read."""
    sleep = tmp_path / ("sleep" * 5)
    sleep.symlink_to("/bin/sleep")
    script = """
        (exec -a "$1" "$2" 1000) &
        until [[ $(tr -d "\\0" </proc/$!/cmdline) = sleep* ]]; do :; done
    """
    command = ["bash", "-c", script, "bash", "sleep" * 20_000, str(sleep)]
    _, report = reported(tmp_path, command, "-v")
    (told,) = report["teardown"]["leftovers"]
    assert re.fullmatch(r"sleepsleepsleep\[\d+\]", told)


def test_a_long_command(namespaces: None, tmp_path: Path) -> None:
    """A script with -c can have a hundred thousand characters; the report is cut."""
    _, report = reported(tmp_path, ["sh", "-c", "exit 3", "x" * 100_000, "y"])
    assert report["command"][:3] == ["sh", "-c", "exit 3"]
    assert len(report["command"]) == 4
    assert re.fullmatch(r"x+\.\.\.", report["command"][3])
    assert (tmp_path / "report").stat().st_size < SMALL


def test_processor_and_memory(mode: str, tmp_path: Path) -> None:
    """Of those who were reaped, getrusage(2); the peak is that of the largest process."""
    script = f"x = b'x' * {BLOCK}; import os\nwhile os.times().user < 0.1: pass"
    command = [*python("x")[:2], "-c", script]
    _, report = reported(tmp_path, command, mode=mode)
    usage = report["usage"]
    assert usage["cpu_user_s"] >= 0.1
    assert BLOCK < usage["peak_process_bytes"] < 3 * BLOCK


def test_the_peak_of_a_small_process(namespaces: None, tmp_path: Path) -> None:
    """Before exec(2) it was a copy of pyinit, and the kernel counts that in: not known."""
    _, report = reported(tmp_path, ["true"])
    assert report["usage"]["peak_process_bytes"] is None


@pytest.mark.parametrize("options", [["-v"], ["-vv"], ["--log-level", "info"]])
def test_the_line_for_people(options: list[str], namespaces: None, tmp_path: Path) -> None:
    """At the end of the log, with the same words, report or not."""
    script = "kill -HUP $PPID; exec sleep 1000"
    _, _, errors = run(["sh", "-c", script], options=options)
    told = json.loads(errors.splitlines()[-1])
    assert told["event"] == "exiting"
    sentence = "ended by SIGHUP, which pyinit relayed T before from the command itself"
    assert timeless(told["cause"]) == sentence
    words = timeless(told["summary"])
    assert words.startswith(f"sh -c {script}: {sentence}; ran T; CPU T")


def test_the_line_tells_what_else_was(namespaces: None, tmp_path: Path) -> None:
    """Leftovers by name, and an exit code that is another than the command's."""
    path = tmp_path / "report"
    options = [*reports.option(path), "-v", "--grace", "0.01", "--remap-exit", "7:0"]
    with Container(LEFT, options=options, stdin=subprocess.PIPE) as container:
        container.expect("ready")
        container.close_stdin()
        assert finish(container, path)["child"]["exit_code"] == 7
        words = timeless(json.loads(container.errors().splitlines()[-1])["summary"])
    (name,) = reports.read(path)["teardown"]["leftovers"]
    assert ": exited with 7; exit code 0; ran T; " in words
    assert f"; 1 leftover ({name}) ended in T, 1 of them by SIGKILL; CPU T" in words


def test_signals_that_could_not_be_relayed(tmp_path: Path, namespaces: None) -> None:
    """Without CAP_KILL none reaches a command of another user: they are counted."""
    users.need_root()
    path = tmp_path / "report"
    options = [*reports.option(path), "-v", "--user", "1234:1234"]
    command = ["sh", "-c", "echo ready; read _; exit 7"]
    with Container(
        command, options=options, before=users.WITHOUT_KILL, stdin=subprocess.PIPE
    ) as container:
        container.expect("ready")
        container.signal(signal.SIGUSR1)
        while "signal_dropped" not in container.line(2):
            pass
        container.close_stdin()
        report = finish(container, path)
        assert "; 1 signal could not be relayed; " in container.errors()
    assert report["signals_dropped"] == 1
    assert report["signals"][0]["relayed_as"] is None
