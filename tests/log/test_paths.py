"""The path of a report or the like: what it leads to, and which links are followed on the way."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from pyinit.kernel import paths
from tests import users
from tests.harness import run

if TYPE_CHECKING:
    from pathlib import Path

OWNER = 1234


def found(path: str) -> tuple[str, str]:
    """Return where a path leads: the directory, as the kernel names it, and the name."""
    place = paths.find(path)
    assert isinstance(place, paths.Place)
    try:
        return os.readlink(f"/proc/self/fd/{place.fd}"), place.name
    finally:
        os.close(place.fd)


def test_a_path_is_followed_as_by_the_kernel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With dots, slashes and links, from the root or from here."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "back").symlink_to("..")
    (tmp_path / "absolute").symlink_to(tmp_path / "a")
    (tmp_path / "dangling").symlink_to("a/new")
    for path, directory, name in (
        ("file", "", "file"),
        (".//a/./b/../file", "a", "file"),
        ("absolute/b/file", "a/b", "file"),
        ("a/back/absolute/back/file", "", "file"),
        ("dangling", "a", "new"),
        (f"{tmp_path}/a/b/../../file", "", "file"),
        ("/../etc/none", "/etc", "none"),
    ):
        assert found(path) == (str(tmp_path / directory).rstrip("/"), name), path


def test_a_directory_that_is_called_as_that_of_descriptors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is below another directory than the root is a file."""
    for name in ("dev/fd", "proc/self/fd", "here"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    for name in ("dev/fd", "proc/self/fd"):
        assert found(f"../{name}/1") == (str(tmp_path / name), "1")
    assert paths.find("/dev/./../dev/fd/1") == 1


def test_an_own_link_among_those_of_others(tmp_path: Path) -> None:
    """One who is not root gains nothing by it: it is followed, and another's is not."""
    users.need_root()
    (tmp_path / "ours").symlink_to("file")
    (tmp_path / "theirs").symlink_to("file")
    os.chown(tmp_path / "ours", OWNER, OWNER, follow_symlinks=False)
    directory = os.open(tmp_path, os.O_RDONLY)
    tmp_path.chmod(0o777)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.fchdir(directory)  # pytest's directories are root's alone
            os.setresuid(OWNER, OWNER, OWNER)
            assert isinstance(paths.find("ours"), paths.Place)
            with pytest.raises(PermissionError, match="others may write to its directory"):
                paths.find("theirs")
            os.write(writer, b"done")
        finally:
            os._exit(0)
    for fd in (writer, directory):
        os.close(fd)
    os.waitpid(pid, 0)
    assert os.read(reader, 4) == b"done"
    os.close(reader)


def test_a_link_of_a_user_of_outside(namespaces: None, tmp_path: Path) -> None:
    """Nobody in the user namespace can have made it: as root's there, where root is not mapped."""
    users.need_root()
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    theirs.mkdir()
    ours.mkdir()
    (theirs / "link").symlink_to("../ours/report")
    for path in (theirs, theirs / "link"):
        os.chown(path, OWNER, OWNER, follow_symlinks=False)
    before = ["unshare", "--user", "--map-user=1000"]
    assert run(["true"], options=["--report", str(theirs / "link")], before=before)[0] == 0
    assert json.loads((ours / "report").read_text())["exit_code"] == 0
