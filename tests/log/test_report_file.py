"""--report PATH: whole or not at all, whatever PATH is, and never in the way of the exit code."""

from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.harness import Container, python, run
from tests.log import reports
from tests.log.reports import option
from tests.robust.test_stderr import read_now

if TYPE_CHECKING:
    from pathlib import Path

EXITS = ["sh", "-c", "exit 7"]
# Root that has to heed the permissions of files.
WITHOUT_OVERRIDE = ["setpriv", "--bounding-set", "-dac_override", "--inh-caps", "-dac_override"]


def mode_of(path: Path) -> int:
    """Return the permissions of a file."""
    return stat.S_IMODE(path.stat().st_mode)


def not_written(errors: str, place: object) -> str:
    """Return why, as the one line of the log says it."""
    (line,) = errors.splitlines()
    assert '"level": "warning"' in line
    assert '"event": "not_written"' in line
    assert f'"path": "{place}"' in line
    return line.rpartition('"reason": "')[2].removesuffix('"}')


def test_a_new_file(namespaces: None, tmp_path: Path) -> None:
    """Readable to all that the umask lets, and nothing else is left in the directory."""
    path = tmp_path / "report"
    result = run(EXITS, options=option(path), preexec=lambda: os.umask(0o026))
    assert result == (7, "", "")
    assert reports.read(path)["exit_code"] == 7
    assert mode_of(path) == 0o640
    assert os.listdir(tmp_path) == ["report"]


def test_a_file_that_is_there_is_replaced(mode: str, tmp_path: Path) -> None:
    """At once: who reads the old one reads all of it.  The new one has its permissions."""
    path = tmp_path / "report"
    path.write_text("old")
    path.chmod(0o604)
    with path.open() as old:
        assert run(EXITS, options=option(path), mode=mode) == (7, "", "")
        assert old.read() == "old"
    assert reports.read(path)["exit_code"] == 7
    assert mode_of(path) == 0o604
    assert os.listdir(tmp_path) == ["report"]


def test_what_a_killed_run_left_is_not_in_the_way(tmp_path: Path, namespaces: None) -> None:
    """PID 1 has the same number every time; nor does a link that somebody has put there."""
    other = tmp_path / "other"
    other.write_text("other")
    (tmp_path / ".report.1").symlink_to(other)
    assert run(EXITS, options=option(tmp_path / "report")) == (7, "", "")
    assert reports.read(tmp_path / "report")["exit_code"] == 7
    assert other.read_text() == "other"


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_stays(tmp_path: Path, namespaces: None, *, exists: bool) -> None:
    """The file that it leads to is replaced, or made."""
    target = tmp_path / "elsewhere" / "target"
    target.parent.mkdir()
    if exists:
        target.write_text("old")
    link = tmp_path / "report"
    link.symlink_to("elsewhere/target")
    assert run(EXITS, options=option(link)) == (7, "", "")
    assert link.is_symlink()
    assert reports.read(target)["exit_code"] == 7


def test_a_directory_that_may_not_be_changed(namespaces: None, tmp_path: Path) -> None:
    """The file in it that may is written to, where it is."""
    path = tmp_path / "report"
    path.write_text("old, and longer than what comes" * 1000)
    before = path.stat().st_ino
    tmp_path.chmod(0o555)
    try:
        result = run(EXITS, options=option(path), before=WITHOUT_OVERRIDE)
    finally:
        tmp_path.chmod(0o755)
    assert result == (7, "", "")
    assert reports.read(path)["exit_code"] == 7
    assert path.stat().st_ino == before


def test_a_mount_point(namespaces: None, tmp_path: Path) -> None:
    """It cannot be replaced (EBUSY): what is mounted is written to."""
    place, mounted = tmp_path / "report", tmp_path / "mounted"
    place.write_text("below")
    mounted.write_text("old")
    script = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
    before = ["sh", "-c", script, "sh", str(mounted), str(place)]
    assert run(EXITS, options=option(place), before=before) == (7, "", "")
    assert reports.read(mounted)["exit_code"] == 7
    assert place.read_text() == "below"


def test_a_full_disk(tmp_path: Path, namespaces: None) -> None:
    """The old one stays whole, and the exit code is the command's."""
    script = """
        cd "$1" && shift && mount -t tmpfs -o size=16k,nr_inodes=10 none . && cd "$PWD" || exit 1
        echo old > report; cat /dev/zero > filler 2>/dev/null
        "$@"; echo $?; cat report; ls -A
    """
    before = ["sh", "-c", script, "sh", str(tmp_path)]
    _, out, errors = run(EXITS, options=["--report", "report"], before=before)
    assert out.split() == ["7", "old", "filler", "report"]
    assert not_written(errors, "report") == "No space left on device"


def test_a_limit_of_file_size(namespaces: None, tmp_path: Path) -> None:
    """The SIGXFSZ of the failed write is for pyinit: a command that lives on does not get it."""
    status = tmp_path / "status"
    options = [*option(tmp_path / "report"), "--status-file", str(status)]
    limit = (resource.RLIMIT_FSIZE, (10, 10))
    with Container(
        python("record.py"),
        options=options,
        preexec=lambda: resource.setrlimit(*limit),
    ) as container:
        container.expect("ready")
        for _ in range(3):
            container.signal(signal.SIGUSR1)
            container.expect("USR1")
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        assert container.wait() == 0
        errors = container.errors().splitlines()
    assert [not_written(errors[0], status), not_written(errors[1], tmp_path / "report")] == [
        "File too large"
    ] * 2
    assert os.listdir(tmp_path) == []


