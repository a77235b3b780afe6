"""--termination-log: the end in one line where Kubernetes shows it, in a file mounted there."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.harness import Container, python, run
from tests.log import reports
from tests.log.reports import timeless

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MOST_BYTES = 4096
# As Kubernetes has it: a tmpfs, and in it a file of the host's.
MOUNT = """
    mount -t tmpfs none /dev && touch /dev/termination-log &&
    mount --bind "$1" /dev/termination-log && shift && exec "$@"
"""
READ_ONLY = 'mount -o remount,bind,ro /dev/termination-log && exec "$@"'
OPTION = ["--termination-log"]


def mounted(path: Path, already: str = "") -> list[str]:
    """Return what stands before pyinit to have file ``path`` mounted there."""
    path.write_text(already)
    return ["sh", "-c", MOUNT, "sh", str(path)]


def told(path: Path) -> str:
    """Return the one line that was written."""
    text = path.read_text()
    assert text.endswith("\n")
    assert text.count("\n") == 1, text
    return text.removesuffix("\n")


def test_the_end_in_a_line(mode: str, tmp_path: Path) -> None:
    """That of a command that was stopped: its cause, how long it ran, and what it used."""
    path = tmp_path / "log"
    with Container(
        python("record.py", "TERM"), options=OPTION, mode=mode, before=mounted(path)
    ) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        assert container.wait() == 0
        assert container.errors() == ""
    command, _, rest = told(path).partition(": exited with 0, ")
    assert command.endswith("record.py TERM")
    assert timeless(rest).startswith(
        "T after the stop by SIGTERM from outside the namespace; ran T; CPU T"
    )


def test_it_is_the_summary_of_the_log(namespaces: None, tmp_path: Path) -> None:
    """One sentence, wherever it is read."""
    path = tmp_path / "log"
    command = ["sh", "-c", "exit 3"]
    code, _, errors = run(command, options=[*OPTION, "-v"], before=mounted(path))
    assert code == 3
    assert f'"summary": "{told(path)}"' in errors


def test_what_the_command_has_written_stays(mode: str, tmp_path: Path) -> None:
    """In front: Kubernetes shows the end of what is too long."""
    path = tmp_path / "log"
    command = ["sh", "-c", "printf 'no database' >/dev/termination-log; exit 3"]
    assert run(command, options=OPTION, mode=mode, before=mounted(path)) == (3, "", "")
    lines = path.read_text().splitlines()
    assert lines[0] == "no database"
    assert ": exited with 3; ran " in lines[1]
    assert len(lines) == 2


def test_newlines_and_controls_of_the_command(namespaces: None, tmp_path: Path) -> None:
    """They stay in their line."""
    path = tmp_path / "log"
    command = ["sh", "-c", "exit 3\n: \x1b[31m"]
    assert run(command, options=OPTION, before=mounted(path))[0] == 3
    assert told(path).startswith("sh -c exit 3\\x0a: \\x1b[31m: exited with 3; ran ")


@pytest.mark.parametrize("command", [["x" * 3000], ["/" + "é" * 3000]])
def test_at_most_what_kubernetes_reads(
    command: Sequence[str], namespaces: None, tmp_path: Path
) -> None:
    """4096 bytes, and not inside of a character."""
    path = tmp_path / "log"
    result = run(command, options=OPTION, before=mounted(path))
    assert result[0] in (126, 127)
    line = told(path)
    assert len(line.encode()) < MOST_BYTES
    if command[0] != "x" * 3000:
        assert line.endswith("é...")


def test_one_that_could_not_be_started(namespaces: None, tmp_path: Path) -> None:
    """The most frequent of all ends that somebody looks for there."""
    path = tmp_path / "log"
    before = mounted(path)
    assert run(["/no/such"], options=OPTION, before=before)[0] == 127
    words = "/no/such: could not be started: '/no/such': not found; exit code 127"
    assert told(path) == words


def test_where_there_is_none(namespaces: None) -> None:
    """Elsewhere than under Kubernetes: one is not made, and it is no matter for a warning."""
    before = ["sh", "-c", 'mount -t tmpfs none /dev && exec "$@"', "sh"]
    command = ["sh", "-c", "test ! -e /dev/termination-log; exit 7"]
    assert run(command, options=OPTION, before=before) == (7, "", "")
    _, _, errors = run(command, options=[*OPTION, "-v"], before=before)
    (line,) = (line for line in errors.splitlines() if "not_written" in line)
    assert '"level": "info"' in line
    assert '"path": "/dev/termination-log", "reason": "No such file or directory"' in line


def test_one_that_is_read_only(namespaces: None, tmp_path: Path) -> None:
    """A warning, and the command's exit code."""
    path = tmp_path / "log"
    before = [*mounted(path), "sh", "-c", READ_ONLY, "sh"]
    code, _, errors = run(["sh", "-c", "exit 7"], options=OPTION, before=before)
    assert code == 7
    assert '"level": "warning", "event": "not_written"' in errors
    assert '"reason": "Read-only file system"' in errors
    assert path.read_text() == ""


def test_with_a_report(namespaces: None, tmp_path: Path) -> None:
    """Both, by variables, as a pod's manifest has them."""
    path, report = tmp_path / "log", tmp_path / "report"
    before = [*mounted(path), "env", "PYINIT_TERMINATION_LOG=1", f"PYINIT_REPORT={report}"]
    assert run(["sh", "-c", "exit 7"], before=before) == (7, "", "")
    assert reports.read(report)["cause"] in told(path)
