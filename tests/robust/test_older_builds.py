"""In an interpreter that was built for older C libraries: it lacks newer functions of `posix`.

The kernel has the system calls all the same.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.conftest import missing
from tests.harness import PID1, PROGRAMS, SUBREAPER, Container, logged, run
from tests.robust.test_failures import without
from tests.robust.test_older_filters import assert_it_does_all
from tests.robust.test_teardown_faults import OFTEN, broken

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("namespaces")

OLDER_BUILD = str(PROGRAMS / "older_build.py")
# Says what happens to a container, and does it in all ways.
SCENARIO = """
import asyncio

import pyinit


def main():
    with pyinit.spawn(["sh", "-c", "echo ready; exec sleep 1000"], stdout=-1, text=True) as first:
        print(first.stdout.readline(), end="")
        print(first.exec(["sh", "-c", "exit 5"]).wait().code)
        first.freeze()
        first.thaw()
        print(first.stop().code)
    with pyinit.spawn(["sleep", "1000"]) as second:
        second.send_signal("KILL")
        print(second.wait().code)
    print(asyncio.run(later()))


async def later():
    async with await pyinit.spawn_async(["sh", "-c", "exit 9"]) as container:
        return (await container.wait()).code


if __name__ == "__main__":
    main()
"""
SERVICES = """
[service.main]
main = true
command = ['sh', '-c', '(trap "" TERM; exec sleep 1) & exec true']
"""


def older(*modules: str) -> tuple[str, ...]:
    """Return the start of a pyinit in such an interpreter, which cannot import ``modules``."""
    python, flags, *program = without(*modules)
    return (python, flags, OLDER_BUILD, *program)


def test_all_that_an_init_does(mode: str, tmp_path: Path) -> None:
    """Nothing of it fails."""
    assert_it_does_all(mode, tmp_path, init=older())


def test_who_is_no_child_is_ended() -> None:
    """A subreaper reaches those by descriptors of processes, which no number can replace."""
    below = 'trap "echo TERM; exit" TERM; echo ready; while :; do sleep 0.01; done'
    above = f"trap : TERM; sh -c '{below}' & wait; wait"
    command = ["sh", "-c", 'sh -c "$0" & read line; exit 3', above]
    with Container(
        command,
        mode=SUBREAPER,
        init=older(),
        options=["--leftovers", "all", "--grace", "1000"],
        stdin=subprocess.PIPE,
    ) as container:
        container.expect("ready")
        container.close_stdin()
        container.expect("TERM")
        assert container.wait() == 3


def test_one_that_is_linked_statically(mode: str) -> None:
    """With musl no function of the C library can be looked up then; PID 1 needs none."""
    init = broken(OFTEN, "ENOSYS", "_ctypes.dlopen")
    code, out, errors = run(["sh", "-c", "echo x; exit 4"], mode=mode, init=init)
    assert (code, out) == (4, "x\n")
    warnings = [event["event"] for event in logged(errors)]
    assert warnings == ([] if mode == PID1 else ["not_a_subreaper"])


def test_what_is_said_of_a_failure() -> None:
    """Also by what needs no module."""
    code, _, errors = run(
        ["true"],
        options=["--group"],
        mode=PID1,
        init=older("pyinit.options.parser", "pyinit.log.sink"),
    )
    assert code == 125
    assert errors.startswith("pyinit: internal error: ")


def test_services(tmp_path: Path) -> None:
    """What one leaves in its session is waited for."""
    path = tmp_path / "services.toml"
    path.write_text(SERVICES)
    code, _, errors = run([], options=["--services", str(path)], mode=PID1, init=older())
    assert (code, errors) == (0, "")


def test_containers(tmp_path: Path) -> None:
    """Started, entered, frozen, stopped, killed and awaited."""
    if os.geteuid() != 0:
        missing("root, to freeze")
    program = tmp_path / "scenario.py"
    program.write_text(SCENARIO)
    words = [sys.executable, OLDER_BUILD, str(program)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout.split(), done.stderr) == (["ready", "5", "143", "137", "9"], "")
