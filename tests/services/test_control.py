"""The control socket: an operator asks, and the supervisor answers."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.ctl.views import PYINITCTL
from tests.harness import until
from tests.services.boxes import box, shell, stays, supervisor, switches

if TYPE_CHECKING:
    from pathlib import Path


class Operator:
    """Calls pyinitctl with the socket of a container."""

    def __init__(self, tmp_path: Path) -> None:
        self.path = tmp_path / "sock"
        self.options = ("--control", str(self.path))

    def command(self, *words: str) -> list[str]:
        """Return the command line."""
        return [*PYINITCTL, "service", *words, *self.options]

    def ask(self, *words: str) -> tuple[int, str, str]:
        """Return the exit code, and what is written to stdout and stderr."""
        done = subprocess.run(self.command(*words), capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def states(self) -> dict[str, str]:
        """Return the state of each service."""
        return {row["name"]: row["state"] for row in json.loads(self.ask("status", "--json")[1])}

    def raw(self, data: bytes) -> bytes:
        """Return the answer to bytes."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(self.path))
            sock.sendall(data)
            found = b""
            while block := sock.recv(65536):
                found += block
            return found


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    """Return one for a container of this test."""
    return Operator(tmp_path)


def test_states_are_told_with_a_code_for_health_checks(
    namespaces: None, tmp_path: Path, operator: Operator
) -> None:
    """0 when all are ready, 1 when not all, 3 for a name that there is not."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    text = "[service.web]\n" + stays("web") + "[service.late]\nready = {fd = 3}\n"
    text += shell(f"echo late; cat {gate}; echo >&3; exec sleep 1000")
    with box(tmp_path, text, options=operator.options) as container:
        assert {container.line(), container.line()} == {"web", "late"}
        assert operator.ask("wait", "web")[0] == 0
        code, out, _ = operator.ask("status")
        web, late = out.splitlines()
        assert code == 1
        assert web.startswith("web   up, pid ")
        assert late.startswith("late  starting, pid ")
        assert operator.ask("status", "web")[0] == 0
        waits = subprocess.Popen(operator.command("wait"), stdout=subprocess.PIPE)
        gate.write_text("")
        waits.communicate()
        assert waits.returncode == 0
        code, _, errors = operator.ask("status", "wbe")
        assert (code, errors) == (3, "pyinitctl service: there is no service 'wbe'\n")
        container.signal(signal.SIGTERM)
        container.wait()
    assert not operator.path.exists()
    assert operator.ask("status")[0] == 1


def test_an_operator_changes_what_runs(
    namespaces: None, tmp_path: Path, operator: Operator
) -> None:
    """What was stopped by one is no end of the container."""
    text = "[service.web]\nreload-signal = 'USR1'\nready = {fd = 3}\n" + shell(
        "trap 'echo reloads' USR1; trap 'echo hangs up' HUP; trap 'echo stops; exit 0' TERM; "
        "echo web; echo >&3; while :; do sleep 0.05; done"
    )
    text += "[service.db]\n" + stays("db")
    with box(tmp_path, text, options=operator.options) as container:
        assert {container.line(), container.line()} == {"web", "db"}
        assert operator.ask("wait")[0] == 0
        for words, said in (
            (("reload", "web"), "reloads"),
            (("signal", "HUP", "web"), "hangs up"),
            (("restart", "web"), "stops"),
        ):
            assert operator.ask(*words)[::2] == (0, "")
            container.expect(said)
        container.expect("web")
        assert operator.ask("wait", "--timeout", "20")[0] == 0
        assert operator.ask("stop", "web")[0] == 0
        container.expect("stops")
        until(lambda: operator.states() == {"web": "down", "db": "up"}, "it is down")
        assert operator.ask("status")[0] == operator.ask("wait")[0] == 1
        assert "does not run" in operator.ask("reload", "web")[2]
        assert "has no 'reload-signal'" in operator.ask("reload", "db")[2]
        assert operator.ask("start", "web")[0] == 0
        container.expect("web")
        assert operator.ask("wait")[0] == 0
        container.signal(signal.SIGTERM)
        assert container.wait() == 0


def test_last_lines_are_shown(namespaces: None, tmp_path: Path, operator: Operator) -> None:
    """Of services whose output goes through the supervisor."""
    text = "[service.web]\nlog = 'prefix'\n" + shell("echo one; echo two; exec sleep 1000")
    with box(tmp_path, text, options=operator.options) as container:
        container.expect("web | one")
        container.expect("web | two")
        assert operator.ask("logs") == (0, "one\ntwo\n", "")


def test_only_its_user_and_root_are_answered(
    namespaces: None, tmp_path: Path, operator: Operator
) -> None:
    """The file's mode refuses others; where it was changed, the kernel's word on them does."""
    with box(tmp_path, "[service.web]\n" + stays("web"), options=operator.options) as container:
        container.expect("web")
        assert stat.S_IMODE(operator.path.stat().st_mode) == 0o600
        for each in (operator.path, tmp_path, *tmp_path.parents[:3]):
            each.chmod(0o777)
        program = """
import os, socket, sys
os.setuid(12345)
peer = socket.socket(socket.AF_UNIX)
peer.connect(sys.argv[1])
try:
    peer.sendall(b'{"verb": "status"}\\n')
    print(peer.recv(9))
except OSError:
    print(b"")  # it was hung up on before it had asked
"""
        command = [sys.executable, "-c", program, str(operator.path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.stdout, done.stderr) == ("b''\n", "")
        assert operator.ask("wait")[0] == 0


def test_what_is_no_request_is_refused(
    namespaces: None, tmp_path: Path, operator: Operator
) -> None:
    """And one that sends nothing costs nothing while it is there."""
    with box(tmp_path, "[service.web]\n" + stays("web"), options=operator.options) as container:
        container.expect("web")
        refused = b'{"error": "this is no request", "code": 1}\n'
        deep = b"[" * 3000
        for data in (b"x\n", b"[]\n", b"{}\n", b'{"verb": "stop", "names": 3}\n', deep + b"\n"):
            assert operator.raw(data) == refused
        assert operator.raw(b'{"verb": "explode"}\n') == (
            b'{"error": "\'explode\' is not known", "code": 1}\n'
        )
        with socket.socket(socket.AF_UNIX) as idle:
            idle.connect(str(operator.path))
            assert operator.ask("wait")[0] == 0
            pid = supervisor(container)
            before = switches(pid)
            assert operator.ask("status")[0] == 0
            assert switches(pid) - before <= 8
        assert operator.states() == {"web": "up"}


def test_a_socket_that_is_in_use_is_left_alone(
    namespaces: None, tmp_path: Path, operator: Operator
) -> None:
    """Nothing is started then; one that nobody listens on is replaced."""
    text = "[service.web]\n" + stays("web")
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(operator.path))
        other.listen()
        with box(tmp_path, text, options=operator.options) as container:
            assert container.wait() == 125
            assert "someone else listens there" in container.errors()
    with box(tmp_path, text, options=operator.options) as container:
        container.expect("web")
        assert operator.ask("wait")[0] == 0
