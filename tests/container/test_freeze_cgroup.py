"""A container that is stopped for a while by a cgroup of its own, where there can be one."""

from __future__ import annotations

import signal
import subprocess
import time

import pytest

from pyinit import Exit
from pyinit.container import freezer
from pyinit.kernel import clock
from tests.freezers import cgroup, hierarchies
from tests.harness import python, status_field, until
from tests.spawning import line, rest, spawn

pytestmark = [
    pytest.mark.usefixtures("namespaces"),
    pytest.mark.parametrize("hierarchy", hierarchies() or [""]),
]

RECORD = python("record.py", "TERM", "USR1")


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


def test_a_cgroup_that_is_shared_is_left_alone(hierarchy: str) -> None:
    """Others in it would be frozen as well: it is done by signals then."""
    with cgroup(hierarchy) as directory, spawn(RECORD, cgroup=directory) as container:
        assert line(container.stdout) == "ready"
        with subprocess.Popen(["sleep", "1000"]) as other:
            try:
                until(lambda: status_field(other.pid, "State")[0] == "S", "it sleeps")
                (directory / "cgroup.procs").write_text(str(other.pid))
                assert container.freeze() == "SIGSTOP to 2 processes"
                assert status_field(other.pid, "State")[0] == "S"
                assert container.thaw() == "SIGCONT to 2 processes"
            finally:
                other.kill()
        container.kill()


def test_a_frozen_one_can_be_killed(hierarchy: str) -> None:
    """In a frozen cgroup of version 1 not even SIGKILL ends anybody: it is thawed for that."""
    argv = python("record.py", "-", "TERM")
    with cgroup(hierarchy) as directory, spawn(argv, cgroup=directory) as container:
        assert line(container.stdout) == "ready"
        container.freeze()
        assert container.kill() == Exit(128 + signal.SIGKILL, signal.SIGKILL)
        assert not rest(container.stdout)


def test_one_that_does_not_freeze_is_given_up_while_the_clock_stands_still(
    hierarchy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pauses between two looks count as time that has passed; the clock is a mock here."""
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        assert sum(pauses) < 2 * freezer._BOUND_S, "it waits for ever"

    monkeypatch.setattr(time, "monotonic", lambda: 0.0)
    monkeypatch.setattr(time, "sleep", pause)
    monkeypatch.setattr(clock, "_elapsed_s", lambda: 0.0)
    with pytest.raises(TimeoutError, match="has not changed within 10 seconds"):
        freezer._await(lambda: False, hierarchy)
