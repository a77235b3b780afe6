"""`--session`: the command leads a session, with the controlling terminal if pyinit led it before.

See setsid(2), and TIOCNOTTY and TIOCSCTTY in ioctl_tty(2).
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.harness import MODES, PYINIT, Container, children, python, run, until
from tests.terminals import (
    END,
    INTERRUPT,
    QUIT,
    SETSID,
    SUSPEND,
    Terminal,
    find,
    session,
    shell,
    state,
    until_settled,
)
from tests.users import container_files, need_root

pytestmark = pytest.mark.usefixtures("namespaces")

SESSION = ["--session"]
RECORD = python("record.py", "-")
each_shell = pytest.mark.parametrize("name", ["bash", "dash"])
each_mode = pytest.mark.parametrize("mode", MODES)
NO_TERMINAL = 0


def terminal_of(pid: int) -> int:
    """Return the device number of the controlling terminal; 0 is none, see tty_nr in proc(5)."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[4])


@each_mode
def test_the_command_leads_a_session_that_has_the_terminal(mode: str) -> None:
    """As the leader of the session before, pyinit can give the terminal up, and has none then."""
    with session(RECORD, mode=mode, options=SESSION) as (terminal, container):
        terminal.expect_only("ready")
        child = container.main_child()
        assert os.getsid(child) == os.getpgid(child) == child
        assert terminal.foreground() == child
        assert terminal_of(child) != NO_TERMINAL
        assert terminal_of(container.pid) == NO_TERMINAL


@each_mode
def test_what_is_typed_reaches_the_command(mode: str) -> None:
    """Lines, and their end."""
    with session(["cat"], mode=mode, options=SESSION) as (terminal, container):
        terminal.type("one\n")
        terminal.expect("one\r\n")
        terminal.type(END)
        assert container.wait() == 0


@each_mode
def test_keys_and_window_sizes_reach_it_once(mode: str) -> None:
    """From the terminal itself: pyinit is in another session and has nothing to relay."""
    with session(RECORD, mode=mode, options=SESSION) as (terminal, container):
        terminal.expect_only("ready")
        for key, name in {INTERRUPT: "INT", QUIT: "QUIT", SUSPEND: "TSTP"}.items():
            terminal.type(key)
            terminal.expect_only(name)
            container.signal(signal.SIGUSR1)
            terminal.expect_only("USR1")
        terminal.resize(30, 100)
        terminal.expect_only("WINCH")
        container.signal(signal.SIGUSR1)
        terminal.expect_only("USR1")


# Blocked for the command from its start on, so that none is lost before it is ready.
BLOCKED = """
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP, signal.SIGCONT])
if sys.argv[1] == "sent":
    pid = os.fork()
    if pid == 0:
        os.kill(os.getppid(), signal.SIGHUP)
        os.kill(os.getppid(), signal.SIGCONT)
        os._exit(0)
    os.waitpid(pid, 0)
os.execv(sys.argv[2], sys.argv[2:])
"""


@each_mode
@pytest.mark.parametrize("sent", ["sent", "none"])
def test_only_the_hang_up_of_others_is_relayed(sent: str, mode: str) -> None:
    """Giving up the terminal sends SIGHUP and SIGCONT to its foreground, which pyinit is.

    The kernel says of them that pyinit sent them (SI_USER, and its own PID).
    Those of somebody else wait for pyinit when it starts here.
    """
    before = [*SETSID, sys.executable, "-IS", "-c", BLOCKED, sent]
    with (
        Terminal() as terminal,
        Container(
            RECORD,
            mode=mode,
            options=SESSION,
            before=before,
            stdin=terminal.slave,
            stdout=terminal.slave,
            stderr=terminal.slave,
        ) as container,
    ):
        terminal.expect_only("ready")
        if sent == "sent":
            terminal.expect_only("HUP")
            terminal.expect_only("CONT")
        container.signal(signal.SIGUSR1)
        terminal.expect_only("USR1")


