"""A process can keep all who look into its memory waiting, its command line too: see proc(5)."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests import conftest
from tests.harness import Container, logged, python, status_field, until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("namespaces")


def test_a_leftover_is_named_and_ended(tmp_path: Path) -> None:
    """By the name that the kernel keeps, which is read without that lock."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        conftest.missing("/dev/fuse")
    with Container(
        python("locked.py", str(tmp_path)), options=["-v", "-w"], stdin=subprocess.PIPE
    ) as container:
        container.expect("ready")
        until(lambda: "D" in states(container), "it waits in the kernel", container.pid)
        container.close_stdin()
        events = logged(container.errors())
        assert container.wait() == 7
        (started,) = (event for event in events if event["event"] == "teardown_started")
        assert any(name.startswith("x" * 15 + "[") for name in started["leftovers"])


def states(container: Container) -> list[str]:
    """Return the states of all below pyinit."""
    return [status_field(pid, "State")[:1] for pid in container.descendants()]
