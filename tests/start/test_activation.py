"""LISTEN_PID that names pyinit names the command afterwards; see sd_listen_fds(3).

All else of the protocol belongs to the command as it is: LISTEN_FDS,
LISTEN_FDNAMES and the sockets themselves.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
from typing import TYPE_CHECKING

import pytest

from pyinit.command import context
from tests import conftest
from tests.cases import in_turn
from tests.harness import DEADLINE_S, Container, python, run, until
from tests.start.inheritance import FORK, in_turn_of_ways, under_pyinit
from tests.terminals import SETSID, Terminal
from tests.users import container_files, need_root

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("namespaces")

ASK = python("activated.py")
SERVE = python("activated.py", "serve")

# Each waits for a connection at {} and then execs what follows.
ACTIVATORS = {
    "systemd": ["systemd-socket-activate", "--listen={}", "--fdname=web"],
    "ours": python("socket_activate.py", "{}", "web"),
}
if shutil.which("systemd-socket-activate") is None:
    del ACTIVATORS["systemd"]


def activating(variables: str) -> list[str]:
    """Return a start of pyinit with ``variables``, in which $$ is its PID, and its stdin as 3."""
    return ["/bin/sh", "-c", f'exec 3<&0 0</dev/null; export {variables}; exec "$@"', "sh"]


def has_pidfs() -> bool:
    """Return whether pidfds have inodes of their own, as since Linux 6.9."""
    inodes = []
    for pid in (os.getpid(), os.getppid()):
        fd = os.pidfd_open(pid)
        inodes.append(os.fstat(fd).st_ino)
        os.close(fd)
    return inodes[0] != inodes[1]


@contextlib.contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """Listen on a socket at ``path``."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        yield listener


def converse(path: Path) -> None:
    """Say something to who listens at ``path``, and be answered."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(DEADLINE_S)
        until(lambda: connection.connect_ex(str(path)) == 0, "somebody listens")
        connection.sendall(b"hello")
        assert connection.recv(1024) == b"hello"


@in_turn(
    "options",
    [
        [],
        ["--session"],
        ["--env", "A=1"],
        ["--chdir", "/", "--umask", "0", "--no-new-privs"],
        ["-g", "-q"],
    ],
    ids=" ".join,
)
def test_the_command_is_the_one_that_is_activated(options: list[str], mode: str) -> None:
    """As PID 1, for which LISTEN_PID is 1, and under another number."""
    before = activating("LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=web:admin")
    result = run(ASK, mode=mode, before=before, options=options)
    assert result == (0, "2 web:admin\n", "")


def test_it_is_known_by_its_pidfd_too(mode: str) -> None:
    """LISTEN_PIDFDID is the inode of a pidfd, which no other process ever has."""
    before = activating("LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_PIDFDID=1")
    line = "1 - pidfd" if has_pidfs() else "1 -"
    assert run(ASK, mode=mode, before=before) == (0, f"{line}\n", "")


def test_no_pidfd_is_named_where_none_was(namespaces: None) -> None:
    """A manager that does not say it may have its reasons."""
    before = activating("LISTEN_PID=$$ LISTEN_FDS=1")
    result = run(["sh", "-c", "echo ${LISTEN_PIDFDID-none}"], before=before)
    assert result == (0, "none\n", "")


def test_before_pidfs_no_inode_tells_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before Linux 6.9 all pidfds have the same, as two descriptors of one file here."""

    def same(pid: int, flags: int) -> int:
        return os.open("/dev/null", os.O_RDONLY)

    assert (context._pidfd_id(os.getppid()) is not None) == has_pidfs()
    monkeypatch.setattr("pyinit.kernel.pidfds.pidfd_open", same)
    assert context._pidfd_id(os.getppid()) is None


@pytest.mark.parametrize("error", ["ENOSYS", "EPERM"])
def test_without_pidfds_the_variable_goes(error: str, namespaces: None, tmp_path: Path) -> None:
    """A wrong one would keep the command from its sockets, and none is as good as none known."""
    conftest.need("strace")
    log = tmp_path / "log"
    before = ["strace", "-D", "-f", "-qq", "-o", str(log), "-e", f"inject=pidfd_open:error={error}"]
    # For strace it is the shell's own PID that counts, which exec keeps.
    before += activating("LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_PIDFDID=1")
    command = ["sh", "-c", 'test "$LISTEN_PID" = $$ && echo ${LISTEN_PIDFDID-none}']
    code, out, err = run(command, before=before, options=["--grace", "0"])
    assert (code, out, err) == (0, "none\n", "")
    assert "INJECTED" in log.read_text()


GIVEN = ["A=1", "LISTEN_PID={}", "B=2", "LISTEN_FDS=3", "LISTEN_FDNAMES=a:b:c", "LISTEN_PIDFDID=7"]


