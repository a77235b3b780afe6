"""A directory of the command's user: nothing there makes pyinit write to what that user cannot.

With ``--user`` the init is root and the command is not; what it leaves in a volume is there at
the next start as well.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import users
from tests.harness import Container, run
from tests.robust.test_stderr import read_now

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("namespaces")

USER = 1234
AS_USER = ["--user", f"{USER}:{USER}"]
SECRET = "of root alone\n"
# Root whom the permissions of files stop, as with `docker run --cap-drop ALL`.
WITHOUT_OVERRIDE = [
    *("setpriv", "--bounding-set", "-dac_override,-dac_read_search"),
    *("--inh-caps", "-dac_override,-dac_read_search"),
]


@pytest.fixture
def home() -> Iterator[Path]:
    """Have a directory of the user's, and beside it a directory of root's with a secret in it.

    Not in one of pytest's, which nobody but root can reach.
    """
    users.need_root()
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        top.chmod(0o711)
        (top / "root").mkdir()
        (top / "root" / "file").write_text(SECRET)
        (top / "root" / "file").chmod(0o4700)
        (top / "home").mkdir()
        os.chown(top / "home", USER, USER)
        yield top / "home"


def secret(home: Path) -> Path:
    """Return the file of root's, which lies outside."""
    return home.parent / "root" / "file"


def assert_untouched(home: Path) -> None:
    """Assert that root's file is what it was, with its set-user-ID bit."""
    assert secret(home).read_text() == SECRET
    assert stat.S_IMODE(secret(home).stat().st_mode) == 0o4700


def refusal(errors: str) -> str:
    """Return the reason in the only line of the log."""
    (line,) = errors.splitlines()
    assert json.loads(line)["event"] == "not_written"
    return str(json.loads(line)["reason"])


@pytest.fixture(params=["report", "status-file", "metrics-file"])
def option(request: pytest.FixtureRequest) -> str:
    """Run the test for each file."""
    return f"--{request.param}"


def test_a_link_of_the_command_is_replaced(home: Path, option: str) -> None:
    """What it leads to is not touched; the file is written all the same."""
    place = home / "file.prom"
    command = ["sh", "-c", 'ln -sf ../root/file "$0"; exit 7', str(place)]
    assert run(command, options=[*AS_USER, option, str(place)]) == (7, "", "")
    assert_untouched(home)
    assert not place.is_symlink()
    assert "exit_code" in place.read_text()


def test_a_directory_that_the_command_swaps(home: Path, option: str) -> None:
    """What was there at the start is written to, wherever the command has moved it."""
    (home / "run").mkdir()
    os.chown(home / "run", USER, USER)
    place = home / "run" / "file.prom"
    command = ["sh", "-c", 'cd "$0"; mv run away; ln -s ../root run; exit 7', str(home)]
    assert run(command, options=[*AS_USER, option, str(place)]) == (7, "", "")
    assert_untouched(home)
    assert "exit_code" in (home / "away" / "file.prom").read_text()


def test_a_directory_of_roots_that_the_command_puts_there(home: Path) -> None:
    """One that was removed may be made anew, but not by a rename of what is not the user's."""
    (home / "run").mkdir()
    os.chown(home / "run", USER, USER)
    os.rename(home.parent / "root", home / "other")
    command = ["sh", "-c", 'cd "$0"; rm -r run; mv other run; exit 7', str(home)]
    options = [*AS_USER, "--report", str(home / "run" / "file")]
    code, _, errors = run(command, options=options)
    assert (code, refusal(errors)) == (7, "others may have put its directory there")
    assert (home / "run" / "file").read_text() == SECRET


@pytest.mark.parametrize("option", ["--report", "--status-file", "--metrics-file", "--log-file"])
@pytest.mark.parametrize("place", ["link.prom", "directory/file.prom"])
def test_a_link_of_an_earlier_run(home: Path, option: str, place: str) -> None:
    """It is told before anything is started, with the link that is not followed."""
    (home / "link.prom").symlink_to(secret(home))
    (home / "directory").symlink_to(secret(home).parent)
    for name in ("link.prom", "directory"):
        os.chown(home / name, USER, USER, follow_symlinks=False)
    options = [*AS_USER, "-v", option, str(home / place)]
    code, out, errors = run(["echo", "started"], options=options)
    assert (code, out) == (125, "")
    link = home / place.partition("/")[0]
    why = f"'{link}' is a symbolic link, and others may write to its directory"
    assert errors.endswith(f"'{home / place}' cannot be written: {why}\n")
    assert_untouched(home)


def test_a_link_of_roots_among_those_of_others(home: Path) -> None:
    """The user can have moved it there, under the name that root's init will write to."""
    (home / "link").symlink_to(secret(home))
    assert run(["true"], options=[*AS_USER, "--report", str(home / "link")])[0] == 125
    assert_untouched(home)


def test_a_fifo_with_another_name(home: Path) -> None:
    """What is never replaced is looked at before anything is started, too."""
    place = home / "fifo"
    os.mkfifo(place)
    place.with_name("other").hardlink_to(place)
    code, out, errors = run(["echo", "started"], options=[*AS_USER, "--report", str(place)])
    assert (code, out) == (125, "")
    assert errors.endswith("and it has another name (a hard link)\n")


