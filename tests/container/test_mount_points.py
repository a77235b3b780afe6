"""Where the bind mounts of a new root go: its symbolic links are about that root alone."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from pyinit import NamespaceError
from tests.spawning import output, small_root_in, spawn

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("namespaces")

Root = tuple["Path", list[tuple[str, str, bool]]]


@pytest.fixture
def root(tmp_path: Path) -> Root:
    """Make a root with a directory that has the same path outside, where it is another one."""
    directory, binds = small_root_in(tmp_path)
    (tmp_path / "outside").mkdir()
    (directory / tmp_path.relative_to("/") / "outside").mkdir(parents=True)
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/content").write_text("content\n")
    return directory, [*binds, (str(tmp_path / "shared"), "/link", True)]


def test_an_absolute_link(root: Root, tmp_path: Path) -> None:
    """It begins at the new root; read-only is what was mounted there."""
    directory, binds = root
    (directory / "link").symlink_to(tmp_path / "outside")
    script = f"cat {tmp_path}/outside/content; (echo no >/link/new) 2>&1 | grep -o Read-only"
    assert output(["sh", "-c", script], root=directory, binds=binds) == "content\nRead-only"


@pytest.mark.parametrize("link", ["../../../../../../../../../data", "/../data", "data/../data"])
def test_a_link_upwards(root: Root, link: str) -> None:
    """There is nothing above a root."""
    directory, binds = root
    (directory / "link").symlink_to(link)
    assert output(["cat", "/data/content"], root=directory, binds=binds) == "content"


def test_a_link_into_another_bind_mount(root: Root) -> None:
    """What has been mounted before is looked through."""
    directory, binds = root
    (directory / "link").symlink_to("/tmp/outside")
    parent = (str(directory.parent), "/tmp", False)
    made = [*binds[:-1], parent, binds[-1]]
    assert output(["cat", "/tmp/outside/content"], root=directory, binds=made) == "content"
    assert not list((directory.parent / "outside").iterdir())


def test_proc_at_a_link(root: Root) -> None:
    """The mount of /proc is no other."""
    directory, binds = root
    (directory / "link").symlink_to("data")
    (directory / "proc").rmdir()
    (directory / "proc").symlink_to("/tmp")
    assert output(["cat", "/tmp/self/comm"], root=directory, binds=binds) == "cat"


@pytest.mark.parametrize("link", ["/nonexistent", "outside"])
def test_a_link_to_nowhere(root: Root, link: str, tmp_path: Path) -> None:
    """Which is told, also when there is such a directory outside."""
    directory, binds = root
    (directory / "link").symlink_to(tmp_path.parent if link == "outside" else link)
    (directory / tmp_path.relative_to("/") / "outside").rmdir()
    (directory / tmp_path.relative_to("/")).rmdir()
    (directory / tmp_path.parent.relative_to("/")).rmdir()
    with pytest.raises(NamespaceError) as caught:
        spawn(["true"], root=directory, binds=binds)
    assert caught.value.errno == errno.ENOENT
    assert caught.value.call == f"mount({tmp_path}/shared, /link)"
    assert caught.value.reason == f"there is no /link in {directory}"


@pytest.mark.parametrize(
    ("bind", "missing"),
    [(("/nonexistent", "/mnt"), "/nonexistent"), (("/mnt", "/nonexistent"), "/nonexistent")],
    ids=["source", "target"],
)
def test_what_is_not_there(bind: tuple[str, str], missing: str) -> None:
    """mount(2) says ENOENT for either."""
    with pytest.raises(NamespaceError) as caught:
        spawn(["true"], binds=[bind])
    assert caught.value.reason == f"there is no {missing}"