@in_turn_of_ways("pid", ["", "0", "77", "01", " 1", "1x", "99999999999999999999", "-1"])
def test_who_else_is_named_stays_so(pid: str, way: str) -> None:
    """All of it as it was: the sockets are for somebody who is not started yet, or for nobody."""
    environ = [entry.format(pid) for entry in GIVEN]
    out = under_pyinit(["/usr/bin/env", "-0"], {"environ": environ}, way)
    assert out.decode().split("\0")[:-1] == environ


def test_all_else_stays_as_it_was() -> None:
    """LISTEN_PID is set anew, at the end, and LISTEN_PIDFDID after it."""
    environ = [entry.format("1") for entry in GIVEN]
    out = under_pyinit(["/usr/bin/env", "-0"], {"environ": environ}, FORK)
    kept = ["A=1", "B=2", "LISTEN_FDS=3", "LISTEN_FDNAMES=a:b:c"]
    *others, pid, pidfd = out.decode().split("\0")[:-1]
    assert others == kept
    assert pid == "LISTEN_PID=2"
    assert pidfd.startswith("LISTEN_PIDFDID=")


def test_what_is_said_directly_wins(mode: str) -> None:
    """Whoever sets LISTEN_PID for the command knows better."""
    before = activating("LISTEN_PID=$$ LISTEN_FDS=1")
    command = ["sh", "-c", "echo ${LISTEN_PID-none} $LISTEN_FDS"]
    for options, line in (
        (["--env", "LISTEN_PID=77"], "77 1"),
        (["--unset-env", "LISTEN_PID"], "none 1"),
    ):
        assert run(command, mode=mode, before=before, options=options) == (0, f"{line}\n", "")


def test_it_serves_the_socket(mode: str, tmp_path: Path) -> None:
    """A connection of before it was started waits for it in the socket."""
    path = tmp_path / "socket"
    before = activating("LISTEN_PID=$$ LISTEN_FDS=1")
    with (
        listening(path) as listener,
        Container(SERVE, mode=mode, before=before, stdin=listener.fileno()) as container,
    ):
        container.expect("1 -")
        converse(path)
        assert container.wait() == 0


@pytest.mark.parametrize("activator", ACTIVATORS)
def test_it_is_started_by_the_first_connection(
    activator: str, namespaces: None, tmp_path: Path
) -> None:
    """With systemd's own program for that, where it is installed."""
    path = tmp_path / "socket"
    before = [word.format(path) for word in ACTIVATORS[activator]]
    with Container(SERVE, before=before) as container:
        converse(path)
        container.expect("1 web")
        assert container.wait() == 0


def test_as_another_user(namespaces: None, tmp_path: Path) -> None:
    """The descriptor is open already, and the PID stays the same."""
    need_root()
    before = [*container_files(tmp_path), *activating("LISTEN_PID=$$ LISTEN_FDS=1")]
    command = ["sh", "-c", 'test "$LISTEN_PID" = $$ && echo $LISTEN_FDS $USER']
    result = run(command, before=before, options=["--user", "app"])
    assert result == (0, "1 app\n", "")


@pytest.mark.parametrize("options", [[], ["--session"]])
def test_with_a_terminal(options: list[str], namespaces: None) -> None:
    """For which the command is forked anyway."""
    before = [*SETSID, "/bin/sh", "-c", 'export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@"', "sh"]
    with (
        Terminal() as terminal,
        Container(
            ASK,
            before=before,
            options=options,
            stdin=terminal.slave,
            stdout=terminal.slave,
            stderr=terminal.slave,
        ) as container,
    ):
        terminal.expect_only("1 -")
        assert container.wait() == 0


def test_the_pre_stop_command_is_not_activated(namespaces: None) -> None:
    """The sockets are the main child's: LISTEN_PID of another command does not name it."""
    before = ["/bin/sh", "-c", 'export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@"', "sh"]
    ask = 'test "$LISTEN_PID" = $$ && echo "is named" || echo "is not named"'
    options = ["--drain", "1000", "--pre-stop", ask]
    command = ["sh", "-c", "trap '' TERM; echo ready; read -r line"]
    reader, writer = os.pipe()
    try:
        with Container(command, before=before, options=options, stdin=reader) as container:
            container.expect("ready")
            container.signal(signal.SIGTERM)
            container.expect("is not named")
            os.write(writer, b"end\n")
            assert container.wait() == 0
    finally:
        os.close(reader)
        os.close(writer)


def test_the_command_is_the_one_that_is_watched(mode: str) -> None:
    """WATCHDOG_PID that names pyinit names the command; see sd_watchdog_enabled(3)."""
    before = activating("WATCHDOG_PID=$$ WATCHDOG_USEC=1000000")
    command = ["sh", "-c", 'test "$WATCHDOG_PID" = $$ && echo $WATCHDOG_USEC']
    assert run(command, mode=mode, before=before) == (0, "1000000\n", "")
    before = activating("WATCHDOG_PID=77")
    assert run(["sh", "-c", "echo $WATCHDOG_PID"], mode=mode, before=before) == (0, "77\n", "")
