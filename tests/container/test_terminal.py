"""A container with a terminal of its own, as `docker run -t` has it."""

from __future__ import annotations

import os
import subprocess

import pytest

from pyinit import Exit
from tests import harness
from tests.harness import DEADLINE_S
from tests.spawning import Screen, spawn

pytestmark = pytest.mark.usefixtures("namespaces")


def test_it_is_the_controlling_terminal() -> None:
    """Of a session whose leader is the init; the command's group is its foreground."""
    script = "tty -s && ps -o pgid=,tpgid=,tty= -p $$ && echo x >/dev/tty"
    with spawn(["sh", "-c", script], terminal=True) as container:
        screen = Screen(container.terminal)
        screen.expect("x\r\n")
        assert container.wait(DEADLINE_S) == Exit(0)


def test_keys_are_signals() -> None:
    """Once each, to the command, as the terminal's own."""
    script = "trap 'echo got-it; exit 5' INT; echo ready; while :; do read -r _; done"
    with spawn(["sh", "-c", script], terminal=True) as container:
        screen = Screen(container.terminal)
        screen.expect("ready")
        # The line ends a read that has begun when the signal had already been noted.
        screen.type("\x03\n")
        screen.expect("got-it")
        assert container.wait(DEADLINE_S) == Exit(5)


def test_its_size_can_be_changed() -> None:
    """Which the foreground is told by WINCH."""
    script = "trap 'stty size' WINCH; stty size; echo ready; while :; do read -r _; done"
    with spawn(["bash", "-c", script], terminal=True) as container:
        screen = Screen(container.terminal)
        screen.expect("ready")
        container.resize(columns=100, rows=30)
        screen.type("\n")
        screen.expect("30 100")


def test_a_shell_has_job_control() -> None:
    """It stops a job by the key, and continues it."""
    argv = ["bash", "--norc", "--noprofile", "--noediting", "-i"]
    environment = {"PATH": os.environ["PATH"], "PS1": "$ "}
    with spawn(argv, terminal=True, env=environment) as container:
        screen = Screen(container.terminal)
        screen.expect("$ ")
        screen.type("sh -c 'echo star''ted; exec sleep 1000'\n")
        screen.expect("started")
        screen.type("\x1a")
        screen.expect("Stopped")
        screen.type("kill %1; fg; echo ba''ck\n")
        screen.expect("back")
        screen.type("exit 6\n")
        assert container.wait(DEADLINE_S) == Exit(6)


def test_the_end_is_an_end_of_the_output() -> None:
    """All that was written can be read before."""
    with spawn(["sh", "-c", "echo last"], terminal=True) as container:
        screen = Screen(container.terminal)
        while data := screen.read():
            screen.shown += data
        assert screen.shown == b"last\r\n"
        assert container.wait(DEADLINE_S) == Exit(0)


def test_closing_it_is_a_hang_up() -> None:
    """The session's leader gets HUP from the kernel, and relays it."""
    with spawn(["sh", "-c", "echo ready; exec sleep 1000"], terminal=True) as container:
        screen = Screen(container.terminal)
        screen.expect("ready")
        assert container.terminal is not None
        os.close(container.terminal)
        container.terminal = None
        assert container.wait(DEADLINE_S).code == 129


def test_exec_has_one_of_its_own() -> None:
    """Another than the container's."""
    with spawn(["sh", "-c", "tty; read -r _"], terminal=True, mount_proc=True) as container:
        Screen(container.terminal).expect("/dev/")
        with container.exec(["sh", "-c", "tty -s && echo yes"], terminal=True) as process:
            screen = Screen(process.terminal)
            screen.expect("yes")
            assert process.terminal != container.terminal
            assert process.wait(DEADLINE_S) == Exit(0)
        assert harness.children(container.pid)


def test_there_is_none_to_resize() -> None:
    """Where none was asked for."""
    with spawn(["true"], stdin=subprocess.DEVNULL) as container:
        with pytest.raises(ValueError, match="expected terminal=True"):
            container.resize(80, 25)
        container.wait(DEADLINE_S)
