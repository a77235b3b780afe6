"""What the terminal itself sends comes to the command once, however the groups lie.

The terminal driver signals every process of the foreground group.  Pyinit gets
such a signal only when that is its own group, and then the command has it
already if it has moved there.
"""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests import harness
from tests.harness import MODES, Container, python, until
from tests.terminals import INTERRUPT, QUIT, SUSPEND, Terminal, find, session, shell

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORD = python("record.py", "-")
KEYS = {INTERRUPT: "INT", QUIT: "QUIT", SUSPEND: "TSTP"}


@contextlib.contextmanager
def in_the_foreground(mode: str) -> Iterator[tuple[Terminal, Container]]:
    """Run the command in a group of its own, which has the terminal."""
    with session(RECORD, mode=mode) as (terminal, container):
        terminal.expect_only("ready")
        assert terminal.foreground() == container.main_child()
        yield terminal, container


@contextlib.contextmanager
def in_the_group_of_pyinit(mode: str) -> Iterator[tuple[Terminal, Container]]:
    """Run a command that goes back to pyinit's group and makes it the foreground."""
    with session([*python("join.py", "foreground"), *RECORD], mode=mode) as (terminal, container):
        terminal.expect_only("ready")
        assert terminal.foreground() == container.pid
        yield terminal, container


@contextlib.contextmanager
def below_another_init(mode: str) -> Iterator[tuple[Terminal, Container]]:
    """Run an init in an init."""
    with session([*harness.PYINIT, *RECORD], mode=mode) as (terminal, container):
        terminal.expect_only("ready")
        yield terminal, container


PLACES = {
    "foreground": in_the_foreground,
    "pyinit's group": in_the_group_of_pyinit,
    "nested": below_another_init,
}


@pytest.fixture(params=[(place, mode) for place in PLACES for mode in MODES], ids="-".join)
def placed(
    request: pytest.FixtureRequest, namespaces: None
) -> Iterator[tuple[Terminal, Container]]:
    """Run the recorder in each place and mode."""
    place, mode = request.param
    with PLACES[place](mode) as pair:
        yield pair


def test_a_key_sends_its_signal_once(placed: tuple[Terminal, Container]) -> None:
    """Interrupt, quit and suspend; a relayed signal is the next thing that the command gets."""
    terminal, container = placed
    for key, name in KEYS.items():
        terminal.type(key)
        terminal.expect_only(name)
        container.signal(signal.SIGUSR1)
        terminal.expect_only("USR1")


def test_a_new_window_size_sends_sigwinch_once(placed: tuple[Terminal, Container]) -> None:
    """Twice one after the other, each of them once."""
    terminal, container = placed
    for rows in (30, 31):
        terminal.resize(rows, 100)
        terminal.expect_only("WINCH")
        container.signal(signal.SIGUSR1)
        terminal.expect_only("USR1")


@pytest.mark.parametrize("name", ["bash", "dash"])
def test_keys_reach_a_command_without_terminal(name: str, namespaces: None) -> None:
    """After `fg` the terminal is pyinit's, as long as the command has not read from it."""
    command = " ".join(RECORD)
    with shell(name) as (terminal, container):
        terminal.type(f"$PYINIT {command} &\n")
        terminal.expect("ready\r\n")
        pyinit = harness.children(container.pid)[0]
        child = harness.children(pyinit)[0]
        terminal.type("fg\n")
        until(lambda: terminal.foreground() == pyinit, "pyinit has the terminal")
        if name == "dash":
            terminal.expect("CONT\r\n")  # it sends that to running jobs too
        else:
            terminal.expect(f"{command}\r\n")
        for key in (INTERRUPT, QUIT):
            terminal.type(key)
            terminal.expect_only(KEYS[key])
            os.kill(child, signal.SIGUSR1)
            terminal.expect_only("USR1")


@pytest.mark.parametrize("mode", MODES)
def test_keys_reach_only_the_job_of_a_shell(mode: str, namespaces: None) -> None:
    """Pyinit and the shell outlive what Ctrl-C does to the shell's foreground job."""
    command = ["bash", "--norc", "--noprofile", "--noediting", "-i"]
    with session(command, mode=mode) as (terminal, container):
        terminal.type("PS1=\necho shell-is-ready\n")
        terminal.expect("shell-is-ready\r\n")
        shell_pid = container.main_child()
        terminal.type(f"{' '.join(RECORD)}\n")
        terminal.expect("ready\r\n")
        for key in (INTERRUPT, QUIT):
            terminal.type(key)
            terminal.expect_only(KEYS[key])
        recorder = harness.children(shell_pid)[0]
        assert terminal.foreground() == recorder
        os.kill(recorder, signal.SIGKILL)
        terminal.type("exit 7\n")
        assert container.wait() == 7


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("place", [[], python("join.py", "foreground")], ids=["own", "pyinit's"])
def test_a_hang_up_ends_the_command_and_pyinit(
    mode: str, place: list[str], namespaces: None
) -> None:
    """Its SIGHUP goes to the session's leader alone: pyinit relays it, in whatever group it is."""
    with session([*place, "sleep", "1000"], mode=mode) as (terminal, container):
        find(container, "sleep")
        terminal.hang_up()
        assert container.wait() == 128 + signal.SIGHUP
