"""What `pyinitctl ns` and `pyinitctl tree` are run with, and what they look at."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

from pyinit import ctl
from tests.harness import PYINITCTL, UNSHARE_USER, Container, children, python, status_field, until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pytest

# A user namespace of its own: there nobody may look at a process that is not in it.
SOMEBODY_ELSE = ("unshare", "--user", "--map-root-user")


def view(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> Any:
    """Return what pyinitctl says as JSON in this process."""
    assert ctl.main([*words, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def run(*words: str, before: Sequence[str] = (), code: int = 0) -> tuple[str, str]:
    """Run pyinitctl as a process, with the words ``before`` in front; return stdout and stderr."""
    command = [*before, *PYINITCTL, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done.stdout, done.stderr


def inode(pid: int | str, name: str) -> int:
    """Return the inode of /proc/PID/ns/NAME."""
    return os.stat(f"/proc/{pid}/ns/{name}").st_ino


@contextlib.contextmanager
def nested() -> Iterator[tuple[Container, int]]:
    """Run a container with an init in a PID namespace of its own; give both inits' parent's PIDs.

    The processes: pyinit, leave.py, unshare, leave.py, which is the other init.
    """
    command = python("leave.py", "nested", "ignore")
    with Container(command, stdin=subprocess.PIPE) as container:
        container.expect("ready")
        yield container, container.descendants()[-1]


@contextlib.contextmanager
def zombie() -> Iterator[int]:
    """Have a child of this process that has ended."""
    process = subprocess.Popen(["true"])
    try:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        yield process.pid
    finally:
        process.wait()


@contextlib.contextmanager
def entered(container: Container) -> Iterator[tuple[int, int]]:
    """Start a process in the container's namespaces; give its PID and that of nsenter, outside."""
    user = ("--user", "--preserve-credentials") if UNSHARE_USER else ()
    enter = ["nsenter", "-t", str(container.pid), *user, "--pid", "--mount"]
    command = [*enter, *python("leave.py", "-", "end")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"ready\n"
        (inside,) = children(process.pid)
        yield inside, process.pid
    finally:
        for pid in children(process.pid):
            os.kill(pid, signal.SIGKILL)
        process.send_signal(signal.SIGCONT)
        process.wait()
        process.stdout.close()


@contextlib.contextmanager
def entered_zombie(container: Container) -> Iterator[tuple[int, int]]:
    """Like `entered`; the process has ended, and nsenter, which is stopped, does not reap it."""
    with entered(container) as (inside, outside):
        os.kill(outside, signal.SIGSTOP)
        wait_for_state(outside, "T")
        os.kill(inside, signal.SIGKILL)
        wait_for_state(inside, "Z")
        yield inside, outside


def wait_for_state(pid: int, letter: str) -> None:
    """Wait until a process is in a state of proc(5), such as T."""
    until(lambda: status_field(pid, "State")[0] == letter, f"process {pid} in state {letter}")
