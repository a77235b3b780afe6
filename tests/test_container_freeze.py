"""A container that is stopped for a while: by a cgroup of its own, or by signals."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pyinit import Exit
from tests import conftest
from tests.harness import DEADLINE_S, python, status_field, until
from tests.spawning import line, rest, spawn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyinit import Container

pytestmark = pytest.mark.usefixtures("namespaces")

RECORD = python("record.py", "TERM", "USR1")
# Writes a byte at each line that it reads, and starts processes all the time.
FORKING = """if True:
    import os, sys
    for line in sys.stdin:
        for _ in range(20):
            if not (pid := os.fork()):
                os._exit(0)
            os.waitpid(pid, 0)
        print("turn", flush=True)
"""


def hierarchies() -> list[str]:
    """Return where a freezer can be had: version 1's, or a cgroup below the root of version 2."""
    return [
        path
        for path in ("/sys/fs/cgroup/freezer", "/sys/fs/cgroup/unified", "/sys/fs/cgroup")
        if os.access(f"{path}/cgroup.procs", os.W_OK)
    ]


@contextlib.contextmanager
def cgroup(hierarchy: str) -> Iterator[Path]:
    """Make a cgroup, and remove it once nobody is in it any more."""
    if not hierarchy:
        conftest.missing("root, and cgroups that can be written to")
    directory = Path(hierarchy, f"pyinit-test-{os.getpid()}")
    directory.mkdir()
    try:
        yield directory
    finally:
        until(lambda: not (directory / "cgroup.procs").read_text(), "the cgroup is empty")
        directory.rmdir()


def states(container: Container) -> set[str]:
    """Return the states of all processes, as in /proc/PID/stat."""
    return {status_field(each.pid, "State")[0] for each in container.processes()}


@pytest.mark.parametrize("hierarchy", hierarchies() or [""])
def test_by_a_cgroup_of_its_own(hierarchy: str) -> None:
    """Which is said; nobody inside notices, and what came meanwhile comes afterwards."""
    with cgroup(hierarchy) as directory, spawn(RECORD, cgroup=directory) as container:
        assert line(container.stdout) == "ready"
        version = 1 if hierarchy.endswith("freezer") else 2
        assert container.freeze() == f"cgroup v{version} {directory}"
        name, value = ("freezer.state", "FROZEN") if version == 1 else ("cgroup.freeze", "1")
        assert (directory / name).read_text().strip() == value
        container.send_signal(signal.SIGUSR1)
        with pytest.raises(TimeoutError):
            container.wait(0.05)
        assert container.thaw() == f"cgroup v{version} {directory}"
        assert line(container.stdout) == "USR1"
        assert container.stop(1000) == Exit(0)


@pytest.mark.parametrize("hierarchy", hierarchies() or [""])
def test_a_cgroup_that_is_shared_is_left_alone(hierarchy: str) -> None:
    """Others in it would be frozen as well: it is done by signals then."""
    with cgroup(hierarchy) as directory, spawn(RECORD, cgroup=directory) as container:
        assert line(container.stdout) == "ready"
        with subprocess.Popen(["sleep", "1000"]) as other:
            try:
                (directory / "cgroup.procs").write_text(str(other.pid))
                assert container.freeze() == "SIGSTOP to 2 processes"
                assert status_field(other.pid, "State")[0] == "S"
                assert container.thaw() == "SIGCONT to 2 processes"
            finally:
                other.kill()
        container.kill()


@pytest.mark.parametrize("kinds", [{"pid", "mount"}, {"mount"}], ids=["pid", "no-pid"])
def test_by_signals(kinds: set[str]) -> None:
    """All processes are stopped, and the caller and its other children are not."""
    with spawn(RECORD, kinds=kinds) as container:
        assert line(container.stdout) == "ready"
        assert container.freeze() == "SIGSTOP to 2 processes"
        until(lambda: states(container) == {"T"}, "all have stopped")
        container.send_signal(signal.SIGUSR1)
        assert container.thaw() == "SIGCONT to 2 processes"
        assert line(container.stdout) == "USR1"
        assert container.stop(1000) == Exit(0)


def test_while_it_forks() -> None:
    """Nobody who was born meanwhile runs on."""
    argv = [sys.executable, "-IS", "-c", FORKING]
    with spawn(argv, stdin=subprocess.PIPE) as container:
        assert container.stdin is not None
        for _ in range(5):
            container.stdin.write(b"\n")
            assert container.freeze().startswith("SIGSTOP to ")
            until(lambda: states(container) <= {"T", "Z"}, "all have stopped")
            container.thaw()
            assert line(container.stdout) == "turn"


@pytest.mark.parametrize("hierarchy", [*hierarchies(), ""])
def test_a_frozen_one_can_be_killed(hierarchy: str) -> None:
    """In a frozen cgroup of version 1 not even SIGKILL ends anybody: it is thawed for that."""
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(cgroup(hierarchy)) if hierarchy else ()
        container = stack.enter_context(spawn(python("record.py", "-", "TERM"), cgroup=directory))
        assert line(container.stdout) == "ready"
        container.freeze()
        assert container.kill() == Exit(128 + signal.SIGKILL, signal.SIGKILL)
        assert not rest(container.stdout)


def test_one_that_has_ended() -> None:
    """There is nobody to be frozen."""
    with spawn(["true"]) as container:
        container.wait(DEADLINE_S)
        for act in (container.freeze, container.thaw):
            with pytest.raises(ProcessLookupError):
                act()
