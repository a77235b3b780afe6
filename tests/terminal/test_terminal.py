"""The command gets the foreground of the controlling terminal if pyinit's own group has it."""

from __future__ import annotations

import os
import select
import signal

import pytest

from tests.harness import MODES, Container, children, python, run, until
from tests.terminals import (
    END,
    INTERRUPT,
    SETSID,
    SUSPEND,
    Terminal,
    find,
    session,
    shell,
    state,
    until_settled,
)

# Below a shell: its group, and the shell's, have no number in the new PID namespace.
UNSHARE = "unshare --pid --fork --mount-proc"


@pytest.mark.parametrize("mode", MODES)
def test_the_leader_of_a_session_hands_its_terminal_to_the_command(
    mode: str, namespaces: None
) -> None:
    """As a container with a terminal is started: typed lines reach it, and their end."""
    with session(["cat"], mode=mode) as (terminal, container):
        cat = find(container, "cat")
        until(lambda: terminal.foreground() == cat, "the command has the terminal")
        terminal.type("one\n")
        terminal.expect("one\r\n")
        terminal.type(END)
        assert container.wait() == 0


@pytest.mark.parametrize("mode", MODES)
def test_after_a_command_that_left_a_daemon(mode: str, namespaces: None) -> None:
    """With --wait-all ^C is a stop, and the daemon does not hear of the window's new size."""
    command = python("daemon.py", "WINCH", "HUP")
    with session(command, mode=mode, options=["--wait-all"]) as (terminal, container):
        terminal.expect("ready\r\n")
        until(lambda: terminal.foreground() == os.getpgid(container.pid), "pyinit has the terminal")
        terminal.resize(40, 99)
        container.signal(signal.SIGHUP)
        terminal.expect_only("HUP")
        terminal.type(INTERRUPT)
        terminal.expect_only("TERM")
        assert container.wait() == 3


@pytest.mark.parametrize("name", ["bash", "dash"])
def test_after_a_daemon_pid_1_has_a_terminal_of_a_group_outside(
    name: str, namespaces: None
) -> None:
    """Its group has no number that tcsetpgrp(3) takes; the shell takes the terminal back."""
    daemon = " ".join(python("daemon.py"))
    with shell(name) as (terminal, container):
        terminal.type(f"{UNSHARE} $PYINIT --wait-all {daemon}\n")
        terminal.expect("ready\r\n")
        pyinit = find(container, "pyinit")
        until(lambda: terminal.foreground() == os.getpgid(pyinit), "pyinit has the terminal")
        terminal.type(INTERRUPT)
        terminal.expect("TERM\r\nended\r\n")
        terminal.type("echo ended-with-$?\n")
        terminal.expect("ended-with-3\r\n")


@pytest.mark.parametrize("name", ["bash", "dash"])
def test_pid_1_hands_over_a_terminal_of_a_group_outside(name: str, namespaces: None) -> None:
    """The groups read as 0 in the PID namespace: who is the foreground is found in another way."""
    with shell(name) as (terminal, container):
        terminal.type(f"{UNSHARE} $PYINIT cat\n")
        terminal.type("one\n")
        terminal.expect("one\r\n")
        assert terminal.foreground() == find(container, "cat")
        terminal.type(END)
        terminal.type("echo shell-reads\n")
        terminal.expect("shell-reads\r\n")


@pytest.mark.parametrize("name", ["bash", "dash"])
def test_pid_1_in_the_background_does_not_take_the_terminal(name: str, namespaces: None) -> None:
    """The read that tells neither takes what is typed nor stops the job."""
    with shell(name) as (terminal, container):
        terminal.type(f"{UNSHARE} $PYINIT sleep 1000 &\n")
        sleep = find(container, "sleep")
        assert terminal.foreground() == container.pid
        terminal.type("echo shell-reads\n")
        terminal.expect("shell-reads\r\n")
        assert terminal.foreground() == container.pid
        until(lambda: state(sleep) == "S", "the command runs")


