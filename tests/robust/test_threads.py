"""Threads that are not pyinit's own take no signal away: they are left out, or hand it on."""

from __future__ import annotations

import json
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from tests import foreign
from tests.harness import PID1, SUBREAPER, Container, logged, python, run, status_field, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OFTEN = 1000


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a library whose constructor starts a thread that blocks no signal."""
    return foreign.library(tmp_path_factory)


def without_proc() -> tuple[str, ...]:
    """Return what hides /proc from the command behind it."""
    return ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh")


def preloaded_by_the_system(library: Path) -> tuple[str, ...]:
    """Return what has the loader preload a library whatever the environment is; see ld.so(8)."""
    script = f'mount -t tmpfs none /etc && echo {library} >/etc/ld.so.preload && exec "$@"'
    return ("unshare", "--mount", "sh", "-c", script, "sh")


@pytest.fixture
def ways(library: Path, tmp_path: Path) -> dict[str, tuple[str, ...]]:
    """Return what stands in front of pyinit to bring a thread into its process, by name."""
    path = f"PYTHONPATH={foreign.sitecustomize(tmp_path)}"
    preload = f"LD_PRELOAD={library}"
    return {
        "preloaded": ("env", preload),
        "preloaded, no /proc": (*without_proc(), "env", preload),
        "sitecustomize": ("env", path),
        "sitecustomize, to stay": ("env", path, "FOREIGN_PYTHON=/nowhere"),
        "both": ("env", path, preload),
        "preloaded by the system": preloaded_by_the_system(library),
    }


def count(container: Container) -> Iterator[int]:
    """Send signals, and return how many of them the command has counted at each look."""
    for _ in range(OFTEN):
        container.signal(signal.SIGRTMIN + 1)
    while True:
        container.signal(signal.SIGUSR2)
        yield json.loads(container.line()).get("RTMIN+1", 0)


@pytest.mark.parametrize(
    ("way", "mode", "event"),
    [
        ("preloaded", PID1, "restarted"),
        ("preloaded", SUBREAPER, "restarted"),
        ("preloaded, no /proc", PID1, "restarted"),
        ("both", PID1, "restarted"),
        ("sitecustomize", PID1, "restarted"),
        ("sitecustomize, to stay", PID1, "other_threads"),
        ("sitecustomize, to stay", SUBREAPER, "other_threads"),
        ("preloaded by the system", PID1, "other_threads"),
    ],
)
def test_no_signal_is_lost(
    namespaces: None, ways: dict[str, tuple[str, ...]], way: str, mode: str, event: str
) -> None:
    """A thousand real-time signals as fast as they can be sent, and the end of the command.

    The thread is gone after a restart; what brings it in anyhow is said in a warning.
    """
    command = [*foreign.NO_THREAD, *python("count.py")]
    with Container(command, before=ways[way], mode=mode) as container:
        container.expect("ready")
        threads = status_field(container.pid, "Threads")
        counts = count(container)
        until(lambda: next(counts) == OFTEN, "all signals have come", container.pid)
        container.signal(signal.SIGTERM)
        assert container.wait() == 0
        told = [each["event"] for each in logged(container.errors()) if each["level"] == "warning"]
    assert event in told
    assert (threads == "1") == (event == "restarted")


def test_who_has_ended_is_looked_for_where_threads_stay(
    namespaces: None, ways: dict[str, tuple[str, ...]]
) -> None:
    """A thread that waits for SIGCHLD takes it without a trace, so pyinit wakes up now and then."""
    command = [*foreign.NO_THREAD, *python("record.py")]
    with Container(command, before=ways["sitecustomize, to stay"]) as container:
        container.expect("ready")
        start = int(status_field(container.pid, "voluntary_ctxt_switches"))
        until(
            lambda: int(status_field(container.pid, "voluntary_ctxt_switches")) > start + 1,
            "it has been awake twice",
        )
        container.signal(signal.SIGTERM)
        assert container.wait() == 0


def test_a_program_that_is_its_own_init(
    namespaces: None, ways: dict[str, tuple[str, ...]], tmp_path: Path
) -> None:
    """fork_init() starts no program once more: what threads of the init take is handed on."""
    program = tmp_path / "program.py"
    program.write_text(
        "import os, sys, pyinit; pyinit.fork_init(); os.execvp(sys.argv[2], sys.argv[2:])\n"
    )
    command = [*foreign.NO_THREAD, *python("count.py")]
    with Container(
        command, before=ways["preloaded"], init=(sys.executable, str(program))
    ) as container:
        container.expect("ready")
        counts = count(container)
        until(lambda: next(counts) == OFTEN, "all signals have come", container.pid)
        container.signal(signal.SIGTERM)
        assert container.wait() == 0
        assert "other_threads" in [each["event"] for each in logged(container.errors())]


def test_the_warning_names_what_was_left_out(
    namespaces: None, ways: dict[str, tuple[str, ...]]
) -> None:
    """So that whoever reads it knows where the thread came from."""
    _, _, errors = run([*foreign.NO_THREAD, "true"], before=ways["both"])
    (told,) = logged(errors)
    assert (told["level"], told["event"]) == ("warning", "restarted")
    assert told["without"] == ["LD_PRELOAD", "PYTHONPATH"]
    assert told["threads"] > 0
