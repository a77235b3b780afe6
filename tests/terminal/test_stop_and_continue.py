"""TSTP to pyinit stops the command and CONT continues it, whatever groups and handlers there are.

The kernel discards TSTP, TTIN and TTOU at their default dispositions in a
process group that is orphaned: one in which nobody has a parent in the same
session and another group; see setpgid(2).  The command's own group is not, for
pyinit is that parent.  A command that goes back to pyinit's group, or makes a
session, is in such a group when pyinit leads its session.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.harness import (
    SUBREAPER,
    Container,
    children,
    python,
    status_field,
    until,
)
from tests.kept import facts, until_told
from tests.terminals import find, shell, state, until_settled

if TYPE_CHECKING:
    from pathlib import Path

CATCH = python("catch.py", "USR1", "CONT")
PLACES = {
    "own group": [],
    "pyinit's group": python("join.py", "group"),
    "own session": python("join.py", "session"),
}
ORPHANED = ["pyinit's group", "own session"]


def until_state(pid: int, *letters: str) -> None:
    """Wait until the state of ``pid`` is one of ``letters``."""
    until(lambda: state(pid) in letters, f"{pid} is in state {letters}")


@pytest.mark.parametrize("place", PLACES)
def test_tstp_stops_the_command_and_cont_continues_it(mode: str, place: str) -> None:
    """Three times; in an orphaned group, by STOP."""
    with Container([*PLACES[place], *CATCH], mode=mode, before=["setsid"]) as container:
        container.expect("ready")
        child = container.main_child()
        for _ in range(3):
            container.signal(signal.SIGTSTP)
            until_state(child, "T")
            until_settled(container.pid)
            container.signal(signal.SIGCONT)
            container.expect("CONT")
            until_state(child, "S")
        until_state(container.pid, "S")
        container.signal(signal.SIGUSR1)
        container.expect("USR1")


@pytest.mark.parametrize("place", PLACES)
def test_tstp_is_stop_only_where_it_would_be_discarded(mode: str, place: str) -> None:
    """The log names the signal that stopped the command; it is in the wait status."""
    command = [*PLACES[place], *CATCH]
    with Container(command, mode=mode, options=["-v"], before=["setsid"]) as container:
        container.expect("ready")
        container.signal(signal.SIGTSTP)
        line = ""
        while "child_stopped" not in line:
            line = container.line(fd=2)
            assert line
        assert ("SIGSTOP" if place in ORPHANED else "SIGTSTP") in line


@pytest.mark.parametrize("place", ORPHANED)
def test_the_kernel_discards_tstp_in_these_places(mode: str, place: str) -> None:
    """Sent to the command itself it does nothing: what pyinit does there is needed."""
    with Container([*PLACES[place], *CATCH], mode=mode, before=["setsid"]) as container:
        container.expect("ready")
        os.kill(container.main_child(), signal.SIGTSTP)
        container.signal(signal.SIGUSR1)
        container.expect("USR1")
        until_state(container.main_child(), "S")


@pytest.mark.parametrize("place", PLACES)
def test_a_command_that_handles_tstp_gets_tstp(mode: str, place: str) -> None:
    """It is not stopped: a shell or an editor has something to do first."""
    command = [*PLACES[place], *python("catch.py", "TSTP", "USR1")]
    with Container(command, mode=mode, before=["setsid"]) as container:
        container.expect("ready")
        container.signal(signal.SIGTSTP)
        container.expect("TSTP")
        container.signal(signal.SIGUSR1)
        container.expect("USR1")


@pytest.mark.parametrize("place", PLACES)
def test_a_command_that_blocks_tstp_gets_tstp(mode: str, place: str) -> None:
    """The kernel decides when a signal is delivered: as long as it is blocked it is queued.

    While sigwaitinfo(2) waits for it, /proc shows it as not blocked.
    """
    command = [*PLACES[place], *python("blocks_tstp.py")]
    with Container(command, mode=mode, before=["setsid"]) as container:
        container.expect("ready")
        container.signal(signal.SIGTSTP)
        child = container.main_child()
        until(lambda: int(status_field(child, "ShdPnd"), 16), "TSTP is queued")
        container.signal(signal.SIGUSR1)
        container.expect("USR1")
        container.expect("TSTP")


def test_a_group_is_stopped_and_continued_as_a_whole(mode: str) -> None:
    """With --group: the command and a child of it."""
    command = ["sh", "-c", "sleep 1000 & echo ready; wait"]
    with Container(command, mode=mode, options=["-g"], before=["setsid"]) as container:
        container.expect("ready")
        both = [container.main_child(), find(container, "sleep")]
        container.signal(signal.SIGTSTP)
        for pid in both:
            until_state(pid, "T")
        until_settled(container.pid)
        container.signal(signal.SIGCONT)
        for pid in both:
            until_state(pid, "S")


@pytest.mark.parametrize("number", [signal.SIGTTIN, signal.SIGTTOU])
def test_background_signals_sent_by_a_process_are_relayed(
    mode: str, number: signal.Signals
) -> None:
    """To one that handles them, and to one that is stopped by them."""
    name = number.name[3:]
    with Container(python("record.py", name), mode=mode) as container:
        container.expect("ready")
        container.signal(number)
        container.expect(name)
    with Container(CATCH, mode=mode, before=["setsid"]) as container:
        container.expect("ready")
        container.signal(number)
        until_state(container.main_child(), "T")
        until_settled(container.pid)
        container.signal(signal.SIGCONT)
        container.expect("CONT")


def test_background_signals_of_the_terminal_concern_pyinit_alone(namespaces: None) -> None:
    """The kernel sends them to the group of a background process that reads: another member of it.

    The command has the terminal; the process that pyinit became has left a child behind,
    which reads, and both it and pyinit are sent SIGTTIN.
    """
    record = " ".join(python("record.py", "-"))
    reader = " ".join(python("read_when_told.py"))
    with shell("bash") as (terminal, container):
        terminal.type(f"sh -c '{reader} </dev/tty & exec $PYINIT {record}'\n")
        terminal.expect("ready", "ready")
        pyinit = children(container.pid)[0]
        other, command = children(pyinit)
        until(lambda: terminal.foreground() == command, "the command has the terminal")
        os.kill(other, signal.SIGUSR1)
        until_state(other, "T")
        os.kill(pyinit, signal.SIGUSR1)
        terminal.expect("\r\n")
        terminal.expect_only("USR1")
        until_state(pyinit, "S")


@pytest.mark.parametrize("place", ["own group", "pyinit's group"])
@pytest.mark.parametrize("number", [signal.SIGTSTP, signal.SIGSTOP])
def test_a_job_stops_and_continues_with_the_command(
    number: signal.Signals, place: str, namespaces: None
) -> None:
    """When not PID 1: pyinit is stopped too, which is what the parent's waitpid(2) tells of."""
    command = [*PLACES[place], *CATCH]
    with Container(command, mode=SUBREAPER, before=python("own_group.py")) as container:
        container.expect("ready")
        child = container.main_child()
        for _ in range(3):
            os.kill(child, number)
            until_state(child, "T")
            until_state(container.pid, "T")
            container.signal(signal.SIGCONT)
            container.expect("CONT")
            until_state(container.pid, "S")
        container.signal(signal.SIGUSR1)
        container.expect("USR1")