@each_mode
def test_a_hang_up_ends_the_command(mode: str) -> None:
    """The kernel sends SIGHUP to the leader of the session, which is the command now."""
    with session(["sleep", "1000"], mode=mode, options=SESSION) as (terminal, container):
        sleep = find(container, "sleep")
        until(lambda: terminal.foreground() == sleep, "the command has the terminal")
        terminal.hang_up()
        assert container.wait() == 128 + signal.SIGHUP


@each_mode
def test_a_shell_has_its_job_control(mode: str) -> None:
    """It is what the option is for: it can take the terminal for its jobs, and says nothing."""
    command = ["bash", "--norc", "--noprofile", "--noediting", "-i"]
    with session(command, mode=mode, options=SESSION) as (terminal, container):
        terminal.type("PS1=\necho shell-is-ready\n")
        terminal.expect("shell-is-ready\r\n")
        terminal.type("cat\n")
        terminal.type("one\n")
        terminal.expect("one\r\n")
        terminal.type(SUSPEND)
        until(lambda: terminal.foreground() == container.main_child(), "the shell has it")
        terminal.type("jobs; echo that-is-all\n")
        terminal.expect("Stopped", "that-is-all\r\n")
        terminal.type("fg\n")
        until(lambda: terminal.foreground() != container.main_child(), "the job has it")
        terminal.type("two\n")
        terminal.expect("two\r\n")
        terminal.type(END)
        terminal.type("exit 7\n")
        assert container.wait() == 7


@each_mode
def test_what_the_command_leaves_is_ended(mode: str) -> None:
    """Its session has lost the terminal with it; pyinit does not take it back."""
    leftover = " ".join(RECORD)
    command = ["sh", "-c", f"{leftover} & read -r line; exit 3"]
    with session(command, mode=mode, options=[*SESSION, "--grace", "1000"]) as (
        terminal,
        container,
    ):
        terminal.expect_only("ready")
        (left,) = children(container.main_child())
        terminal.type("end\n")
        # The kernel tells the foreground of a session whose leader has ended, then pyinit does.
        terminal.expect("HUP\r\n", "TERM\r\n")
        os.kill(left, signal.SIGKILL)
        assert container.wait() == 3


@pytest.mark.parametrize("options", [SESSION, [*SESSION, "-g"]])
def test_without_a_terminal_it_is_a_session(options: list[str], mode: str) -> None:
    """And the leader of its group, as without the option; a signal reaches it all the same."""
    code, out, err = run([*python("inside.py")], mode=mode, options=options)
    assert (code, err) == (0, "")
    facts = json.loads(out)
    assert facts["leads its session"]
    assert facts["leads its group"]
    with Container(RECORD, mode=mode, options=options) as container:
        container.expect("ready")
        for number in (signal.SIGUSR1, signal.SIGCONT, signal.SIGHUP, signal.SIGTERM):
            container.signal(number)
            container.expect(number.name[3:])


def test_tstp_stops_the_command_all_the_same(mode: str) -> None:
    """The kernel discards it in an orphaned group, as a session's first is: it becomes STOP."""
    with Container(["sleep", "1000"], mode=mode, options=SESSION) as container:
        sleep = find(container, "sleep")
        container.signal(signal.SIGTSTP)
        until(lambda: state(sleep) == "T", "the command is stopped")
        until_settled(container.pid)
        container.signal(signal.SIGCONT)
        until(lambda: state(sleep) == "S", "the command goes on")


def test_the_group_of_the_session_is_relayed_to(mode: str) -> None:
    """With -g every process of it."""
    child = " ".join(RECORD)
    command = ["sh", "-c", f"{child} & exec {child}"]
    with Container(command, mode=mode, options=[*SESSION, "-g"]) as container:
        for line in ("ready", "ready"):
            container.expect(line)
        container.signal(signal.SIGUSR1)
        for line in ("USR1", "USR1"):
            container.expect(line)


def test_a_terminal_on_stdin_that_is_nobodys_is_left_alone(mode: str) -> None:
    """Only the controlling one is taken over."""
    with (
        Terminal() as terminal,
        Container(RECORD, mode=mode, options=SESSION, stdin=terminal.slave) as container,
    ):
        container.expect("ready")
        child = container.main_child()
        assert os.getsid(child) == child
        assert terminal_of(child) == NO_TERMINAL
        assert terminal_of(container.pid) == NO_TERMINAL


