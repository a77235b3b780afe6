"""Which end ends the container, and with which exit code."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.cases import in_turn
from tests.harness import MODES
from tests.services.boxes import box, shell, stays, told

if TYPE_CHECKING:
    from pathlib import Path

WEB = "[service.web]\n"
OTHER = "[service.other]\n" + stays("other")

# Services of which the first ends by itself once the other is there, and the code.
BY_ITSELF = {
    "code": (WEB + "after = ['other']\n" + shell("exit 7"), 7),
    "success": (WEB + "after = ['other']\n" + shell("exit 0"), 0),
    "signal": (WEB + "after = ['other']\n" + shell("kill -KILL $$"), 137),
    "not main": ("[service.main]\nmain = true\n" + stays("x") + WEB + shell("exit 7"), 7),
    "not found": (WEB + "command = 'no-such-program'\n", 127),
    "not started": (WEB + "command = '/'\n", 126),
    "task": (WEB + "type = 'task'\n" + shell("exit 7"), 7),
    "start-timeout": (
        WEB + "ready = 'notify'\nstart-timeout = 0.1\n" + shell("exec sleep 1000"),
        124,
    ),
    "given up": (
        WEB + "on-failure = 'restart'\nrestart-limit = {times = 2}\nrestart-delay = [0, 0]\n"
        "[service.web.env]\nA = 1\n[service.web.limits]\ncore = 0\n",
        7,
    ),
}


@in_turn("case", list(BY_ITSELF))
def test_an_end_ends_the_container_with_its_code(
    namespaces: None, tmp_path: Path, mode: str, case: str
) -> None:
    """The others are stopped in order before."""
    text, code = BY_ITSELF[case]
    if case == "given up":
        text = text.replace("on-failure", shell("exit 7") + "on-failure")
    with box(tmp_path, text + OTHER, mode=mode) as container:
        assert container.wait() == code
        found = [each for each in told(container) if each["event"] == "services_stop"]
        # Success is no matter for a log of warnings.
        assert [each["service"] for each in found] == ["web"] * (code != 0)


# The service, whether it is the main one, and the code after a stop by TERM.
BY_STOP = {
    "0": ("exit 0", 0),
    "by the signal": ("trap - TERM; kill $$", 0),
    "another code": ("exit 3", 3),
    "another signal": ("kill -USR1 $$", 138),
}


@in_turn(("case", "main"), [*((each, False) for each in BY_STOP), ("by the signal", True)])
def test_the_code_after_a_stop(
    namespaces: None, tmp_path: Path, mode: str, case: str, *, main: bool
) -> None:
    """It is 0 if all ended as they were asked to; the main one's status is always its own."""
    at_stop, code = BY_STOP[case]
    text = WEB + ("main = true\n" if main else "") + stays("web", at_stop) + OTHER
    with box(tmp_path, text, mode=mode) as container:
        assert sorted(container.line() for _ in "12") == ["other", "web"]
        container.signal(signal.SIGTERM)
        assert container.wait() == (143 if main else code)


@pytest.mark.parametrize("mode", MODES)
def test_one_that_outlives_its_stop_timeout_is_killed(
    namespaces: None, tmp_path: Path, mode: str
) -> None:
    """With 137, and the others have ended before."""
    text = WEB + "stop-timeout = 0.1\n" + shell("trap '' TERM; echo web; while :; do sleep 1; done")
    with box(tmp_path, text + OTHER + "stop-before = ['web']\n", mode=mode) as container:
        assert sorted(container.line() for _ in "12") == ["other", "web"]
        container.signal(signal.SIGTERM)
        assert container.wait() == 137
        assert container.rest() == "other stops\n"
        found = [each for each in told(container) if each["event"] == "service_killed"]
        assert [each["service"] for each in found] == ["web"]


@pytest.mark.parametrize("mode", MODES)
def test_ends_that_are_ignored_end_nothing_until_nobody_is_left(
    namespaces: None, tmp_path: Path, mode: str
) -> None:
    """Then the code is that of the first one that has failed, if one has."""
    ignored = "on-success = 'ignore'\non-failure = 'ignore'\n"
    first = WEB + ignored + shell("echo web; exit 3")
    last = "[service.last]\nafter = ['web', 'task']\n" + ignored + shell("echo last")
    task = "[service.task]\ntype = 'task'\n" + shell("echo task")
    with box(tmp_path, first + task, mode=mode) as container:
        assert container.wait() == 3
        assert sorted(container.rest().split()) == ["task", "web"]
    with box(tmp_path, first.replace("exit 3", "exit 0") + task + last, mode=mode) as container:
        assert container.wait() == 0
        lines = container.rest().split()
        assert sorted(lines) == ["last", "task", "web"]
        assert lines.index("task") < lines.index("last")
    # Who comes after one that has failed is not started.
    first = first.replace("command", "ready = {fd = 3}\ncommand")
    with box(tmp_path, first + task + last, mode=mode) as container:
        assert container.wait() == 3
        assert sorted(container.rest().split()) == ["task", "web"]
        events = {each["event"] for each in told(container)}
        assert "service_cannot_start" in events


@pytest.mark.parametrize("mode", MODES)
def test_the_command_is_the_main_service(namespaces: None, tmp_path: Path, mode: str) -> None:
    """It is started when the others are ready, and its end is the container's."""
    script = "echo main; exit 5"
    with box(tmp_path, OTHER, "sh", "-c", script, mode=mode) as container:
        assert container.wait() == 5
        assert container.rest().split() == ["other", "main", "other", "stops"]
