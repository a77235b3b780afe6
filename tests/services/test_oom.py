"""The kernel's OOM killer takes the supervisor."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from tests import memory
from tests.services.boxes import LOOP, box, stays, supervisor

HOG = f"{sys.executable} -IS -c 'x = [bytearray(1 << 20) for _ in range(1 << 20)]'"


def test_the_report_says_so_and_the_services_get_term(namespaces: None, tmp_path: Path) -> None:
    """The cause is the kernel's, and the code that of KILL."""
    report, gate = tmp_path / "report", tmp_path / "gate"
    os.mkfifo(gate)
    script = tmp_path / "hog"
    script.write_text(f"echo hog; read x <{gate}; {HOG}; {LOOP}")
    text = "[service.web]\n" + stays("web") + f"[service.hog]\ncommand = ['sh', '{script}']\n"
    options = ("--report", str(report))
    with (
        memory.cgroup() as directory,
        box(tmp_path, text, options=options, preexec=memory.joining(directory)) as container,
    ):
        assert {container.line(), container.line()} == {"web", "hog"}
        Path(f"/proc/{supervisor(container)}/oom_score_adj").write_text("1000")
        gate.write_text("\n")
        assert container.wait() == 137
        assert "web stops" in container.rest()
    found = json.loads(report.read_text())
    assert found["cause"] == "killed by SIGKILL: the kernel's OOM killer"
