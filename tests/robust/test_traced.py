"""A process that makes its parent its tracer (PTRACE_TRACEME) is let go on: pyinit traces nobody.

It stops for each signal but KILL until its tracer says otherwise, and CONT does not continue it.
"""

from __future__ import annotations

import json
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.harness import PID1, SUBREAPER, Container, logged, python, run
from tests.robust.test_failures import broken
from tests.services.boxes import box, told
from tests.terminal.test_stop_and_continue import until_state
from tests.terminals import until_settled

if TYPE_CHECKING:
    from pathlib import Path


def gets_its_signals(container: Container) -> None:
    """Assert that the command gets USR1, and TERM, which ends it."""
    container.expect("ready")
    container.signal(signal.SIGUSR1)
    container.expect("USR1")
    container.signal(signal.SIGTERM)
    container.expect("TERM")
    assert container.wait() == 0


@pytest.mark.parametrize("kind", ["main", "exec"])
def test_a_command_gets_its_signals(kind: str, mode: str) -> None:
    """Each that it is sent, and not the SIGTRAP that ptrace(2) makes of its execve(2)."""
    with Container(python("traced.py", kind), mode=mode) as container:
        gets_its_signals(container)


def test_a_command_gets_its_signals_when_the_supervisor_cannot_be_loaded(mode: str) -> None:
    """What goes on without it takes no stop for an end; the log says what failed."""
    init = broken(1, "assembly.started")
    with Container(python("traced.py", "main"), mode=mode, init=init) as container:
        gets_its_signals(container)
        assert "internal error" in container.errors()


@pytest.mark.parametrize("kind", ["main", "exec", "thread"])
def test_a_service_gets_its_signals(kind: str, mode: str, tmp_path: Path) -> None:
    """Its supervisor is the tracer, and takes no stop for its end."""
    command = json.dumps(python("traced.py", kind))
    text = f'[service.a]\nsignals = ["USR1"]\ncommand = {command}\n'
    with box(tmp_path, text, mode=mode, options=("-v",)) as container:
        said = {container.line()} if kind != "thread" else {container.line(), container.line()}
        if kind != "thread":
            container.signal(signal.SIGUSR1)
            said.add(container.line())
        assert said == {"ready", "USR1"}
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        assert container.wait() == 0
        exits = [each for each in told(container) if each["event"] == "service_exited"]
        assert [each["exit_code"] for each in exits] == [0]


def test_a_thread_gets_its_signal(namespaces: None) -> None:
    """It is none of the children, but waited for as if it were one."""
    with Container(python("traced.py", "thread"), options=["-vv"]) as container:
        assert sorted(container.line() for _ in range(2)) == ["USR1", "ready"]
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        assert container.wait() == 0
        events = [e for e in logged(container.errors()) if e["event"] == "tracee_released"]
        assert [event["signal"] for event in events] == ["SIGUSR1"]


def test_an_orphan_that_is_left_is_ended_by_term(mode: str) -> None:
    """Within a grace of 1000 s."""
    with Container(
        python("traced.py", "orphan"),
        mode=mode,
        options=["--grace", "1000"],
        stdin=subprocess.PIPE,
    ) as container:
        container.expect("ready")
        container.close_stdin()
        container.expect("TERM")
        assert container.wait() == 7
        if mode == SUBREAPER:
            assert container.survivors == []


def test_a_stop_is_one_of_job_control_then(namespaces: None) -> None:
    """SIGSTOP stops it; a stop signal is followed by CONT."""
    with Container(python("traced.py", "stop"), options=["-v"], mode=PID1) as container:
        container.expect("ready")
        until_state(container.main_child(), "T")
        until_settled(container.pid)
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        assert container.wait() == 0
        events = [event["event"] for event in logged(container.errors())]
        assert events.count("child_stopped") == 1


def test_another_sigtrap_is_its_own(namespaces: None) -> None:
    """As of a breakpoint or an assertion: it has another code than that of execve(2)."""
    code, out, _ = run(python("traced.py", "trap"))
    assert (code, out) == (128 + signal.SIGTRAP, "")
