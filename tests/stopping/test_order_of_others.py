"""Leftovers end in the order of the tree under each init: of spawn and exec too, and 10,000."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pyinit import Exit
from tests.cases import in_turn
from tests.harness import DEADLINE_S, PYINITCTL, Container, python
from tests.spawning import USER, line, rest, spawn
from tests.stopping.test_teardown import NEVER_S, assert_over, end_main

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("namespaces")

MASTER = python("master.py", "finish", "2")
PIPES: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "grace_s": 1000}
IN_ORDER = "TERM\ndone\ndone\nended"


def ends_in_order(made: Any) -> None:
    """Assert that the master that a command leaves lets its workers finish."""
    for _ in range(2):
        assert line(made.stdout) == "worker"
    made.stdin.close()
    assert rest(made.stdout) == IN_ORDER


def test_spawn() -> None:
    """Its init is PID 1."""
    with spawn(MASTER, **PIPES) as container:
        ends_in_order(container)
        assert container.wait(DEADLINE_S) == Exit(7)


def test_spawn_without_a_pid_namespace() -> None:
    """Its init is a subreaper."""
    with spawn(MASTER, kinds=["uts"], **PIPES) as container:
        ends_in_order(container)
        assert container.wait(DEADLINE_S) == Exit(7)


def test_exec() -> None:
    """Its init is a subreaper in the container, and the /proc there tells of its numbers."""
    with spawn(["sleep", "1000"]) as container:
        with container.exec(MASTER, **PIPES) as process:
            ends_in_order(process)
            assert process.wait(DEADLINE_S) == Exit(7)
        container.kill()


@pytest.mark.parametrize("command", ["run", "exec"])
def test_pyinitctl(command: str) -> None:
    """As they are on the command line; exec has the grace as an option of its own."""
    with spawn(["sleep", "1000"]) as container:
        words = ["exec", str(container.pid), "--grace", NEVER_S]
        if command == "run":
            kinds = ["--pid", "--mount", *("--userns" for _ in USER)]
            words = ["run", *kinds, "--init", f"--grace {NEVER_S}"]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen([*PYINITCTL, *words, "--", *MASTER], bufsize=0, **pipes) as made:
            ends_in_order(made)
            assert made.wait(DEADLINE_S) == 7
        container.kill()


SLEEPERS = """
import os, signal, sys
masters, workers = map(int, sys.argv[1:])
for _ in range(masters):
    if os.fork() == 0:
        for _ in range(workers):
            if os.fork() == 0:
                signal.pause()
        os.write(1, b"ready\\n")
        signal.pause()
os.read(0, 1)
os._exit(7)
"""


@pytest.mark.long
@pytest.mark.alone("10,000 processes take a third of all numbers")
@in_turn(("masters", "workers"), [(100, 99), (10_000, 0)])
def test_ten_thousand_sleepers(tmp_path: Path, mode: str, masters: int, workers: int) -> None:
    """Each ends on TERM, as a child of pyinit or when its parent has ended; none is killed."""
    words = [sys.executable, "-IS", "-c", SLEEPERS, str(masters), str(workers)]
    options = ["--grace", NEVER_S, "--report", str(tmp_path / "report")]
    with Container(words, options=options, mode=mode, stdin=subprocess.PIPE) as container:
        for _ in range(masters):
            container.expect("ready")
        end_main(container)
        assert_over(container)
    teardown = json.loads((tmp_path / "report").read_text())["teardown"]
    assert (teardown["count"], teardown["kills"]) == (10_000, 0)
