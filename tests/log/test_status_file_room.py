"""A status file that cannot be written: said once, and written again as soon as it can be."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.harness import Container, python, until
from tests.kept import facts, until_told
from tests.terminals import until_settled

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("namespaces")

WAITING = python("record.py", "USR1", "TERM")
OPTIONS = ("--log-format", "json")


def signalled(container: Container, times: int) -> None:
    """Have something happen that is to be written, soon after it has."""
    for _ in range(times):
        container.signal(signal.SIGUSR1)
        container.expect("USR1")


def warning(container: Container) -> tuple[str, str, str]:
    """Wait for the next warning, and return it: what, where, why."""
    line = json.loads(container.line(2))
    return line["event"], line["path"], line["reason"]


def end(container: Container) -> None:
    """Tell the container to end, which warns of nothing else."""
    container.signal(signal.SIGTERM)
    assert container.errors() == ""
    assert container.wait() == 0


@pytest.fixture(params=["--status-file", "--metrics-file"])
def option(request: pytest.FixtureRequest) -> str:
    """Run the test for each file that is kept up to date."""
    return str(request.param)


@pytest.fixture
def full(tmp_path: Path, option: str) -> Iterator[tuple[Container, Path]]:
    """Have a container with its file on a small disk of its own; return where that is found."""
    mount = f'mount -t tmpfs -o size=32k none {tmp_path} && exec "$@"'
    options = [*OPTIONS, option, str(tmp_path / "kept.prom")]
    before = ["/bin/sh", "-c", mount, "sh"]
    with Container(WAITING, options=options, before=before) as container:
        container.expect("ready")
        place = Path(f"/proc/{container.pid}/root{tmp_path}")
        until((place / "kept.prom").exists, "the file is there", container.pid)
        yield container, place


def fill(container: Container, place: Path) -> None:
    """Take all the room there is, once the file that was replaced last has given back its own."""
    until_settled(container.pid)
    file = (place / "fill").open("wb", buffering=0)
    with file, pytest.raises(OSError, match="No space left"):
        file.writelines(itertools.repeat(bytes(4096)))


def test_a_full_disk(full: tuple[Container, Path]) -> None:
    """The last whole one stays; no draft is left."""
    container, place = full
    signalled(container, 1)
    until(lambda: "SIGUSR1" in (place / "kept.prom").read_text(), "it is told", container.pid)
    fill(container, place)
    old = (place / "kept.prom").read_bytes()
    signalled(container, 3)
    event, path, reason = warning(container)
    assert (event, reason) == ("not_written", "No space left on device")
    assert path.endswith("/kept.prom")
    until_settled(container.pid)
    assert (place / "kept.prom").read_bytes() == old
    assert sorted(os.listdir(place)) == ["fill", "kept.prom"]
    (place / "fill").unlink()
    signalled(container, 1)
    until(lambda: (place / "kept.prom").read_bytes() != old, "it is written again", container.pid)
    signalled(container, 1)
    end(container)


def test_each_time_that_it_begins_is_said(full: tuple[Container, Path]) -> None:
    """After one that was written the next failure is news."""
    container, place = full
    for _ in range(2):
        fill(container, place)
        signalled(container, 3)
        assert warning(container)[0] == "not_written"
        (place / "fill").unlink()
        old = (place / "kept.prom").stat().st_ino
        signalled(container, 1)
        until(lambda: (place / "kept.prom").stat().st_ino != old, "it is written", container.pid)  # noqa: B023
    end(container)


def test_a_directory_that_vanishes(namespaces: None, tmp_path: Path, option: str) -> None:
    """It is not made again by us; when somebody does, the file is there again."""
    place = tmp_path / "place"
    place.mkdir()
    options = [*OPTIONS, option, str(place / "kept.prom")]
    with Container(WAITING, options=options) as container:
        container.expect("ready")
        until((place / "kept.prom").exists, "the file is there", container.pid)
        signalled(container, 1)
        until(lambda: "SIGUSR1" in (place / "kept.prom").read_text(), "it is told", container.pid)
        shutil.rmtree(place)
        signalled(container, 3)
        event, _, reason = warning(container)
        assert (event, reason) == ("not_written", "No such file or directory")
        assert not place.exists()
        place.mkdir()
        signalled(container, 1)
        until((place / "kept.prom").exists, "the file is there again", container.pid)
        end(container)
        assert os.listdir(place) == ["kept.prom"]


def test_the_end_is_told_all_the_same(tmp_path: Path) -> None:
    """The command's exit code is not the disk's affair."""
    place = tmp_path / "place"
    place.mkdir()
    options = [*OPTIONS, "--status-file", str(place / "kept.prom")]
    with Container(
        ["sh", "-c", "echo ready; read _; exit 3"], options=options, stdin=subprocess.PIPE
    ) as container:
        container.expect("ready")
        until_told(place / "kept.prom", lambda told: told["child"], container)
        shutil.rmtree(place)
        container.close_stdin()
        assert container.wait() == 3
        (line,) = container.errors().splitlines()
        assert json.loads(line)["event"] == "not_written"
        assert facts(place / "kept.prom") == {}