@pytest.mark.parametrize("number", [signal.SIGTSTP, signal.SIGSTOP])
def test_the_status_file_of_a_job_that_has_stopped(
    number: signal.Signals, namespaces: None, tmp_path: Path
) -> None:
    """It says so: it is written before pyinit stops too, for then nobody is there to write it."""
    path = tmp_path / "status"
    options = ["--status-file", str(path)]
    before = python("own_group.py")
    with Container(CATCH, mode=SUBREAPER, before=before, options=options) as container:
        container.expect("ready")
        child = container.main_child()
        for _ in range(3):
            until_told(path, lambda told: told["child"]["state"] == "running", container)
            os.kill(child, number)
            until_state(container.pid, "T")
            assert facts(path)["child"]["state"] == "stopped"
            container.signal(signal.SIGCONT)
            container.expect("CONT")


@pytest.mark.parametrize("number", [signal.SIGTTIN, signal.SIGTSTP, signal.SIGSTOP])
def test_a_stop_without_a_terminal_is_pyinits_alone(
    number: signal.Signals, namespaces: None
) -> None:
    """Only a terminal stops whole groups: a script that stops pyinit is not to stop itself.

    The sleep is in pyinit's group, and would stop with it.
    """
    before = [*python("own_group.py"), "sh", "-c", 'sleep 1000 & exec "$@"', "sh"]
    with Container(CATCH, mode=SUBREAPER, before=before) as container:
        container.expect("ready")
        sleep = find(container, "sleep")
        command = next(pid for pid in children(container.pid) if pid != sleep)
        os.kill(command, number)
        until_state(container.pid, "T")
        assert (state(sleep), int(status_field(sleep, "ShdPnd"), 16)) == ("S", 0)


def test_a_continue_before_pyinit_knows_of_the_stop_is_not_lost(mode: str) -> None:
    """Pyinit finds both in its queue, the child's stop first; neither of them stays stopped.

    A stop signal discards a pending SIGCONT (signal(7)), and pyinit sends itself one.
    """
    with Container(CATCH[:-1], mode=mode, before=python("own_group.py")) as container:
        container.expect("ready")
        child = container.main_child()
        for _ in range(20):
            container.signal(signal.SIGSTOP)  # which can be neither blocked nor relayed
            until_state(container.pid, "T")
            os.kill(child, signal.SIGTSTP)
            until_state(child, "T")
            container.signal(signal.SIGCONT)
            until(lambda: state(child) == "S" and state(container.pid) == "S", "both go on")
        container.signal(signal.SIGUSR1)
        container.expect("USR1")
