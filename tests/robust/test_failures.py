"""Once the command runs, no failure inside pyinit ends it: the container is not its own to end."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

import pyinit
from tests.cases import in_turn
from tests.harness import PROGRAMS, Container, python, run
from tests.terminals import SETSID, Terminal

DIRECTORY = str(Path(pyinit.__file__).parent.parent)
EXERCISED = "relayed\nreaped\nTERM\n"


def broken(times: int, path: str) -> tuple[str, ...]:
    """Return the start of a pyinit in which the function at ``path`` fails so many times."""
    return (sys.executable, "-IS", str(PROGRAMS / "broken.py"), str(times), path, DIRECTORY)


def without(*modules: str) -> tuple[str, ...]:
    """Return the start of a pyinit that cannot import ``modules``."""
    names = ",".join(modules)
    return (sys.executable, "-IS", str(PROGRAMS / "without.py"), names, DIRECTORY)


@pytest.mark.parametrize(
    "path",
    [
        "supervisor._install_handlers",
        "reaper.Reaper.reap",
        "supervisor.Supervisor._run_once",
        "supervisor.Supervisor._ask_who_is_left",
        "supervisor.Supervisor._tear_down",
        "child.Child.tell_of_end",
        "stopping.teardown.Teardown._run_once",
        "stopping.teardown.Teardown._arm_grace",
        "kernel.proc.ProcessStat.__init__",
        "kernel.proc.is_ours",
    ],
)
def test_a_failure_in_the_loop_is_survived(namespaces: None, path: str) -> None:
    """What fails is tried again, so that the end is noticed, and the right code given."""
    code, out, err = run(python("exercise.py"), init=broken(2, path))
    assert code == 7
    assert out.startswith("relayed\nreaped\n")
    assert "Traceback" not in err


@in_turn(
    "name",
    ["signal", "expire", "_step", "_relay", "_begin_drain", "_release", "_start_hook", "_announce"],
)
def test_a_failure_in_a_stop_is_survived(mode: str, name: str) -> None:
    """The stop signal reaches the command, drain and pre-stop command or not."""
    options = ["--drain", "0.1", "--pre-stop", "true", "--notify"]
    init = broken(2, f"stopping.stop.Stop.{name}")
    with Container(python("record.py", "TERM"), mode=mode, init=init, options=options) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        assert container.wait() == 0
        assert "Traceback" not in container.errors()


@in_turn("name", ["expire", "_arm_plan", "_escalate", "_relay"])
def test_a_failure_in_a_plan_is_survived(mode: str, name: str) -> None:
    """The plan goes on: a command that does not heed TERM is killed all the same."""
    options = ["--escalate", "KILL@0.1,KILL@0.2,KILL@0.3"]
    init = broken(2, f"stopping.stop.Stop.{name}")
    command = python("record.py", "-", "TERM")
    with Container(command, mode=mode, init=init, options=options) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        assert container.wait() == 128 + signal.SIGKILL
        assert "Traceback" not in container.errors()


@in_turn(
    "path",
    [
        "log.names.names",
        "log.names.name",
        "log.senders.describe_sender",
        "report.record.Record.take",
        "report.record.Record.finish",
        "log.sink.Sink.write",
        "log.lines.LineWriter._load",
        "signals.name",
    ],
)
def test_a_log_that_always_fails_changes_nothing(mode: str, path: str) -> None:
    """It is there to tell what happens, not to take part in it."""
    init = broken(1_000_000, path)
    code, out, _ = run(python("exercise.py"), mode=mode, init=init, options=["-vv", "-w"])
    assert (code, out) == (7, EXERCISED)


def test_a_failure_is_said(mode: str) -> None:
    """Unless nothing is to be said at all: with its place, for the one who reports it."""
    init = broken(1, "supervisor.Supervisor._run_once")
    for options in ([], ["-q"]):
        err = run(python("exercise.py"), mode=mode, init=init, options=options)[2]
        assert "internal_error" in err
        assert "RuntimeError" in err


def test_a_record_that_always_fails_is_said_once(namespaces: None) -> None:
    """What is missing in the report has a reason then."""
    init = broken(1_000_000, "report.record.Record.take")
    err = run(python("exercise.py"), init=init, options=["-vv"])[2]
    assert err.count("internal_error") == 1
    assert "report.record.Record.take" in err


@pytest.mark.parametrize("module", ["pyinit.supervisor", "pyinit.lifecycle"])
def test_a_loop_that_cannot_be_loaded_leaves_a_simple_one(module: str, namespaces: None) -> None:
    """A disk that fails when the command runs already: it relays, reaps and ends leftovers."""
    code, out, err = run(python("exercise.py"), init=without(module))
    assert (code, out) == (7, EXERCISED)
    assert "only relaying, reaping and ending leftovers" in err


def test_a_teardown_that_cannot_be_loaded_leaves_a_simple_one(namespaces: None) -> None:
    """What is loaded when somebody is left; PID 1 has none of it before."""
    code, out, err = run(python("exercise.py"), init=without("pyinit.scope"))
    assert (code, out) == (7, EXERCISED)
    assert err.count("pyinit.scope") == 1


@in_turn("modules", [("structlog",), ("structlog", "psutil", "select")])
def test_it_works_and_speaks_without_what_it_depends_on(
    mode: str, modules: tuple[str, ...]
) -> None:
    """A copied directory and no more: words are plain, names are those that the kernel keeps."""
    init = without(*modules)
    code, out, err = run(python("exercise.py"), mode=mode, init=init, options=["-vv", "-w"])
    assert (code, out) == (7, EXERCISED)
    for event in ("child_started", "signal_relayed", "child_exited", "exiting"):
        assert event in err
    assert "internal_error" not in err
    assert "Traceback" not in err


def faulty(call: str) -> tuple[str, ...]:
    """Return the start of a pyinit in which ``call`` fails once it has forked the command."""
    return (sys.executable, "-IS", str(PROGRAMS / "faulty.py"), call, DIRECTORY)


@pytest.mark.parametrize("call", ["read", "close"])
def test_a_failure_between_fork_and_loop_is_survived(namespaces: None, call: str) -> None:
    """The pipe that says whether the command was started is the init's own matter."""
    options = ["--env", "A=1"]  # else it is posix_spawn(3) that starts the command
    result = run(python("exercise.py"), init=faulty(call), options=options)
    assert result == (7, EXERCISED, "")


def test_a_terminal_that_cannot_be_closed_is_survived(namespaces: None) -> None:
    """The command has it already."""
    with Terminal() as terminal:
        container = Container(
            ["sh", "-c", "read line; echo got $line; exit 7"],
            init=(*SETSID, *faulty("close")),
            stdin=terminal.slave,
            stdout=terminal.slave,
            stderr=terminal.slave,
        )
        with container:
            terminal.type("word\n")
            terminal.expect("got word\r\n")
            assert container.wait() == 7
