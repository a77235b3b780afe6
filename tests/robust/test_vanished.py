"""The package vanishes while the command runs: what PID 1 owes it owes without another module.

It is removed, covered by an empty file system or replaced by other files when pyinit has
loaded all that it needs at first, and waits.
"""

from __future__ import annotations

import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import pyinit
from tests.harness import MODES, PID1, PROGRAMS, SUBREAPER, Container, python, status_field, until
from tests.terminals import until_settled

if TYPE_CHECKING:
    from collections.abc import Sequence

EXERCISED = "relayed\nreaped\nTERM\n"
WAYS = {
    "removed": 'rm -r "$0"',
    "covered": 'mount -t tmpfs none "$0"',
    "replaced": 'for file in "$0"/*.py "$0"/*/*.py; do echo "raise SystemExit(3)" >"$file"; done',
}


class Vanishing(Container):
    """A container whose command runs when the package has vanished in ``way``."""

    def __init__(
        self,
        command: Sequence[str],
        directory: Path,
        way: str = "removed",
        *,
        mode: str,
        options: Sequence[str] = (),
    ) -> None:
        package = directory / "pyinit"
        ignored = shutil.ignore_patterns("__pycache__", "ctl")
        shutil.copytree(Path(pyinit.__file__).parent, package, ignore=ignored)
        starter = str(PROGRAMS / "without.py")
        words = ["sh", "-c", f'read line; {WAYS[way]} && exec "$@"', str(package), *command]
        super().__init__(
            words,
            options=options,
            mode=mode,
            init=(sys.executable, "-IS", starter, "none", str(directory)),
            stdin=subprocess.PIPE,
        )
        with self._ended_if_failing():
            # The handlers are the last that it does before its loop.
            until(self._catches_term, "it is in its loop", self.pid)
            until_settled(self.pid)
            assert self.process.stdin is not None
            self.process.stdin.write(b"\n")
            self.process.stdin.flush()

    def _catches_term(self) -> bool:
        return bool(int(status_field(self.pid, "SigCgt"), 16) >> (signal.SIGTERM - 1) & 1)


@pytest.mark.parametrize(
    ("mode", "way", "options"),
    [
        *((mode, "removed", "") for mode in MODES),
        (PID1, "covered", ""),
        (PID1, "replaced", ""),
        (PID1, "removed", "-vv -w --notify --stop-timeout 100"),
        (SUBREAPER, "removed", "-vv --report fd:2 --drain 0.1 --pre-stop true"),
    ],
)
def test_it_relays_reaps_and_ends_leftovers_all_the_same(
    mode: str, way: str, options: str, tmp_path: Path, namespaces: None
) -> None:
    """And exits with the command's code, and says what it is without."""
    words = shlex.split(options)
    command = python("exercise.py")
    with Vanishing(command, tmp_path, way, mode=mode, options=words) as container:
        assert container.rest() == EXERCISED
        errors = container.errors()
        assert container.wait() == 7
        assert "internal_error" in errors
        assert "Traceback" not in errors


@pytest.mark.parametrize("mode", MODES)
def test_a_leftover_has_its_grace(mode: str, tmp_path: Path, namespaces: None) -> None:
    """It is asked to end, and then waited for."""
    with Vanishing(python("leave.py", "daemon", "slow"), tmp_path, mode=mode) as container:
        container.expect("ready")
        end_main(container)
        container.expect("TERM")
        container.expect("done")
        assert container.wait() == 7


@pytest.mark.parametrize("mode", MODES)
def test_leftovers_are_killed_after_the_grace(mode: str, tmp_path: Path, namespaces: None) -> None:
    """When not PID 1 a grandchild is found when its parent has ended."""
    command = python("leave.py", "deep", "ignore", "3")
    with Vanishing(command, tmp_path, mode=mode, options=["--grace", "0.1"]) as container:
        for _ in range(3):
            container.expect("ready")
        end_main(container)
        container.expect("TERM")
        assert container.wait() == 7
        if mode == SUBREAPER:
            assert container.survivors == []


def test_a_second_stop_signal_ends_the_grace(tmp_path: Path, namespaces: None) -> None:
    """The first one has ended the command."""
    options = ["--grace", "1000"]
    command = python("leave.py", "daemon", "ignore")
    with Vanishing(command, tmp_path, mode=PID1, options=options) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        container.signal(signal.SIGTERM)
        assert container.wait() == 128 + signal.SIGTERM


def test_a_stop_of_the_terminal_is_relayed(tmp_path: Path, namespaces: None) -> None:
    """TSTP, of which job control makes what the kernel does not discard."""
    with Vanishing(python("record.py", "TSTP"), tmp_path, mode=PID1) as container:
        container.expect("ready")
        container.signal(signal.SIGTSTP)
        container.expect("TSTP")


def end_main(container: Container) -> None:
    """Let the main child end."""
    container.close_stdin()
