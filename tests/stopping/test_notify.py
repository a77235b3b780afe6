"""``--notify`` tells the service manager of the start and the stop; see sd_notify(3)."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from typing import TYPE_CHECKING

import pytest

from tests.cases import in_turn
from tests.harness import DEADLINE_S, Container, python, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Manager:
    """The socket of a service manager."""

    def __init__(self, address: str) -> None:
        """Listen at ``address``, which has an @ for the NUL of an abstract one."""
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address.replace("@", "\0", 1))
        self.socket.settimeout(DEADLINE_S)

    def hear(self) -> str:
        """Return the next message."""
        return self.socket.recv(4096).decode()

    def environ(self) -> dict[str, str]:
        """Return what names the socket, for a program."""
        return {**os.environ, "NOTIFY_SOCKET": self.address}


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    """Both kinds of addresses; an abstract one belongs to the network namespace, which is ours."""
    name = f"{tmp_path}/notify" if request.param == "path" else f"@pyinit-{os.getpid()}-{tmp_path}"
    found = Manager(name)
    try:
        yield found
    finally:
        found.socket.close()


def test_ready_once_the_command_runs_and_stopping_when_it_is_to_stop(
    namespaces: None, manager: Manager
) -> None:
    """Each once, however many stop signals come; both before the command takes the signal."""
    command = python("record.py", "-", "TERM", "USR1", "USR2")
    with Container(command, options=["--notify"], env=manager.environ()) as container:
        assert manager.hear() == "READY=1"
        container.expect("ready")
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        assert manager.hear() == "STOPPING=1"
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        container.signal(signal.SIGUSR1)
        container.expect("USR1")
    manager.socket.settimeout(0)
    with pytest.raises(BlockingIOError):
        manager.hear()


def test_an_end_without_a_stop_is_told_too(namespaces: None, manager: Manager) -> None:
    """The manager need not wait for the exit to know that nothing is served any more."""
    code, _, err = run(["true"], options=["--notify"], env=manager.environ())
    assert (code, err) == (0, "")
    assert [manager.hear(), manager.hear()] == ["READY=1", "STOPPING=1"]


def test_the_stop_is_told_when_the_drain_begins(namespaces: None, manager: Manager) -> None:
    """Not when it ends, 1000 s later: whoever balances the load has to know."""
    options = ["--notify", "--drain", "1000"]
    command = python("record.py", "TERM")
    with Container(command, options=options, env=manager.environ()) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        assert [manager.hear(), manager.hear()] == ["READY=1", "STOPPING=1"]


def test_a_command_that_cannot_be_started_is_not_ready(namespaces: None, manager: Manager) -> None:
    """Nor is anything said to be stopping: it never was anything else."""
    code, _, _ = run(["/nosuch"], options=["--notify"], env=manager.environ())
    assert code == 127
    manager.socket.settimeout(0)
    with pytest.raises(BlockingIOError):
        manager.hear()


def test_the_socket_is_handed_on(namespaces: None, manager: Manager) -> None:
    """A command that knows of it speaks for itself, with or without our words."""
    for options in ([], ["--notify"]):
        script = 'printf %s "$NOTIFY_SOCKET"'
        found = run(["sh", "-c", script], options=options, env=manager.environ())
        assert found == (0, manager.address, "")


@in_turn(
    ("address", "reason"),
    [
        ("/nonexistent/notify", "No such file or directory"),
        ("@pyinit-nobody-listens", "Connection refused"),
        ("relative", "neither a path nor an abstract socket"),
        ("/" + "x" * 200, "AF_UNIX path too long"),
    ],
)
def test_a_manager_that_cannot_be_reached_is_a_warning(
    mode: str, address: str, reason: str
) -> None:
    """The command is more than the word about it."""
    environ = {**os.environ, "NOTIFY_SOCKET": address}
    code, out, err = run(["echo", "it runs"], mode=mode, options=["--notify"], env=environ)
    assert (code, out) == (0, "it runs\n")
    assert err.count("not_notified") == 2
    assert reason in err


def test_a_manager_that_does_not_read_is_not_waited_for(namespaces: None, manager: Manager) -> None:
    """Its queue is full: the words are lost with a warning, and the command runs."""
    sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sender.setblocking(False)
    with sender, contextlib.suppress(BlockingIOError):
        while True:
            sender.sendto(b"x", manager.address.replace("@", "\0", 1))
    code, out, err = run(["echo", "it runs"], options=["--notify"], env=manager.environ())
    assert (code, out) == (0, "it runs\n")
    assert "not_notified" in err


def test_without_a_manager_nothing_is_said(mode: str) -> None:
    """As sd_notify(3) does: the same image runs with and without one."""
    environ = {name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"}
    assert run(["true"], mode=mode, options=["--notify"], env=environ) == (0, "", "")