@each_shell
def test_the_terminal_of_another_session_is_not_stolen(name: str) -> None:
    """Below a shell the session is the shell's: the command has one without a terminal."""
    with shell(name) as (terminal, container):
        terminal.type(f"$PYINIT --session {' '.join(RECORD)} &\n")
        terminal.expect("ready\r\n")
        (pyinit,) = children(container.pid)
        (child,) = children(pyinit)
        assert os.getsid(child) == child
        assert terminal_of(child) == NO_TERMINAL
        assert terminal_of(pyinit) == terminal_of(container.pid) != NO_TERMINAL
        terminal.type("echo shell-reads\n")
        terminal.expect("shell-reads\r\n")
        assert terminal.foreground() == container.pid


@each_shell
def test_below_a_shell_keys_come_by_way_of_pyinit(name: str) -> None:
    """Which is in the foreground; each comes once, a new window size too."""
    with shell(name) as (terminal, container):
        terminal.type(f"$PYINIT --session {' '.join(RECORD)}\n")
        terminal.expect("ready\r\n")
        (pyinit,) = children(container.pid)
        (child,) = children(pyinit)
        for key, signal_name in {INTERRUPT: "INT", QUIT: "QUIT"}.items():
            terminal.type(key)
            terminal.expect_only(signal_name)
            os.kill(child, signal.SIGUSR1)
            terminal.expect_only("USR1")
        terminal.resize(30, 100)
        terminal.expect_only("WINCH")
        os.kill(child, signal.SIGUSR1)
        terminal.expect_only("USR1")


@each_shell
def test_below_a_shell_the_job_stops_and_resumes(name: str) -> None:
    """The key reaches pyinit, which stops the command and then itself; `fg` continues both."""
    with shell(name) as (terminal, container):
        terminal.type("$PYINIT --session sleep 1000\n")
        sleep = find(container, "sleep")
        (pyinit,) = children(container.pid)
        until(lambda: state(pyinit) == "S", "pyinit waits")
        terminal.type(SUSPEND)
        until(lambda: terminal.foreground() == container.pid, "the shell has the terminal")
        assert state(sleep) == "T"
        terminal.type("jobs; echo that-is-all\n")
        terminal.expect("Stopped", "that-is-all\r\n")
        terminal.type("fg\n")
        until(lambda: state(sleep) == "S", "the command goes on")
        until(lambda: terminal.foreground() == pyinit, "the job has the terminal")
        terminal.type(INTERRUPT)
        terminal.type("echo ended-with-$?\n")
        terminal.expect("ended-with-130\r\n")


@each_mode
def test_another_user_has_the_terminal_too(mode: str, tmp_path: Path) -> None:
    """It is open already, and its owner does not matter for that."""
    need_root()
    before = [*SETSID, *container_files(tmp_path)]
    with (
        Terminal() as terminal,
        Container(
            ["cat"],
            mode=mode,
            options=[*SESSION, "--user", "app"],
            before=before,
            stdin=terminal.slave,
            stdout=terminal.slave,
            stderr=terminal.slave,
        ) as container,
    ):
        cat = find(container, "cat")
        until(lambda: terminal.foreground() == cat, "the command has the terminal")
        terminal.type("one\n")
        terminal.expect("one\r\n")
        terminal.type(END)
        assert container.wait() == 0


def test_the_session_of_an_init_below_an_init(mode: str) -> None:
    """The terminal goes from one to the next."""
    command = [*PYINIT, "--session", *RECORD]
    with session(command, mode=mode, options=SESSION) as (terminal, container):
        terminal.expect_only("ready")
        (child,) = children(container.main_child())
        assert terminal.foreground() == child == os.getsid(child)
        terminal.type(INTERRUPT)
        terminal.expect_only("INT")
        container.signal(signal.SIGUSR1)
        terminal.expect_only("USR1")
