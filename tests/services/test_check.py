"""pyinitctl services: what a file means, before it is used."""
# ruff: noqa: E501 - the messages as they stand

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from pyinit.services import check, config, graph
from tests.cases import in_one_test
from tests.harness import PYINITCTL

if TYPE_CHECKING:
    from pathlib import Path

PLAIN = "command = ['x']\n"
DB = f"[service.db]\n{PLAIN}"

# Files, and a part of the warning.
WARNINGS = {
    f"[service.a]\n{PLAIN}after = ['db']\n{DB}": "the stop can take 20 s (a, then db), longer than "
    "docker stop (10 s) waits by default",
    f"[service.a]\nstop-timeout = 40\n{PLAIN}": "longer than docker stop (10 s), Kubernetes (30 s), "
    "--stop-timeout (25 s) waits",
    "[service.a]\ncommand = ['/bin/sh', '-c', 'nginx -g x']": "service 'a': a shell is before "
    "'nginx': expected it without 'sh -c', or 'exec nginx'",
    f"[service.a]\n{PLAIN}ready = 'notify'": "service 'a': no service comes after it: 'ready' (notify) is "
    "only for --notify and status",
    f"[service.a]\n{PLAIN}restart-limit = 'none'": "service 'a': it is never restarted: ",
    f"[service.a]\n{PLAIN}on-failure = 'ignore'": "no failure ends the container: ",
    f"[service.a]\n{PLAIN}user = 'nobody-there'": "service 'a': 'user': there is no user "
    "'nobody-there' in /etc/passwd, as far as can be seen here",
}


@in_one_test(("text", "said"), WARNINGS.items())
def test_what_may_not_be_meant_is_said(text: str, said: str) -> None:
    """Once, and nothing else is."""
    found = check.warnings(config.parse(text, "f", {}), 25.0)
    assert len(found) == 1
    assert said in found[0]


SILENT = (
    f"[service.a]\n{PLAIN}",
    "[service.a]\ncommand = ['sh', '-c', 'exec nginx']",
    "[service.a]\ncommand = ['sh', '-c', 'a && b']",
    f"[service.t]\ntype = 'task'\n{PLAIN}[service.a]\nafter = ['t']\n{PLAIN}",
)


@in_one_test("text", SILENT)
def test_what_is_meant_is_not_warned_of(text: str) -> None:
    """Nor are tasks waited for by a stop."""
    assert check.warnings(config.parse(text, "f", {}), 25.0) == []


def test_a_user_that_can_write_the_file_is_warned_of(tmp_path: Path) -> None:
    """As it would be another user's commands that are started the next time."""
    path = tmp_path / "f"
    text = f"[service.a]\n{PLAIN}user = '12345:12345'"
    path.write_text(text)
    for mode, count in ((0o644, 0), (0o666, 1), (0o664, 0)):
        path.chmod(mode)
        assert len(check.writable_by(config.parse(text, str(path), {}))) == count


TEXT = f"""
{DB}
[service.migrate]
type = "task"
after = ["db"]
{PLAIN}
[service.web]
main = true
ready = {{port = 80}}
after = ["migrate"]
{PLAIN}
[service.job]
type = "job"
every = 5
stop-before = ["web"]
{PLAIN}
"""


def test_the_order_is_drawn() -> None:
    """In steps as text, with arrows for Mermaid."""
    services = config.parse(TEXT, "f", {})
    assert graph.as_text(services) == [
        "  1  db",
        "  1  job (job, every 5 s)  stopped before web",
        "  2  migrate (task)  after db",
        "  3  web (main, ready by port)  after migrate",
    ]
    assert graph.as_mermaid(services) == [
        "flowchart LR",
        '    s0["db"]',
        '    s1["migrate (task)"]',
        '    s2["web (main, ready by port)"]',
        '    s3["job (job, every 5 s)"]',
        "    s0 --> s1",
        "    s1 --> s2",
        "    s2 -.-> s3",
    ]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """Run pyinitctl with these words."""
    return subprocess.run([*PYINITCTL, *words], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("action", ["check", "graph", "convert"])
def test_the_command(tmp_path: Path, action: str) -> None:
    """It exits with 0, and with 1 and all that is wrong for a file that is."""
    path = tmp_path / "f.toml"
    path.write_text(TEXT)
    found = run("services", action, str(path))
    assert (found.returncode, found.stderr) == (0, "")
    assert "job" in found.stdout
    path.write_text(TEXT + "wrong = 1\n[service.x]\n")
    found = run("services", action, str(path))
    assert (found.returncode, found.stdout) == (1, "")
    assert len(found.stderr.splitlines()) == 2
