"""Under a seccomp profile from before newer system calls, which answers EPERM to each of them.

As docker's did up to 20.10: the C library takes ENOSYS for an old kernel, and EPERM for a refusal.
"""

from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness import logged, python, run
from tests.log.test_report_file import WITHOUT_OVERRIDE

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("namespaces")

NEWER = "clone3,close_range,faccessat2,openat2,pidfd_getfd,pidfd_open,pwritev2,statx"
EXERCISED = "relayed\nreaped\nTERM\n"


def without(names: str) -> list[str]:
    """Return what stands before pyinit to have these system calls refused."""
    return python("filtered.py", str(errno.EPERM), names)


def assert_it_does_all(mode: str, tmp_path: Path, **how: Any) -> None:
    """Assert that an init started so does its work, with its log and every file."""
    options = ["-vv"]
    for name in ("report", "status-file", "metrics-file"):
        options += [f"--{name}", str(tmp_path / f"{name}.prom")]
    code, out, errors = run(python("exercise.py"), options=options, mode=mode, **how)
    assert (code, out) == (7, EXERCISED)
    events = [event["event"] for event in logged(errors)]
    assert "exiting" in events
    assert not {"internal_error", "not_written"} & set(events)
    assert json.loads((tmp_path / "report.prom").read_text())["exit_code"] == 7


def test_all_that_an_init_does(mode: str, tmp_path: Path) -> None:
    """Nothing of it fails."""
    assert_it_does_all(mode, tmp_path, before=without(NEWER))


@pytest.mark.parametrize("names", ["faccessat2", "faccessat,faccessat2"])
@pytest.mark.parametrize("exists", [True, False])
def test_what_cannot_be_asked_is_tried(names: str, tmp_path: Path, *, exists: bool) -> None:
    """A place that can be written is no mistake."""
    path = tmp_path / "report"
    if exists:
        path.write_text("old")
    assert run(["true"], options=["--report", str(path)], before=without(names)) == (0, "", "")
    assert json.loads(path.read_text())["exit_code"] == 0
    assert os.listdir(tmp_path) == ["report"]


def test_what_cannot_be_asked_is_a_mistake_all_the_same(tmp_path: Path) -> None:
    """Where it cannot be written."""
    tmp_path.chmod(0o555)
    before = [*WITHOUT_OVERRIDE, *without("faccessat,faccessat2")]
    options = ["--report", str(tmp_path / "report")]
    code, out, errors = run(["echo", "started"], options=options, before=before)
    assert (code, out) == (125, "")
    assert f"directory '{tmp_path}' is read-only or belongs to another user" in errors


def test_why_a_command_cannot_be_executed(tmp_path: Path) -> None:
    """It is found out by what older kernels have."""
    path = tmp_path / "script"
    path.write_text("#!/etc/passwd\n")
    path.chmod(0o755)
    code, _, errors = run([str(path)], before=without("faccessat2"))
    assert code == 126
    assert "its interpreter '/etc/passwd' cannot be executed" in errors
