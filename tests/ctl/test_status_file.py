"""``pyinitctl status`` and a container's status file: found in its root, not believed blindly."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pyinit import ctl
from pyinit.ctl import beneath, kinds
from pyinit.ctl import view as checks_view
from tests.ctl.views import view
from tests.harness import UNSHARE_USER, Container, children, python
from tests.kept import facts, until_told

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("namespaces")

WAITING = python("record.py", "TERM")
CHROOT = "import os, sys; os.chroot('.'); os.chdir('/etc'); print('ready', flush=True); input()"


@pytest.fixture
def inside(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """Have a process with a root of its own; return its number and that root.

    It is in /etc there.  What lies outside says so.
    """
    outside = tmp_path
    (outside / "etc").mkdir()
    (outside / "etc" / "status").write_text("outside")
    (outside / "secret").write_text("outside")
    root = outside / "root"
    for name in ("etc", "run", "var"):
        (root / name).mkdir(parents=True)
    (root / "etc" / "status").write_text("inside")
    for name, target in {
        "absolute": "/etc/status",
        "upwards": "../../../etc/status",
        "secret": str(outside / "secret"),  # nothing is there
        "var/run": "../../../run",
        "run/etc": "/etc/../../etc/.",
        "loop": "loop",
        "out": "/..",
    }.items():
        (root / name).symlink_to(target)
    os.mkfifo(root / "fifo")
    user = ["unshare", *UNSHARE_USER, "--"] if UNSHARE_USER else []
    command = [*user, sys.executable, "-IS", "-c", CHROOT]
    process = subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process.pid, root
    finally:
        process.communicate()


@contextlib.contextmanager
def place(pid: int, path: str) -> Iterator[beneath.Place]:
    """Go to a path as a process sees it."""
    found = beneath.Place(pid, path)
    try:
        yield found
    finally:
        found.close()


def test_a_path_is_one_beneath_the_root(inside: tuple[int, Path]) -> None:
    """Whatever links and dots it has, as for the process itself."""
    for path in (
        "/etc/status",
        "status",
        "./../etc//status",
        "../../../../etc/status",
        "/../../etc/status",
        "/absolute",
        "/upwards",
        "/var/run/etc/status",
        "/out/out/etc/status",
    ):
        with place(inside[0], path) as found:
            assert found.read(100) == b"inside", path


def test_nothing_else_is_read(inside: tuple[int, Path]) -> None:
    """Neither what lies outside nor what is no regular file; a FIFO would make us wait."""
    for path, error in {
        "/secret": "No such file",
        "/../secret": "No such file",
        "/loop": "Too many levels",
        "/etc": "not a regular file",
        "/": "Is a directory",
        "..": "Is a directory",
        "/etc/status/below": "Not a directory",
        "/nowhere/status": "No such file",
        "/fifo": "not a regular file",
    }.items():
        with pytest.raises(OSError, match=error), place(inside[0], path) as found:
            found.read(100)


def test_no_more_is_read_than_is_asked_for(inside: tuple[int, Path]) -> None:
    """A container could have it grow for ever."""
    with place(inside[0], "/etc/status") as found:
        assert found.read(3) == b"ins"


def test_a_launcher_is_looked_for_there_too(inside: tuple[int, Path]) -> None:
    """By its path as the process knows it, and not where that leads from here."""
    pid, root = inside
    process = checks_view.ProcessView(pid)
    (root / "launcher").symlink_to("/etc/launcher")
    (root / "etc" / "launcher").write_text("# Written by pyinitctl install")
    (root / "etc" / "other").symlink_to(root.parent / "launcher")
    (root.parent / "launcher").write_text("# Written by pyinitctl install")
    assert kinds._is_launcher(process, "/launcher")
    assert not kinds._is_launcher(process, "/etc/other")


LEASE = """
import fcntl, os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGIO})
fd = os.open(sys.argv[1], os.O_RDWR)
fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("ready", flush=True)
input()
"""


def test_one_who_holds_a_lease_is_not_waited_for(inside: tuple[int, Path]) -> None:
    """Who opens a file of another's lease waits until that is given back; see fcntl(2)."""
    pid, root = inside
    command = [sys.executable, "-IS", "-c", LEASE, str(root / "etc" / "status")]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"ready\n"
        with pytest.raises(BlockingIOError), place(pid, "/etc/status") as found:
            found.read(100)
    finally:
        holder.communicate()


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[tuple[Container, Path, Any]]:
    """Have a container with a status file, which it does not write again; and what stands there."""
    path = tmp_path / "status"
    with Container(WAITING, options=["--status-file", str(path)]) as container:
        container.expect("ready")
        until_told(path, lambda told: told["child"], container)
        yield container, path, facts(path)


