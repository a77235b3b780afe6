"""A logger of the program's own gets the events as they come, each at its level."""

from __future__ import annotations

import asyncio
import io
import logging
import threading
from typing import Any

import pytest
import structlog

import pyinit
from tests.harness import embeds, run
from tests.spawning import USER, spawn

KINDS = {"pid", "mount", *USER}
STARTED = ["init_started", "child_started"]


def said(kind: str, mode: str, *command: str, **options: object) -> tuple[list[list[str]], str]:
    """Return what a logger in the process of the init has got, and stderr."""
    init = embeds("run_with_logger", _kind=kind, **options)
    code, out, err = run(command, mode=mode, init=init)
    assert code == 0
    return [line.split() for line in out.splitlines()], err


def test_run_calls_one_like_that_of_structlog(mode: str) -> None:
    """With the event and its fields, those of the moment too; nothing is written elsewhere."""
    found, err = said("structlog", mode, "sh", "-c", "kill -9 $$")
    assert [each[:2] for each in found] == [
        ["info", "init_started"],
        ["info", "child_started"],
        ["info", "child_exited"],
        ["warning", "exiting"],
    ]
    assert found[1][2:] == ["command", "monotonic_s", "pid", "timestamp"]
    assert err == ""


def test_run_calls_one_of_logging(mode: str) -> None:
    """With a line, and the event as an attribute of the record."""
    found, err = said("logging", mode, "true")
    assert [each[:2] for each in found] == [
        *(["info", event] for event in (*STARTED, "child_exited", "exiting")),
    ]
    assert found[2][2:] == ["child_exited", found[2][3], "exit_code=0"]
    assert err == ""


def test_the_level_is_the_one_that_is_asked_for(mode: str) -> None:
    """If it is more than info."""
    script = "trap 'exit 0' USR1; kill -USR1 $PPID; while :; do sleep 0.01; done"
    found, _ = said("structlog", mode, "sh", "-c", script, log_level="debug")
    assert ["debug", "signal_relayed"] in [each[:2] for each in found]


def test_one_that_fails_ends_nothing(mode: str) -> None:
    """It is said once, on stderr."""
    found, err = said("failing", mode, "true")
    assert found == []
    assert err == "pyinit: the logger has failed: RuntimeError('no room')\n"


def test_spawn_calls_a_logger_of_structlog(namespaces: None) -> None:
    """In a thread; with the level that structlog adds by itself."""
    told: list[dict[str, Any]] = []
    threads = set()

    def keep(_: object, method: str, event: Any) -> str:
        threads.add(threading.current_thread())
        told.append({**event, "method": method})
        raise structlog.DropEvent

    logger = structlog.wrap_logger(None, processors=[keep])
    with spawn(["sh", "-c", "exit 3"], logger=logger) as container:
        container.wait()
    assert [each["event"] for each in told] == [*STARTED, "child_exited", "exiting"]
    assert {each["method"] for each in told} == {"info"}
    assert told[2]["exit_code"] == 3
    assert threading.current_thread() not in threads


def test_run_container_calls_a_logger_of_logging(namespaces: None) -> None:
    """An adapter is one, too."""
    stream = io.StringIO()
    logger = logging.getLogger("tests.api.test_logger")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(logging.StreamHandler(stream))
    adapter = logging.LoggerAdapter(logger, {})
    pyinit.run_container(["true"], namespaces=KINDS, logger=adapter)
    lines = stream.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == [*STARTED, "child_exited", "exiting"]
    assert lines[2].endswith(" exit_code=0")


def test_spawn_async_calls_a_logger_in_the_loop(namespaces: None) -> None:
    """All of it before the ``async with`` is left."""
    told: list[str] = []

    class Logger:
        def info(self, event: str, **_: object) -> None:
            asyncio.get_running_loop()
            told.append(event)

        debug = warning = error = info

    async def main() -> None:
        async with pyinit.spawn_async(["true"], namespaces=KINDS, logger=Logger()) as container:
            await container.wait()

    asyncio.run(main())
    assert told == [*STARTED, "child_exited", "exiting"]


def test_what_is_no_logger_is_refused() -> None:
    """Before anything is started, and so is another place for the log."""
    for start in (pyinit.run, pyinit.spawn):
        with pytest.raises(TypeError, match=r"^logger: expected one with the methods debug, info"):
            start(["true"], logger=print)
        with pytest.raises(ValueError, match=r"^quiet: the log goes to logger"):
            start(["true"], logger=logging.getLogger(), quiet=True)
    with pytest.raises(ValueError, match=r"^events: they go to logger"):
        pyinit.spawn(["true"], logger=logging.getLogger(), events=True)
