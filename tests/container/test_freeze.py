"""A container that is stopped for a while by signals, as it has no cgroup of its own."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pyinit import Exit
from tests.harness import DEADLINE_S, python, status_field, until
from tests.spawning import line, rest, spawn

if TYPE_CHECKING:
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


def states(container: Container) -> set[str]:
    """Return the states of all processes, as in /proc/PID/stat."""
    found = set()
    for each in container.processes():
        with contextlib.suppress(OSError):  # one that its parent reaps before that stops
            found.add(status_field(each.pid, "State")[0])
    return found


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


def test_a_frozen_one_can_be_killed() -> None:
    """It is thawed for that: a stopped subreaper would not see its children end."""
    for kinds in ({"pid", "mount"}, {"mount"}):
        with spawn(python("record.py", "-", "TERM"), kinds=kinds) as container:
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