def told(kept: tuple[Container, Path, Any], capsys: pytest.CaptureFixture[str], text: str) -> Any:
    """Return what is said of the status file when ``text`` stands in it, and what is made of it."""
    container, path, _ = kept
    path.write_text(text)
    found = view(capsys, "status", str(container.pid))
    assert found["init"]["pid"] == container.pid
    assert len(found["processes"]) == 2
    assert ctl.main(["status", str(container.pid)]) == 0
    said = capsys.readouterr().out
    assert "\x1b" not in said
    if found["facts"] is None:
        assert f"{path} is not used: {found['status_file']['problem']}\n" in said
        assert "\nstate " not in said
    return found


def test_a_file_of_an_earlier_run_is_not_believed(
    kept: tuple[Container, Path, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """As one in a volume is: its number or its start is another one, by the clock if need be."""
    for changes in (
        {"pid": 77},
        {"start_ticks": 5},
        {"start_ticks": None, "started": "2001-02-03T04:05:06.000007Z"},
    ):
        found = told(kept, capsys, json.dumps(kept[2] | changes))
        assert found["facts"] is None
        assert "stale" in found["status_file"]["problem"]


def test_a_clock_that_was_set_does_not_matter(
    kept: tuple[Container, Path, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """The start since boot tells."""
    text = json.dumps(kept[2] | {"started": "2001-02-03T04:05:06.000007Z"})
    assert told(kept, capsys, text)["facts"]["state"] == "running"


def test_without_a_start_since_boot_the_clock_tells(
    kept: tuple[Container, Path, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the init has no /proc."""
    text = json.dumps(kept[2] | {"start_ticks": None})
    assert told(kept, capsys, text)["facts"]["state"] == "running"


def test_what_is_no_status_file_is_not_used(
    kept: tuple[Container, Path, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """It is said in a word, and all else is shown."""
    for text in ("", "{}", "[]", "null", "7", '{"schema": 1', "\x00", "[" * 100000):
        found = told(kept, capsys, text)
        assert found["facts"] is None
        assert found["status_file"]["problem"] == "it is not a status file of pyinit"


def test_one_that_was_made_up_is_not_used(
    kept: tuple[Container, Path, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever may write it could put in anything."""
    made_up: list[dict[str, Any]] = [
        {"state": 5},
        {"uptime_s": 1e300},
        {"uptime_s": float("nan")},
        {"written": "yesterday"},
        {"child": {"pid": "2"}},
        {"child": []},
        {"stop": {}},
        {"teardown": {"count": "many"}},
        {"orphans": None},
        {"signals": ["TERM"]},
        {"signals": [{"signal": "TERM", "count": 1}]},
        {"command": None},
        {"exit_code": "0"},
    ]
    for changes in made_up:
        assert told(kept, capsys, json.dumps(kept[2] | changes))["facts"] is None, changes


def test_what_would_command_the_terminal_is_escaped(
    kept: tuple[Container, Path, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """In every text of the file."""
    bad = "\x1b[31m\n"
    sent = {"signal": bad, "origin": bad, "sender_pid": 3, "sender_uid": 0, "sender_name": bad}
    changes = {
        "pyinit": bad,
        "role": bad,
        "command": [bad, 5],
        "state": bad,
        "child": {"pid": 2, "state": bad},
        "stop": sent | {"at_s": 0.0, "took_s": None},
        "teardown": {"leftovers": [bad], "count": 1, "grace_s": 5, "kills": 0},
        "signals": [sent | {"count": 1}],
    }
    found = told(kept, capsys, json.dumps(kept[2] | changes))
    assert found["facts"]["state"] == bad


def test_a_file_that_is_gone(
    kept: tuple[Container, Path, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """It is said why there is nothing."""
    container, path, _ = kept
    path.unlink(missing_ok=True)
    found = view(capsys, "status", str(container.pid))
    assert found["status_file"]["problem"] == "No such file or directory"


def test_a_file_in_a_mount_namespace_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where it is another file than the one of that name outside."""
    (tmp_path / "status").write_text("outside")
    mount = f'mount -t tmpfs none {tmp_path} && exec "$@"'
    options = ["--status-file", str(tmp_path / "status")]
    before = ["/bin/sh", "-c", mount, "sh"]
    with Container(WAITING, options=options, before=before) as container:
        container.expect("ready")
        path = tmp_path.__class__(f"/proc/{container.pid}/root{tmp_path}/status")
        until_told(path, lambda told: told["child"], container)
        found = view(capsys, "status", str(container.pid))
        assert found["facts"]["command"] == WAITING
        assert children(container.pid)
