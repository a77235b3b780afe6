"""A main child that may not be signalled: what becomes of a stop that is refused."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.harness import PID1, Container, logged
from tests.users import WITHOUT_KILL, container_files, need_root

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = ["sh", "-c", "trap '' TERM; echo ready; read _; exit 7"]


@pytest.mark.parametrize("group", [(), ("--group",)])
def test_a_plan_that_is_refused(mode: str, group: tuple[str, ...], tmp_path: Path) -> None:
    """PID 1 exits with 137, and the kernel ends the command; a subreaper waits for it."""
    need_root()
    with Container(
        COMMAND,
        mode=mode,
        options=["--user", "app", "--stop-timeout", "0.2", "--log-format", "json", *group],
        before=[*container_files(tmp_path), *WITHOUT_KILL],
        stdin=subprocess.PIPE,
    ) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        lines: list[str] = []
        while not lines or "child_not_killed" not in lines[-1]:
            lines.append(container.line(2))
            assert lines[-1], lines
        if mode != PID1:
            container.close_stdin()
        assert container.wait() == (137 if mode == PID1 else 7)
    events = logged("\n".join(lines))
    refused = [each["signal"] for each in events if each["event"] == "signal_dropped"]
    assert refused == ["SIGTERM", "SIGKILL"]
    assert "stop_escalated" not in [each["event"] for each in events]
