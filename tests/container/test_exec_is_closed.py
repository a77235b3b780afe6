"""What runs in a container gets hold of nothing of an init that enters it."""

from __future__ import annotations

import subprocess

import pytest

from tests import harness
from tests.harness import python
from tests.spawning import line, spawn

pytestmark = pytest.mark.usefixtures("namespaces")


def test_its_root_cannot_trace_the_init() -> None:
    """It can its own init, which is of its user namespace from the start."""
    pipe = subprocess.PIPE
    with (
        spawn(python("spies.py"), "user", stdin=pipe) as container,
        container.exec(["sh", "-c", "echo $PPID; read -r _"], stdin=pipe, stdout=pipe) as process,
    ):
        assert line(container.stdout) == "ready"
        assert container.stdin is not None
        container.stdin.write(b"1\n")
        assert line(container.stdout) == "fd exe environ mem"
        container.stdin.write(line(process.stdout).encode() + b"\n")
        assert line(container.stdout) == ""
        (command,) = harness.children(process.pid)
        inner = harness.status_field(command, "NSpid").split()[-1]
        container.stdin.write(f"{inner}\n".encode())
        assert line(container.stdout) == "fd exe environ mem"