def test_a_hard_link_to_a_file_that_cannot_be_replaced(home: Path) -> None:
    """Where the name cannot be replaced its file is written to, but no other that has come."""
    place = home / "file"
    place.touch()
    place.chmod(0o666)
    os.chown(place, USER, USER)
    command = ["sh", "-c", "echo ready; read _; exit 7"]
    options = ["--report", str(place)]
    with Container(
        command, options=options, before=WITHOUT_OVERRIDE, stdin=subprocess.PIPE
    ) as container:
        container.expect("ready")
        place.unlink()
        os.link(secret(home), place)
        container.close_stdin()
        assert container.wait() == 7
        reason = refusal(container.errors())
    assert reason == "others may write to its directory, and it was not there at the start"
    assert_untouched(home)
    code, _, errors = run(["true"], options=options, before=WITHOUT_OVERRIDE)
    assert code == 125
    assert "it has another name (a hard link)" in errors
    assert_untouched(home)


def test_a_hard_link_in_the_place_of_the_log(home: Path) -> None:
    """It is appended to, so it has to be the file that it seems to be."""
    os.link(secret(home), home / "log")
    code, _, errors = run(["true"], options=[*AS_USER, "-v", "--log-file", str(home / "log")])
    assert code == 125
    assert "it has another name (a hard link)" in errors
    assert_untouched(home)


def test_a_fifo_that_comes_meanwhile(home: Path) -> None:
    """One that was not there at the start is not written to, and not waited for."""
    place = home / "file"
    command = ["sh", "-c", "echo ready; read _; exit 7"]
    options = [*AS_USER, "--report", str(place)]
    with Container(command, options=options, stdin=subprocess.PIPE) as container:
        container.expect("ready")
        os.mkfifo(place)
        reader = os.open(place, os.O_RDONLY | os.O_NONBLOCK)
        try:
            container.close_stdin()
            assert container.wait() == 7
            assert read_now(reader) == b""
        finally:
            os.close(reader)
        reason = refusal(container.errors())
    assert reason == "others may write to its directory, and it was not there at the start"


def test_a_fifo_that_was_there(home: Path) -> None:
    """It is written to, also in a directory of somebody else."""
    place = home / "fifo"
    os.mkfifo(place)
    os.chown(place, USER, USER)
    reader = os.open(place, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert run(["true"], options=[*AS_USER, "--report", str(place)]) == (0, "", "")
        assert json.loads(read_now(reader))["exit_code"] == 0
    finally:
        os.close(reader)


def test_a_set_user_id_bit_is_not_kept(home: Path, option: str) -> None:
    """What is replaced gives its owner and its permissions, but no right to be executed."""
    place = home / "file.prom"
    place.touch()
    os.chown(place, USER, USER)
    place.chmod(0o6755)
    assert run(["true"], options=[*AS_USER, option, str(place)]) == (0, "", "")
    found = place.stat()
    assert (stat.S_IMODE(found.st_mode), found.st_uid) == (0o644, USER)


def test_a_mount_point_in_a_directory_of_the_user(home: Path) -> None:
    """It cannot be replaced, and nobody but root can have put it there: it is written to."""
    place = home / "file"
    place.touch()
    script = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
    before = ["sh", "-c", script, "sh", str(secret(home)), str(place)]
    options = [*AS_USER, "--report", str(place)]
    assert run(["sh", "-c", "exit 7"], options=options, before=before) == (7, "", "")
    assert json.loads(secret(home).read_text())["exit_code"] == 7


def test_a_termination_log_that_is_a_link_of_the_command(home: Path) -> None:
    """In a /dev that everybody may write to it leads nowhere."""
    script = 'mount -t tmpfs -o mode=1777 none /dev && exec "$@"'
    command = ["sh", "-c", 'ln -s "$0" /dev/termination-log; exit 7', str(secret(home))]
    options = [*AS_USER, "--termination-log"]
    code, _, errors = run(command, options=options, before=["sh", "-c", script, "sh"])
    assert code == 7
    assert "is a symbolic link, and others may write to its directory" in refusal(errors)
    assert_untouched(home)


def test_the_command_has_no_descriptor_of_the_directories(home: Path) -> None:
    """By one it could reach what it may not look through."""
    options = []
    for name in ("report", "status-file", "metrics-file"):
        options += [f"--{name}", str(home / f"{name}.prom")]
    code, out, errors = run(["sh", "-c", "ls -l /proc/self/fd"], options=options)
    assert (code, errors) == (0, "")
    assert str(home) not in out


def test_a_directory_that_its_owner_makes_anew(home: Path) -> None:
    """The status file is there again."""
    (home / "run").mkdir()
    os.chown(home / "run", USER, USER)
    place = home / "run" / "file"
    command = ["sh", "-c", 'cd "$0"; rm -r run; mkdir run; echo ready; read _', str(home)]
    options = [*AS_USER, "--status-file", str(place)]
    with Container(command, options=options, stdin=subprocess.PIPE) as container:
        container.expect("ready")
        container.close_stdin()
        assert container.wait() == 1
    assert json.loads(place.read_text())["state"] == "done"
