"""What the init logs comes as data where that is asked for."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import threading
from typing import Any

import pytest

from tests.harness import DEADLINE_S, until
from tests.spawning import line, spawn

pytestmark = pytest.mark.usefixtures("namespaces")


def test_events_as_they_come() -> None:
    """Until the container has ended; stdout and stderr are the command's alone."""
    script = "echo ready; read -r _"
    argv = ["sh", "-c", script]
    how: Any = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE, "events": True}
    with spawn(argv, **how, rewrite={"USR1": "ignore"}) as container:
        assert line(container.stdout) == "ready"
        events = container.events()
        assert next(events)["event"] == "init_started"
        started = next(events)
        assert (started["event"], started["command"]) == ("child_started", argv)
        container.send_signal("TERM")
        assert next(events)["event"] == "signal_received"
        names = [each["event"] for each in events]
        assert names == ["child_exited", "exiting"]
        assert container.wait(DEADLINE_S).code == 143
        assert container.communicate() == (b"", b"")


def test_the_init_waits_for_no_reader() -> None:
    """What does not fit is dropped."""
    argv = ["sh", "-c", "trap : USR1; echo ready; while :; do read -r _; done"]
    with spawn(argv, events=True, stdin=subprocess.PIPE, log_level="debug") as container:
        assert line(container.stdout) == "ready"
        for _ in range(3000):
            container.send_signal("USR1")
        assert container.stop(1000, "KILL").code == 137


def test_a_longer_log() -> None:
    """The level is the one that is asked for, if it is no less than info."""
    for level, expected in (
        ("debug", {"debug", "info", "warning"}),
        ("error", {"info", "warning"}),
    ):
        with spawn(["sleep", "1000"], events=True, log_level=level) as container:
            events = container.events()
            found = {next(events)["level"]}
            container.send_signal("USR1")
            assert found | {each["level"] for each in events} == expected


@pytest.mark.parametrize(
    "how", [{"log_fd": 2}, {"log_file": "/dev/null"}, {"log_format": "console"}, {"quiet": True}]
)
def test_another_place_for_the_log(how: dict[str, Any]) -> None:
    """There is one."""
    with pytest.raises(ValueError, match="events=True is where the log goes"):
        spawn(["true"], events=True, **how)


NAMES = ["init_started", "child_started", "child_exited", "exiting"]


def test_a_callback() -> None:
    """It has had all events when the container is closed, by ``with`` here."""
    seen: list[dict[str, Any]] = []
    with spawn(["true"], events=seen.append) as container:
        container.wait(DEADLINE_S)
        with pytest.raises(ValueError, match="expected events=True"):
            container.events()
    assert [each["event"] for each in seen] == NAMES


def test_a_callback_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told as what ends a thread is, and the next event comes."""
    told: list[Any] = []
    monkeypatch.setattr("threading.excepthook", told.append)
    with spawn(["true"], events=lambda _: 1 // 0) as container:
        container.wait(DEADLINE_S)
    assert [each.exc_type for each in told] == [ZeroDivisionError] * len(NAMES)


def test_a_callback_that_closes_the_container() -> None:
    """It does not wait for itself; the container goes on, and no thread is left."""
    started, closed = threading.Event(), threading.Event()

    def close(event: dict[str, Any]) -> None:
        started.wait(DEADLINE_S)
        container.close()
        closed.set()

    container = spawn(["sleep", "1000"], events=close, detach=True)
    pidfd = os.dup(container.pidfd)
    try:
        started.set()
        assert closed.wait(DEADLINE_S)
        until(lambda: "pyinit-events" not in {each.name for each in threading.enumerate()}, "end")
        assert not select.select([pidfd], [], [], 0)[0]
    finally:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
        os.close(pidfd)


def test_without_events() -> None:
    """It says what is missing."""
    with (
        spawn(["true"]) as container,
        pytest.raises(ValueError, match="expected events=True when it is started"),
    ):
        container.events()


def test_the_container_lives_as_long_as_its_events() -> None:
    """Also where nothing else holds it."""
    events = spawn(["sh", "-c", "exit 3"], events=True).events()
    assert [*events][-1]["exit_code"] == 3
