"""``pyinitctl install PATH --name NAME`` links the names of other programs to the launcher."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pyinit.settings import NAMES
from tests.ctl.test_install import install

if TYPE_CHECKING:
    from pathlib import Path


def all_names(names: tuple[str, ...] = NAMES) -> list[str]:
    """Return the options that ask for ``names``."""
    return [word for name in names for word in ("--name", name)]


def test_each_name_is_a_link_to_the_launcher(tmp_path: Path) -> None:
    """One line says so for each; the link holds no directory, so the whole can be copied."""
    result = install(tmp_path / "init", *all_names())
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[1:] == [
        f"{tmp_path / name}: the same, as {name}" for name in NAMES
    ]
    assert [os.readlink(tmp_path / name) for name in NAMES] == ["init"] * len(NAMES)
    assert sorted(os.listdir(tmp_path)) == sorted(["init", *NAMES])


def test_the_launchers_own_name_needs_no_link(tmp_path: Path) -> None:
    """It is the file itself that bears it; a name given twice is made once."""
    names = ("tini", "dumb-init", "dumb-init")
    result = install(tmp_path / "tini", *all_names(names))
    assert result.returncode == 0, result.stderr
    assert not (tmp_path / "tini").is_symlink()
    assert result.stdout.count("\n") == 2
    assert os.readlink(tmp_path / "dumb-init") == "tini"


def test_the_links_are_beside_the_path_that_was_given(tmp_path: Path) -> None:
    """Also where that is itself a link: its directory is the one that is on PATH."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "opt").mkdir()
    (tmp_path / "bin" / "init").symlink_to("../opt/init")
    result = install(tmp_path / "bin" / "init", "--name", "tini")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "bin" / "tini").resolve() == tmp_path / "opt" / "init"
    assert os.listdir(tmp_path / "opt") == ["init"]


@pytest.mark.parametrize("there", ["file", "link to another", "link to nothing"])
def test_what_another_made_is_not_overwritten(tmp_path: Path, there: str) -> None:
    """Unless --force says so; and then nothing at all is written, not even the launcher."""
    other = tmp_path / "other"
    path = tmp_path / "tini"
    if there == "file":
        path.write_text("ELF")
    else:
        path.symlink_to(other)
        if there == "link to another":
            other.write_text("ELF")
    result = install(tmp_path / "init", *all_names(("dumb-init", "tini")))
    assert result.returncode == 1
    assert f"{path} was not written by pyinitctl install" in result.stderr
    assert not {"init", "dumb-init"} & set(os.listdir(tmp_path))
    assert install(tmp_path / "init", "--name", "tini", "--force").returncode == 0
    assert os.readlink(path) == "init"
    assert other.exists() == (there == "link to another")


@pytest.mark.parametrize("there", ["link", "launcher", "link to another launcher"])
def test_what_this_command_made_is_overwritten(tmp_path: Path, there: str) -> None:
    """As after an upgrade, or when a name moves to another launcher."""
    path = tmp_path / "tini"
    if there == "link":
        assert install(tmp_path / "init", "--name", "tini").returncode == 0
    elif there == "launcher":
        assert install(path).returncode == 0
    else:
        assert install(tmp_path / "old").returncode == 0
        path.symlink_to("old")
    assert install(tmp_path / "init", "--name", "tini").returncode == 0
    assert os.readlink(path) == "init"


def test_a_directory_is_not_overwritten(tmp_path: Path) -> None:
    """Not even by force: what is in it would be lost."""
    (tmp_path / "tini").mkdir()
    result = install(tmp_path / "init", "--name", "tini", "--force")
    assert result.returncode == 1
    assert f"{tmp_path / 'tini'} is a directory" in result.stderr
    assert os.listdir(tmp_path) == ["tini"]


def test_what_is_no_file_is_not_overwritten(tmp_path: Path) -> None:
    """Nor this: a FIFO, or a device."""
    os.mkfifo(tmp_path / "tini")
    result = install(tmp_path / "init", "--name", "tini", "--force")
    assert result.returncode == 1
    assert f"{tmp_path / 'tini'} is neither a file nor a link" in result.stderr
    assert os.listdir(tmp_path) == ["tini"]


def test_an_unknown_name_is_refused(tmp_path: Path) -> None:
    """Under it the launcher would only be pyinit; the message lists those there are."""
    result = install(tmp_path / "init", "--name", "my_init")
    assert result.returncode == 2
    assert all(name in result.stderr for name in ("my_init", *NAMES))
    assert os.listdir(tmp_path) == []