@pytest.mark.parametrize("name", ["bash", "dash"])
def test_fg_of_pid_1_gives_the_terminal_to_a_command_that_reads(
    name: str, namespaces: None
) -> None:
    """The kernel stops the command for its read, and pyinit has the terminal then."""
    program = " ".join(python("read_when_told.py"))
    with shell(name) as (terminal, container):
        terminal.type(f"{UNSHARE} $PYINIT {program} &\n")
        terminal.expect("ready\r\n")
        child = container.descendants()[-1]
        terminal.type("fg\n")
        until(lambda: terminal.foreground() != container.pid, "the job has the terminal")
        os.kill(child, signal.SIGUSR1)
        until(lambda: terminal.foreground() == child, "the command has the terminal")
        terminal.type("one\n")
        terminal.expect("read one\r\n")


@pytest.mark.parametrize("mode", MODES)
def test_a_command_that_the_terminal_stopped_is_continued_by_a_signal(
    mode: str, namespaces: None
) -> None:
    """Nobody else could: pyinit leads the session, and no shell waits for it."""
    with session(["cat"], mode=mode) as (terminal, container):
        cat = find(container, "cat")
        terminal.type("one\n")
        terminal.expect("one\r\n")
        terminal.type(SUSPEND)
        until(lambda: state(cat) == "T", "the command is stopped")
        until_settled(container.pid)
        container.signal(signal.SIGCONT)
        until(lambda: state(cat) == "S", "the command goes on")
        terminal.type("two\n")
        terminal.expect("two\r\n")
        assert terminal.foreground() == cat


ONLY_PTS = """
mount --bind /dev/pts /mnt && mount -t tmpfs none /dev && mkdir /dev/pts &&
mount --bind /mnt /dev/pts && mount -t tmpfs none /proc && exec "$@"
"""
ENTRIES = {
    "closed stdin": ["sh", "-c", 'exec 0<&-; exec "$@"', "sh"],
    "stdin and stdout elsewhere": ["sh", "-c", 'exec "$@" </dev/null >/dev/null', "sh"],
    "no node": ["sh", "-c", 'mount -t tmpfs none /dev && exec "$@"', "sh"],
    "no node but its own, and no proc": ["sh", "-c", ONLY_PTS, "sh"],
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("entry", ENTRIES)
def test_the_terminal_is_found_however_pyinit_is_started(
    mode: str, entry: str, namespaces: None
) -> None:
    """By /dev/tty, or where there is none, by the standard descriptors."""
    with (
        Terminal() as terminal,
        Container(
            ["sleep", "1000"],
            before=[*SETSID, *ENTRIES[entry]],
            mode=mode,
            stdin=terminal.slave,
            stdout=terminal.slave,
            stderr=terminal.slave,
        ) as container,
    ):
        sleep = find(container, "sleep")
        until(lambda: terminal.foreground() == sleep, "the command has the terminal")


def test_no_terminal_at_all_is_no_error(mode: str) -> None:
    """With stdin closed, or a terminal on it that is not the controlling one."""
    before = ["sh", "-c", 'exec 0<&-; exec "$@"', "sh"]
    assert run(["sh", "-c", "exit 3"], mode=mode, before=before) == (3, "", "")
    with Terminal() as terminal:
        assert run(["tty"], mode=mode, stdin=terminal.slave)[0] == 0


@pytest.mark.parametrize("name", ["bash", "dash"])
def test_a_hang_up_ends_the_job_of_a_shell(name: str, namespaces: None) -> None:
    """The shell's end, or the shell itself, sends SIGHUP: command and pyinit end."""
    with shell(name) as (terminal, container):
        terminal.type("$PYINIT sleep 1000\n")
        sleep = find(container, "sleep")
        until(lambda: terminal.foreground() == sleep, "the command has the terminal")
        pyinit = os.pidfd_open(children(container.pid)[0])
        try:
            terminal.hang_up()
            until(lambda: ended(pyinit), "pyinit has ended")
        finally:
            os.close(pyinit)


def ended(pidfd: int) -> bool:
    """Return whether the process has ended; see pidfd_open(2)."""
    return bool(select.select([pidfd], [], [], 0)[0])
