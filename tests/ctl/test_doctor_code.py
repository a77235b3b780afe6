"""``pyinitctl doctor``: whose code runs in a pyinit, by variables and by threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests import foreign
from tests.ctl.doctors import examine, finding, named, severities, use_cgroup
from tests.harness import Container, python

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("namespaces")

WAITING = (*foreign.NO_THREAD, *python("record.py", "TERM"))


@pytest.fixture(autouse=True)
def calm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep what has happened on this machine before out of the way."""
    use_cgroup(monkeypatch, tmp_path, memory_events="oom_kill 0\n")


def of_code(found: Any) -> dict[str, str]:
    """Return the findings of this kind: how full the machine is says another check."""
    ours = ("python-variables", "loader-variables", "init-threads")
    return {name: severity for name, severity in severities(found).items() if name in ours}


def test_a_pyinit_that_has_started_itself_once_more(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Nothing of it is left in the process, but it was there."""
    path = f"PYTHONPATH={foreign.sitecustomize(tmp_path)}"
    with Container(WAITING, before=("env", path)) as container:
        container.expect("ready")
        found = examine(capsys, container.pid)
    assert of_code(found) == {"python-variables": "hint"}
    told = finding(found, "python-variables")
    assert named(told) == [1]
    assert "was started with PYTHONPATH, and started itself again without" in told["what"]
    assert "pyinitctl install" in told["remedy"]


def test_a_pyinit_that_could_not(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Modules of others are in the process, and their threads."""
    path = f"PYTHONPATH={foreign.sitecustomize(tmp_path)}"
    before = ("env", path, "FOREIGN_PYTHON=/bin/false")
    with Container(WAITING, before=before) as container:
        container.expect("ready")
        found = examine(capsys, container.pid)
    assert of_code(found) == {"python-variables": "problem", "init-threads": "hint"}
    assert "reads PYTHONPATH" in finding(found, "python-variables")["what"]
    assert " has 1 thread that" in finding(found, "init-threads")["what"]


def test_libraries_from_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    """LD_LIBRARY_PATH has led the loader, wherever it has taken the libraries from in the end."""
    with Container(WAITING, before=("env", "LD_LIBRARY_PATH=/nowhere")) as container:
        container.expect("ready")
        found = examine(capsys, container.pid)
    assert of_code(found) == {"loader-variables": "hint"}
    assert "started with LD_LIBRARY_PATH" in finding(found, "loader-variables")["what"]


def test_libraries_that_were_left_out(
    capsys: pytest.CaptureFixture[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """LD_PRELOAD is for the command alone after the restart, although /proc/1/environ has it."""
    preload = f"LD_PRELOAD={foreign.library(tmp_path_factory)}"
    with Container(WAITING, before=("env", preload)) as container:
        container.expect("ready")
        found = examine(capsys, container.pid)
    assert of_code(found) == {}
