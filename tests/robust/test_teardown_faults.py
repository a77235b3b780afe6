"""A system call that fails during the teardown takes TERM and the grace from nobody.

A grace of 1000 s in a test says that the leftovers ended by TERM.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

import pyinit
from tests.harness import PID1, PROGRAMS, PYINIT, SUBREAPER, Container, python, run, unexplained

DIRECTORY = str(Path(pyinit.__file__).parent.parent)
OFTEN = 1_000_000


def broken(times: int, error: str, path: str) -> tuple[str, ...]:
    """Return the start of a pyinit in which the function at ``path`` fails so many times."""
    how = f"{times}:{error}" if error else str(times)
    return (sys.executable, "-IS", str(PROGRAMS / "broken.py"), how, path, DIRECTORY)


def without(error: int, *calls: str) -> list[str]:
    """Return what stands before pyinit so that system calls fail, as under a seccomp profile."""
    return python("filtered.py", str(error), ",".join(calls))


def assert_ended(
    manner: str,
    *,
    mode: str,
    kind: str = "daemon",
    number: int = 3,
    init: tuple[str, ...] = PYINIT,
    before: tuple[str, ...] | list[str] = (),
) -> None:
    """Assert that each of some leftovers gets TERM, and is not killed before the grace is over."""
    with Container(
        python("leave.py", kind, manner, str(number)),
        options=["--grace", "1000" if manner == "end" else "0.5"],
        mode=mode,
        init=init,
        before=before,
        stdin=subprocess.PIPE,
    ) as container:
        for _ in range(number):
            container.expect("ready")
        container.close_stdin()
        for _ in range(number):
            container.expect("TERM")
        assert container.wait() == 7
        if mode == SUBREAPER:
            assert container.survivors == []


@pytest.mark.parametrize("error", ["EMFILE", "ENOMEM", "EIO"])
@pytest.mark.parametrize("path", ["kernel.proc.pids", "kernel.proc.read", "posix.pidfd_open"])
def test_what_fails_once_is_tried_again(path: str, error: str, namespaces: None) -> None:
    """To list /proc, to read in it, and to hold on to one that is no child of a subreaper."""
    assert_ended("end", mode=SUBREAPER, kind="deep", init=broken(2, error, path))


@pytest.mark.parametrize("manner", ["end", "ignore"])
def test_a_list_that_can_never_be_had(manner: str, namespaces: None) -> None:
    """As without /proc a subreaper asks the kernel for its children, who get TERM and KILL."""
    assert_ended(manner, mode=SUBREAPER, init=broken(OFTEN, "EMFILE", "kernel.proc.pids"))


@pytest.mark.parametrize("name", ["signal", "left"])
def test_each_action_is_guarded_by_itself(name: str, mode: str) -> None:
    """Where one fails the next one is done all the same, and the one that failed is done again."""
    scope = "scope.OwnNamespace" if mode == PID1 else "lineage.Descendants"
    assert_ended("end", mode=mode, init=broken(1, "", f"{scope}.{name}"))


@pytest.mark.parametrize("manner", ["end", "ignore"])
@pytest.mark.parametrize(
    ("error", "call", "kind"),
    [(1, "waitid", "daemon"), (38, "waitid", "deep"), (38, "pidfd_open", "deep")],
)
def test_a_filter_of_system_calls(
    manner: str, error: int, call: str, kind: str, namespaces: None
) -> None:
    """EPERM or ENOSYS, as under a seccomp profile: there is another way."""
    assert_ended(manner, mode=SUBREAPER, kind=kind, before=without(error, call))


def test_nobody_is_left_under_a_filter(mode: str) -> None:
    """Without waitid(2) the end of the command is the end all the same, and not the grace."""
    before = without(1, "waitid")
    script = "kill -TERM $$"
    code, _, err = run(["sh", "-c", script], mode=mode, before=before, options=["--grace", "1000"])
    assert (code, unexplained(err)) == (128 + signal.SIGTERM, "")