def test_a_directory_that_went_away(namespaces: None, tmp_path: Path) -> None:
    """It was there at the start."""
    path = tmp_path / "run" / "report"
    path.parent.mkdir()
    code, _, errors = run(["rmdir", str(path.parent)], options=option(path))
    assert code == 0
    assert not_written(errors, path) == "No such file or directory"


def test_a_fifo_is_written_to(namespaces: None, tmp_path: Path) -> None:
    """Its reader gets it all, and it stays one."""
    path = tmp_path / "report"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert run(EXITS, options=option(path)) == (7, "", "")
        found = read_now(reader)
    finally:
        os.close(reader)
    assert found.startswith(b'{"schema": 1, ')
    assert found.endswith(b"}\n")
    assert path.is_fifo()


def test_a_fifo_that_nobody_reads(namespaces: None, tmp_path: Path) -> None:
    """It is not waited for."""
    path = tmp_path / "report"
    os.mkfifo(path)
    code, _, errors = run(EXITS, options=option(path))
    assert code == 7
    assert not_written(errors, path) == "no process reads it"


def test_a_full_device(namespaces: None) -> None:
    """What a write says is said."""
    code, _, errors = run(EXITS, options=["--report", "/dev/full"])
    assert code == 7
    assert not_written(errors, "/dev/full") == "No space left on device"


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link"])
@pytest.mark.parametrize("kind", ["pipe", "file"])
def test_the_standard_output(name: str, kind: str, tmp_path: Path, namespaces: None) -> None:
    """After what stands there: a log that the output goes to is not replaced."""
    if name == "link":
        name = str(tmp_path / "link")
        os.symlink("/dev/stdout", name)
    command = ["sh", "-c", "echo from the command"]
    path = tmp_path / "log"
    path.write_text("before\n")
    with path.open("a") as file:
        how = {} if kind == "pipe" else {"stdout": file.fileno()}
        with Container(command, options=["--report", name], **how) as container:  # type: ignore[arg-type]
            out = container.rest() if kind == "pipe" else ""
            assert container.wait() == 0
            assert container.errors() == ""
    lines = (out or path.read_text().removeprefix("before\n")).splitlines()
    assert lines[0] == "from the command"
    assert lines[1].startswith('{"schema": 1, ')
    assert len(lines) == 2


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("{}/nowhere/report", "there is no directory '{}/nowhere'"),
        ("{}", "it is a directory"),
        ("{}/file/report", "Not a directory"),
        ("{}/loop", "Too many levels of symbolic links"),
    ],
)
def test_a_wrong_place_is_told_before_the_start(
    place: str, reason: str, tmp_path: Path, namespaces: None
) -> None:
    """With the option, the reason, and 125; nothing is started."""
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    where = place.format(tmp_path)
    code, out, errors = run(["echo", "started"], options=["--report", where])
    assert (code, out) == (125, "")
    told = f"--report (or PYINIT_REPORT): '{where}' cannot be written: {reason.format(tmp_path)}"
    assert errors == f"pyinit: {told}\n"


def test_a_directory_of_somebody_else_is_told_before_the_start(
    tmp_path: Path, namespaces: None
) -> None:
    """As far as access(2) tells."""
    tmp_path.chmod(0o555)
    try:
        code, out, errors = run(
            ["echo", "started"], options=option(tmp_path / "report"), before=WITHOUT_OVERRIDE
        )
    finally:
        tmp_path.chmod(0o755)
    assert (code, out) == (125, "")
    assert f"directory '{tmp_path}' is read-only or belongs to another user" in errors


def test_by_a_variable(tmp_path: Path, namespaces: None) -> None:
    """The command inherits it, as it does all variables, and its own pyinit would write too."""
    path = tmp_path / "report"
    assert run(EXITS, env={**os.environ, "PYINIT_REPORT": str(path)}) == (7, "", "")
    assert reports.read(path)["command"] == EXITS


@pytest.mark.parametrize("name", ["docker-init", "tini", "dumb-init", "catatonit"])
def test_as_another_program_by_a_variable(name: str, tmp_path: Path, namespaces: None) -> None:
    """Who gets pyinit for docker-init or catatonit has the report too, and no word of it else."""
    path = tmp_path / "report"
    init = tmp_path / name
    init.symlink_to(reports.PYINIT)
    env = {**os.environ, "PYINIT_REPORT": str(path)}
    code, out, errors = run(EXITS, init=[str(init)], env=env)
    assert (code, out, errors) == (7, "", "")
    assert reports.read(path)["cause"] == "exited with 7"


def test_nothing_is_written_without_it(tmp_path: Path, namespaces: None) -> None:
    """Nor kept: see the tests of what a quiet run loads."""
    subprocess.run([reports.PYINIT, "--", "true"], cwd=tmp_path, check=True)
    assert os.listdir(tmp_path) == []
