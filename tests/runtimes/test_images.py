"""Images: Dockerfile.example and those of docs/howto/install.md are built, served and stopped.

podman builds them offline.  A Debian with its own Python stands for the official images, and pip
and uv install from a directory; everything else is as it stands there.
"""

from __future__ import annotations

import re
import shutil
import signal
from typing import TYPE_CHECKING

import pytest

from tests import conftest, harness
from tests.runtimes import builds, image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.runtimes

PAGE = harness.ROOT / "docs" / "howto" / "install.md"
ANSWERED = ["served", "400", "begun", "2"]
# http.server does not handle TERM.
ENDED = ["served", "400", "begun", "0"]
PROJECT = """
[project]
name = "app"
version = "1"
requires-python = ">=3.11"
dependencies = ["pyinit-pid1"]
"""


@pytest.fixture
def store(root: Path) -> Iterator[builds.Store]:
    """Return a store of podman's that reads another one, in which the first images are."""
    conftest.need("podman", "runc", "nsenter")
    with builds.Store() as store:
        yield store


def dockerfile(name: str, directory: Path) -> Path:
    """Write one of the page's, and the application that it copies."""
    text = PAGE.read_text("utf-8")
    found = re.search(
        rf"<!-- file: {re.escape(name)} -->\n```dockerfile\n(.*?)```", text, re.DOTALL
    )
    assert found is not None
    # The base has it, and there is no network.
    lines = [line for line in found[1].splitlines() if "apt-get" not in line]
    path = directory / name
    path.write_text("\n".join([*lines, ""]))
    shutil.copy(harness.PROGRAMS / "serves.py", directory / "app.py")
    shutil.copy(image.SINGLE_FILE, directory / "pyinit.pyz")
    return path


def test_the_example(store: builds.Store, tmp_path: Path) -> None:
    """Two stages, gunicorn with two workers, not root; read-only as well, as it needs no more."""
    place = builds.context(tmp_path)
    store.build(place, place / "Dockerfile.example")
    with store.serve("--read-only", "--cap-drop=ALL") as service:
        assert harness.status_field(service.init, "Uid").split()[0] == "10001"
        assert service.stopped_under_load("/slow", "/slow") == (ANSWERED, 0)


def test_pip(store: builds.Store, tmp_path: Path) -> None:
    """The shortest one."""
    store.build(tmp_path, dockerfile("Dockerfile.pip", tmp_path))
    with store.serve() as service:
        assert service.stopped_under_load() == (ENDED, 128 + signal.SIGTERM)


def test_uv(store: builds.Store, tmp_path: Path) -> None:
    """A project with a lock file."""
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    store.run(tmp_path, "sh", "-c", "pip install --quiet uv && uv lock --quiet")
    store.build(tmp_path, dockerfile("Dockerfile.uv", tmp_path))
    with store.serve() as service:
        assert service.stopped_under_load("/slow", "/slow") == (ANSWERED, 0)


def test_the_single_file(store: builds.Store, tmp_path: Path) -> None:
    """Copied into an image."""
    file = dockerfile("Dockerfile.pyz", tmp_path)
    store.build(tmp_path, file)
    with store.serve() as service:
        assert service.stopped_under_load() == (ENDED, 128 + signal.SIGTERM)


def test_distroless(store: builds.Store, tmp_path: Path) -> None:
    """The last stage has an interpreter, and no shell."""
    assert not (image.DISTROLESS / "bin").exists()
    store.build(tmp_path, dockerfile("Dockerfile.distroless", tmp_path))
    with store.serve() as service:
        assert service.stopped_under_load("/slow", "/slow") == (ANSWERED, 0)
