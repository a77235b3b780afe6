"""What the init knows of its services: status file, metrics, report, and who shows them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from pyinit import ctl
from pyinit.report import services
from tests.ctl.doctors import examine, finding
from tests.ctl.test_tree import listed
from tests.ctl.views import view
from tests.harness import MODES, PYINITCTL, ROOT, until
from tests.kept import until_told
from tests.log.test_metrics_file import one, read
from tests.log.test_report import keys
from tests.services.boxes import box, shell, stays, supervisor, switches

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Container

TASK = "[service.task]\ntype = 'task'\n" + shell("exit 0")
# One that ends when it is told to, and is started again much later.
AGAIN = "on-failure = 'restart'\nrestart-delay = [1000, 1000]\n"
WEB = "[service.web]\n" + AGAIN + stays("web", "exit 3")
DB = "[service.db]\n" + stays("db")


def by_name(facts: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the services of a status file or a report."""
    if facts["services"] is None:
        raise LookupError("nothing is known yet")
    return {each["name"]: each for each in facts["services"]}


def states(facts: dict[str, Any]) -> dict[str, str]:
    """Return where each service stands."""
    return {name: each["state"] for name, each in by_name(facts).items()}


def asked(container: Container, *words: str) -> subprocess.CompletedProcess[str]:
    """Ask inside of the container, as a health check does."""
    user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
    command = ["nsenter", "-t", str(container.pid), *user, "-p", "-m", "--", *PYINITCTL, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_files_follow_the_services(
    namespaces: None, tmp_path: Path, mode: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """At each change of one, without a word from anybody else; and all who show them."""
    status, metrics = tmp_path / "status", tmp_path / "metrics.prom"
    files = ("--status-file", str(status), "--metrics-file", str(metrics))
    options = (*files, "--report", str(tmp_path / "report"))
    with box(tmp_path, WEB + DB + TASK, mode=mode, options=options) as container:
        assert {container.line(), container.line()} == {"web", "db"}
        up = {"web": "up", "db": "up", "task": "done"}
        facts = until_told(status, lambda facts: states(facts) == up, container)
        web = by_name(facts)["web"]
        assert (web["ready"], web["starts"], web["exit_code"]) == (True, 1, None)
        assert 0 < web["since_s"] <= facts["uptime_s"]
        until(lambda: one(read(metrics), "service_ready", service="web") == 1, "it is ready")
        below = supervisor(container)
        process = next(pid for pid in container.descendants() if inner(pid) == web["pid"])
        assert listed(view(capsys, "tree"), process)["service"] == "web"
        os.kill(process, signal.SIGTERM)
        container.expect("web stops")
        facts = until_told(status, lambda facts: states(facts)["web"] == "backoff", container)
        web = by_name(facts)["web"]
        assert (web["ready"], web["pid"], web["exit_code"]) == (False, None, 3)
        until(lambda: one(read(metrics), "service_ready", service="web") == 0, "it is not ready")
        assert one(read(metrics), "service_restarts_total", service="web") == 1
        assert one(read(metrics), "service_exit_code", service="web") == 3
        assert ctl.main(["status", str(below)]) == 0
        assert "services     web backoff (3) after 1 restart, db up, task done" in (
            capsys.readouterr().out
        )
        found = finding(examine(capsys, container.pid), "services-failing")
        assert "web backoff (3) after 1 restart" in found["what"]
        container.signal(signal.SIGTERM)
        assert container.wait() == 3
    report = json.loads((tmp_path / "report").read_text())
    assert states(report) == {"web": "down", "db": "down", "task": "done"}
    assert report["services_stop"] == {"cause": "signal", "service": None, "last_lines": []}
    told = set(re.findall(r"`(\w+)`", (ROOT / "docs" / "report.md").read_text()))
    assert keys(report) - told == set()


def inner(pid: int) -> int:
    """Return the number of a process in its own namespace."""
    with open(f"/proc/{pid}/status") as file:
        return int(next(line for line in file if line.startswith("NSpid")).split()[-1])


def test_a_health_check_without_a_socket(namespaces: None, tmp_path: Path) -> None:
    """The file says it: 0 for ready, 1 for not, 3 for a name that there is not."""
    status = tmp_path / "status"
    text = WEB + DB + "[service.tool]\nautostart = false\n" + stays("tool")
    with box(tmp_path, text, options=("--status-file", str(status))) as container:
        assert {container.line(), container.line()} == {"web", "db"}
        up = {"web": "up", "db": "up", "tool": "off"}
        facts = until_told(status, lambda facts: states(facts) == up, container)
        done = asked(container, "service", "status")
        assert done.returncode == 0, done.stderr
        assert re.fullmatch(
            r"web   up, pid \d+, for \d+ s\ndb    up, pid \d+, for \d+ s\ntool  off\n", done.stdout
        )
        assert asked(container, "service", "status", "tool").returncode == 1
        assert asked(container, "service", "status", "wbe").returncode == 3
        process = next(
            p for p in container.descendants() if inner(p) == by_name(facts)["web"]["pid"]
        )
        os.kill(process, signal.SIGTERM)
        container.expect("web stops")
        until_told(status, lambda facts: states(facts)["web"] == "backoff", container)
        assert asked(container, "service", "status").returncode == 1
        assert asked(container, "service", "status", "db", "--json").returncode == 0
        below = supervisor(container)
        os.kill(below, signal.SIGSTOP)
        until_told(status, lambda facts: facts["child"]["state"] == "stopped", container)
        done = asked(container, "service", "status", "db")
        assert (done.returncode, done.stderr) == (
            1,
            "pyinitctl service: the supervisor is stopped\n",
        )
        os.kill(below, signal.SIGCONT)


def test_without_either_it_says_what_is_missing(namespaces: None, tmp_path: Path) -> None:
    """The socket, and the file."""
    with box(tmp_path, DB) as container:
        container.expect("db")
        done = asked(container, "service", "status", "--control", str(tmp_path / "none"))
        assert done.returncode == 1
        assert done.stderr.endswith(
            "none: No such file or directory; and no status file: the init keeps no status file: "
            "expected --control PATH or --status-file PATH\n"
        )


@pytest.mark.parametrize("mode", MODES)
def test_the_cause_is_the_service(namespaces: None, tmp_path: Path, mode: str) -> None:
    """With its status, its restarts and what it said last."""
    report = tmp_path / "report"
    text = "[service.web]\nlog = 'prefix'\non-failure = 'restart'\nrestart-delay = [0, 0]\n"
    text += "restart-limit = {times = 2}\n" + shell("echo a; echo 'the end'; kill -USR1 $$")
    with box(tmp_path, text + DB, options=("--report", str(report)), mode=mode) as container:
        assert container.wait() == 138
    found = json.loads(report.read_text())
    assert found["cause"] == "service web ended by SIGUSR1 after 2 restarts, its last line: the end"
    assert found["services_stop"] == {
        "cause": "service",
        "service": "web",
        "last_lines": ["a", "the end"] * 3,
    }


def test_a_supervisor_that_is_killed_has_said_its_last_word(
    namespaces: None, tmp_path: Path
) -> None:
    """The report has the services as they were last known, and how the supervisor ended."""
    report, status = tmp_path / "report", tmp_path / "status"
    options = ("--report", str(report), "--status-file", str(status))
    with box(tmp_path, DB, options=options) as container:
        until_told(status, lambda facts: states(facts) == {"db": "up"}, container)
        os.kill(supervisor(container), signal.SIGKILL)
        assert container.wait() == 137
    found = json.loads(report.read_text())
    assert found["cause"].startswith("killed by SIGKILL, which pyinit did not send")
    assert by_name(found)["db"]["starts"] == 1


def test_a_storm_of_restarts_does_not_become_one_of_files(namespaces: None, tmp_path: Path) -> None:
    """The init hears of services ten times in a second at most."""
    status = tmp_path / "status"
    text = "[service.web]\non-success = 'restart'\nrestart-limit = 'none'\nrestart-delay = [0, 0]\n"
    with box(tmp_path, text + shell("exit 0"), options=("--status-file", str(status))) as container:
        until_told(status, lambda facts: by_name(facts)["web"]["restarts"] > 5, container)
        before, began = switches(container.pid), time.monotonic()
        first = until_told(status, lambda facts: by_name(facts)["web"]["restarts"], container)
        later = by_name(first)["web"]["restarts"] + 50
        until_told(status, lambda facts: by_name(facts)["web"]["restarts"] > later, container)
        assert switches(container.pid) - before <= 20 * (time.monotonic() - began) + 20


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"\t\n\n",
        b"\t\t-1\n\n",
        b"\t\t1\nweb",
        b"\t\t1\nweb\tservice\tup\t1\t1\t1\t1\t0\t\t\textra\n\n",
        b"\t\t1\nweb\tservice\tUP\t1\t1\t1\t1\t0\t\t\n\n",
        b"\t\t1\nw b\tservice\tup\t1\t1\t1\t1\t0\t\t\n\n",
        b"\t\t1\nweb\tservice\tup\t1\t-1\t1\t1\t0\t\t\n\n",
        b"\t\t1\nweb\tservice\tup\t1\t" + b"9" * 5000 + b"\t1\t1\t0\t\t\n\n",
        b"\t\t1\nweb\tservice\tup\t1\t1\tnan\t1\t0\t\t\n\n",
        b"\xff\xfe",
    ],
)
def test_a_message_that_is_none_is_dropped(data: bytes) -> None:
    """And what was known stays."""
    reader, writer = services.connect(os.getpid())
    try:
        told = services.Told(reader, 0.0)
        row = ("web", "service", "up", 1, 7, 2_000_000, 1, 0, "", "")
        os.write(writer, services.write([row], ("", "", 1500), []))
        assert told.look()
        before = told.services
        os.write(writer, data)
        assert not told.look()
        assert told.services is before
        assert before is not None
        assert before[0]["since_s"] == 2.0
        assert told.stop_timeout_s == 1.5
    finally:
        os.close(reader)
        os.close(writer)
