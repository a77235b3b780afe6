"""A clock that stands still keeps no deadline from coming: a wait that has run out is time."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import pyinit
from pyinit.kernel import clock
from tests.harness import PROGRAMS, Container, children, python, until
from tests.stopping.test_teardown_blocked import WALL, seize

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.usefixtures("namespaces")

DIRECTORY = str(Path(pyinit.__file__).parent.parent)


def container_of(command: Sequence[str], *options: str, what: str = "clocks") -> Container:
    """Return a container whose init sees the clock stand still, and no other."""
    init = (sys.executable, "-IS", str(PROGRAMS / "timeless.py"), what, DIRECTORY)
    return Container(command, init=init, options=options, stdin=subprocess.PIPE)


def end_main_child(container: Container) -> None:
    """Close the stdin of leave.py."""
    container.close_stdin()


def test_the_grace_ends() -> None:
    """And the leftover is killed, which ignores TERM."""
    with container_of(python("leave.py", "plain", "deaf"), "--grace", "0.2") as container:
        container.expect("ready")
        end_main_child(container)
        assert container.wait() == 7


def test_the_bound_of_a_kill_comes() -> None:
    """The leftover is a zombie then that only its tracer can reap, here the test."""
    with container_of(python("leave.py", "session", "ignore"), "--grace", "0") as container:
        container.expect("ready")
        (leftover,) = children(container.main_child())
        seize(leftover)
        try:
            end_main_child(container)
            assert "leftovers_blocked" in container.line(2)
        finally:
            os.kill(leftover, signal.SIGKILL)
            os.waitpid(leftover, WALL)
        assert container.wait() == 7


@pytest.mark.parametrize("hook", [(), ("--pre-stop", "sleep 1000")])
def test_the_drain_ends(hook: Sequence[str]) -> None:
    """Also one with a command that would take longer."""
    with container_of(python("record.py", "TERM"), "--drain", "0.2", *hook) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        assert container.wait() == 0


def test_the_plan_goes_on() -> None:
    """Its times are from the relay on: the second step comes after the first."""
    plan = ("--escalate", "USR1@0.1,KILL@0.2")
    with container_of(python("record.py", "-", "USR1", "TERM"), *plan) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        container.expect("USR1")
        assert container.wait() == 128 + signal.SIGKILL


def test_signals_meanwhile_keep_no_deadline_from_coming() -> None:
    """Then no wait runs out, and the kernel's own count of time is what there is (times(2))."""
    command = python("leave.py", "plain", "deaf")
    with container_of(command, "--grace", "0.3", what="clock") as container:
        container.expect("ready")
        end_main_child(container)

        def ends() -> bool:
            """Send another signal unless it has ended."""
            with contextlib.suppress(ProcessLookupError):
                container.signal(signal.SIGWINCH)
            return container.process.poll() is not None

        until(ends, "the grace is over")
        assert container.wait() == 7


def test_time_does_not_go_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deadline would come that much later."""
    moments = iter((100.0, 101.0, 50.0, 102.5))
    monkeypatch.setattr("time.monotonic", lambda: next(moments))
    monkeypatch.setattr("posix.times", lambda: (_ for _ in ()).throw(OSError()))
    found = clock.Clock()
    assert [found.now(), found.now(), found.now()] == [1.0, 1.0, 2.5]
