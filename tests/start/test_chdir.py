"""`--chdir DIR`: the command starts there, and pyinit itself goes to the root directory."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests import conftest
from tests.cases import in_turn
from tests.harness import Container, run, until
from tests.users import container_files, need_root

# The system's own pwd(1), not a shell's, which believes PWD.
PWD = ["/bin/pwd", "-P"]

# A directory of the user app that nobody else may enter, and one of root.
PRIVATE = (
    "mount -t tmpfs -o mode=755 none /mnt && mkdir -m 700 /mnt/app /mnt/root && "
    'chown 1234 /mnt/app && exec "$@"'
)


def test_the_command_is_there(mode: str, tmp_path: Path) -> None:
    """By a whole path, one from pyinit's own directory, and behind a symbolic link."""
    (tmp_path / "directory").mkdir()
    (tmp_path / "link").symlink_to("directory")
    there = f"{tmp_path.resolve()}/directory\n"
    before = ["env", "-C", str(tmp_path)]
    for name in (f"{tmp_path}/directory", "directory", "./directory/", "link", "link/../directory"):
        assert run(PWD, mode=mode, before=before, options=["--chdir", name]) == (0, there, "")


def test_a_name_in_bytes_that_are_no_text(mode: str, tmp_path: Path) -> None:
    """It is passed on as it is, and written out in the message when it is missing."""
    name = os.fsencode(tmp_path) + b"/\xff\xe9"
    option = [os.fsdecode(b"--chdir=" + name)]
    code, out, err = run(PWD, mode=mode, options=option)
    assert (code, out) == (125, "")
    missing = f"{tmp_path}/\\xff\\xe9"
    assert err == f"pyinit: cannot change to directory '{missing}': No such file or directory\n"
    Path(os.fsdecode(name)).mkdir()
    assert run(PWD, mode=mode, options=option) == (0, f"{os.fsdecode(name)}\n", "")


def test_pyinit_keeps_no_mount_busy(namespaces: None) -> None:
    """A file system that the command leaves can be unmounted, one that it is put into as well."""
    command = ["sh", "-c", "echo ready; read -r line"]
    with Container(
        command,
        before=["env", "-C", "/usr"],
        options=["--chdir", "/tmp"],
        stdin=subprocess.PIPE,
    ) as container:
        container.expect("ready")
        directory = Path(f"/proc/{container.pid}/cwd")
        until(lambda: directory.readlink() == Path("/"), "pyinit is in the root directory")
        assert Path(f"/proc/{container.main_child()}/cwd").readlink() == Path("/tmp")


def test_the_command_is_looked_for_there(mode: str, tmp_path: Path) -> None:
    """A relative path, and relative directories of PATH, mean the new directory."""
    program = tmp_path / "command"
    program.write_text("#!/bin/sh\necho found\n")
    program.chmod(0o755)
    options = ["--chdir", str(tmp_path)]
    assert run(["./command"], mode=mode, options=options) == (0, "found\n", "")
    path = [*options, "--env", "PATH=/nowhere:."]
    assert run(["command"], mode=mode, options=path) == (0, "found\n", "")


def test_what_is_wrong_with_the_command_is_found_there(namespaces: None, tmp_path: Path) -> None:
    """Not in pyinit's directory, where another file may have that name."""
    here, there = tmp_path / "here", tmp_path / "there"
    for directory in (here, there):
        directory.mkdir()
    before = ["env", "-C", str(here)]
    options = ["--chdir", str(there)]
    (here / "command").write_text("")
    result = run(["./command"], before=before, options=options)
    assert result == (127, "", "pyinit: './command': not found\n")
    (here / "command").unlink()
    (there / "command").write_text("#!/no/such\n")
    (there / "command").chmod(0o755)
    result = run(["./command"], before=before, options=options)
    reason = "its interpreter '/no/such' does not exist"
    assert result == (126, "", f"pyinit: './command': cannot be started: {reason}\n")


@in_turn(
    ("directory", "reason"),
    [
        ("/no/such", "No such file or directory"),
        ("/bin/sh", "Not a directory"),
        ("/bin/sh/x", "Not a directory"),
        ("/" + 300 * "x", "File name too long"),
    ],
)
def test_a_directory_that_is_none_is_125(directory: str, reason: str, mode: str) -> None:
    """With its name and the system's reason, and nothing has run."""
    result = run(["echo", "ran"], mode=mode, options=["--chdir", directory])
    assert result == (125, "", f"pyinit: cannot change to directory '{directory}': {reason}\n")


def test_the_directory_is_entered_as_the_user(namespaces: None, tmp_path: Path) -> None:
    """A home on NFS is closed to root; here root has lost what opens every directory."""
    need_root()
    conftest.need("setpriv")
    caps = "-dac_override,-dac_read_search"
    before = [*container_files(tmp_path), "sh", "-c", PRIVATE, "sh"]
    before += ["setpriv", "--bounding-set", caps, "--inh-caps", caps]
    options = ["--user", "app", "--chdir"]
    result = run(PWD, before=before, options=[*options, "/mnt/app"])
    assert result == (0, "/mnt/app\n", "")
    result = run(PWD, before=before, options=[*options, "/mnt/root"])
    message = "pyinit: cannot change to directory '/mnt/root': Permission denied\n"
    assert result == (125, "", message)


def test_no_variable_says_where_it_is(namespaces: None) -> None:
    """PWD is a shell's own, which finds out by itself."""
    before = ["/usr/bin/env", "-i", "PWD=/usr"]
    code, out, _ = run(["/usr/bin/env"], before=before, options=["--chdir", "/tmp"])
    assert (code, out) == (0, "PWD=/usr\n")
