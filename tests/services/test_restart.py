"""A service that has ended is started again, so often and after such a time as is written down."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.harness import MODES, children, until
from tests.services.boxes import LOOP, box, shell, stays, supervisor, told

if TYPE_CHECKING:
    from pathlib import Path

RESTART = "on-failure = 'restart'\nrestart-delay = [0, 0]\nrestart-limit = {times = 2}\n"


@pytest.mark.parametrize("mode", MODES)
def test_the_budget(namespaces: None, tmp_path: Path, mode: str) -> None:
    """Each restart is a warning with count, status and last lines; then it ends the container."""
    text = "[service.web]\nlog = 'prefix'\n" + RESTART + shell("echo run; exit 7")
    with box(tmp_path, text, mode=mode) as container:
        assert container.wait() == 7
        assert container.rest() == "web | run\n" * 3
        found = told(container)
        again = [each for each in found if each["event"] == "service_restarts"]
        assert [each["restarts"] for each in again] == [1, 2]
        assert {each["exit_code"] for each in again} == {7}
        assert again[1]["last_lines"] == ["run", "run"]
        assert [each["event"] for each in found[-2:]] == ["service_given_up", "services_stop"]


@pytest.mark.parametrize("mode", MODES)
def test_others_are_not_touched(namespaces: None, tmp_path: Path, mode: str) -> None:
    """Neither by a restart, nor by a service that is given up where that is ignored."""
    text = "[service.db]\n" + RESTART + "give-up = 'ignore'\n" + shell("echo db; exit 1")
    text += "[service.web]\nafter = ['db']\n" + stays("web")
    text = text.replace("exit 1", "sleep 0.2; exit 1")
    with box(tmp_path, text, mode=mode) as container:
        assert sorted(container.line() for _ in "1234") == ["db", "db", "db", "web"]
        container.signal(signal.SIGTERM)
        assert container.wait() == 0
        assert container.rest() == "web stops\n"


@pytest.mark.parametrize("mode", MODES)
def test_what_is_left_is_ended_before(namespaces: None, tmp_path: Path, mode: str) -> None:
    """So that a port or a lock is free again."""
    rest = f'(trap "sleep 0.1; rmdir {tmp_path}/lock; exit" TERM; {LOOP}) &'
    script = f"mkdir {tmp_path}/lock && echo run; {rest} sleep 0.1; exit 1"
    with box(tmp_path, "[service.web]\n" + RESTART + shell(script), mode=mode) as container:
        assert container.wait() == 1
        assert container.rest() == "run\n" * 3


@pytest.mark.parametrize("mode", MODES)
def test_a_delay_ends_with_the_stop(namespaces: None, tmp_path: Path, mode: str) -> None:
    """Whoever waits for a restart is down at once."""
    text = "[service.web]\n" + RESTART.replace("[0, 0]", "[1000, 1000]") + shell("exit 1")
    text += "[service.db]\n" + stays("db")
    with box(tmp_path, text, mode=mode) as container:
        container.expect("db")
        pid = supervisor(container)
        until(lambda: len(children(pid)) == 1, "web has ended", container.pid)
        container.signal(signal.SIGTERM)
        assert container.wait() == 1  # no end that the stop asked for


def test_who_looks_for_readiness_ends_with_its_service(namespaces: None, tmp_path: Path) -> None:
    """There is one command that looks for each start, and none between an end and the next one."""
    said, gate = tmp_path / "said", tmp_path / "gate"
    os.mkfifo(gate)
    look = f"echo look >>{said}; echo >{gate}; exec sleep 1000"
    # The delay is longer than that of the next look.
    text = "[service.web]\n" + RESTART.replace("[0, 0]", "[0.3, 0.3]")
    text += f"ready = {{command = ['sh', '-c', '{look}']}}\n"
    text += shell(f"echo start >>{said}; read x <{gate}; exit 7")
    with box(tmp_path, text) as container:
        assert container.wait() == 7
    assert said.read_text().split() == ["start", "look"] * 3
