"""Dockerfile.example: its form, and its service run as it stands there.

No image is built: the service runs in this machine's file system, in a PID
namespace of its own, at a socket instead of a port.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import socket
import sys
from typing import TYPE_CHECKING

from tests.ctl.test_install import install
from tests.harness import DEADLINE_S, ROOT, Container, children, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Instruction = tuple[str, str]


def instructions() -> list[Instruction]:
    """Return the instructions, each with its argument, without comments and continuations."""
    text = (ROOT / "Dockerfile.example").read_text(encoding="utf-8")
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    logical = lines.replace("\\\n", " ").splitlines()
    words = [line.split(None, 1) for line in logical if line.strip()]
    return [(name, argument) for name, argument in words]


def last(name: str) -> str:
    """Return the argument of the last instruction ``name``."""
    return next(argument for each, argument in reversed(instructions()) if each == name)


def test_the_base_is_a_slim_python() -> None:
    """In both stages the same one: the virtual environment links to the interpreter."""
    bases = [argument.split()[0] for name, argument in instructions() if name == "FROM"]
    assert bases == ["python:3.12-slim"] * 2


def test_what_is_copied_is_there() -> None:
    """Every source of a COPY stands in the tree, or comes from the first stage."""
    for name, argument in instructions():
        if name == "COPY" and not argument.startswith("--from=build"):
            for source in shlex.split(argument)[:-1]:
                # The tests of a wheel run without the package around them.
                assert (ROOT / source).exists() or source in ("bin", "pyinit")


def test_the_fast_launcher_is_the_entry_point() -> None:
    """Written by a RUN in the form that needs no shell, in the stage that is run."""
    written = [json.loads(word) for name, word in instructions() if (name, word[0]) == ("RUN", "[")]
    assert written == [["/venv/bin/pyinitctl", "install", json.loads(last("ENTRYPOINT"))[0]]]
    names = [name for name, _ in instructions()]
    assert names[::-1].index("RUN") < names[::-1].index("FROM")


def test_it_ends_as_a_user_without_privileges() -> None:
    """By number, and after the last step that needs root."""
    names = [name for name, _ in instructions()]
    assert names.index("USER") > max(i for i, name in enumerate(names) if name in ("RUN", "COPY"))
    assert int(last("USER").split(":")[0]) > 0


def test_the_times_fit_into_dockers_ten_seconds() -> None:
    """What gunicorn waits for its workers, and then pyinit for what is left."""
    entrypoint, command = json.loads(last("ENTRYPOINT")), json.loads(last("CMD"))
    grace_s = float(entrypoint[entrypoint.index("--grace") + 1])
    assert grace_s + float(command[command.index("--graceful-timeout") + 1]) < 10.0
    assert last("STOPSIGNAL") == "SIGTERM"


def test_the_health_check_is_a_program() -> None:
    """In the exec form, in Python that compiles, at the port that the service listens on."""
    word, _, argument = last("HEALTHCHECK").partition("CMD ")
    assert "--interval" in word
    python, option, program = json.loads(argument)
    assert (python, option) == ("python", "-c")
    compile(program, "HEALTHCHECK", "exec")
    assert f":{last('EXPOSE')}/healthz" in program
    assert f"0.0.0.0:{last('EXPOSE')}" in json.loads(last("CMD"))


@contextlib.contextmanager
def service(directory: Path) -> Iterator[tuple[Container, str]]:
    """Run the service as ENTRYPOINT and CMD say, and yield it and the path of its socket."""
    entrypoint, command = json.loads(last("ENTRYPOINT")), json.loads(last("CMD"))
    assert entrypoint[-1] == "--"
    launcher = directory / "pyinit"
    assert install(launcher).returncode == 0
    path = str(directory / "socket")
    command[command.index("--bind") + 1] = f"unix:{path}"
    environ = {
        **os.environ,
        "PATH": os.path.dirname(sys.executable) + ":" + os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "examples" / "web"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(directory),
    }
    environ.pop("GUNICORN_CMD_ARGS", None)
    init, options = [str(launcher)], ["-v", *entrypoint[1:-1]]
    with Container(command, options=options, env=environ, init=init) as container:
        until(lambda: answers(path), "the service answers", container.process.pid)
        yield container, path


@contextlib.contextmanager
def request(path: str, page: str) -> Iterator[socket.socket]:
    """Ask for ``page`` and yield the connection."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(DEADLINE_S)
        connection.connect(path)
        connection.sendall(f"GET {page} HTTP/1.0\r\nHost: test\r\n\r\n".encode())
        yield connection


def answers(path: str) -> bool:
    """Return whether a worker answers at the socket."""
    try:
        with request(path, "/healthz") as connection:
            return b"200 OK" in everything(connection)
    except OSError:
        return False


def everything(connection: socket.socket, until_text: bytes | None = None) -> bytes:
    """Return what comes up to its end, or up to ``until_text``."""
    data = b""
    while block := connection.recv(65536):
        data += block
        if until_text is not None and until_text in data:
            break
    return data


def test_a_stop_lets_a_request_end(namespaces: None, tmp_path: Path) -> None:
    """TERM reaches gunicorn, whose workers end what they have begun; status 0, nobody left."""
    with service(tmp_path) as (container, path), request(path, "/slow") as connection:
        answer = everything(connection, b"begun\n")
        container.signal(signal.SIGTERM)
        answer += everything(connection)
        assert answer.endswith(b"begun\ndone\n")
        errors = container.errors()
        assert "Handling signal: term" in errors
        assert "teardown_started" not in errors
        assert container.wait() == 0


def test_workers_without_their_master_end_in_good_order(namespaces: None, tmp_path: Path) -> None:
    """The master is killed: its workers are left over, and TERM lets them end what they do."""
    with service(tmp_path) as (container, path), request(path, "/slow") as connection:
        answer = everything(connection, b"begun\n")
        master = container.main_child()
        until(lambda: len(children(master)) >= 2, "both workers", container.process.pid)
        os.kill(master, signal.SIGKILL)
        answer += everything(connection)
        assert answer.endswith(b"begun\ndone\n")
        assert "teardown_started" in container.errors()
        assert container.wait() == 128 + signal.SIGKILL
