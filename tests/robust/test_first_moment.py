"""A command that ends at once is not supervised, and ends as one that is; see `pyinit.moment`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyinit
from pyinit.ctl.dist import install
from tests.harness import PROGRAMS, run

DIRECTORY = str(Path(pyinit.__file__).parents[1])
# The moment lasts until a child has changed, however busy the machine is.
PATIENT = (sys.executable, "-IS", str(PROGRAMS / "patient.py"))
SUPERVISING = {*install.lists()[1]}


def moment(script: str, mode: str) -> tuple[int, list[str], set[str], str]:
    """Return the exit code of a shell script, its lines, what pyinit has loaded, and stderr."""
    code, out, err = run(["sh", "-c", script], mode=mode, init=(*PATIENT, DIRECTORY))
    *lines, loaded = out.splitlines()
    return code, lines, set(loaded.split()), err


def test_nobody_supervises_it(mode: str) -> None:
    """Its exit code is pyinit's, and what would supervise it is not loaded."""
    code, lines, loaded, err = moment("echo ends; exit 7", mode)
    assert (code, lines, err) == (7, ["ends"], "")
    assert loaded.isdisjoint(SUPERVISING)


def test_who_is_left_gets_term_and_the_grace(mode: str, tmp_path: Path) -> None:
    """And the exit code is the command's all the same."""
    ready = tmp_path / "ready"
    # It forks nobody: a child of that moment would be told as well, and the shell says so.
    leftover = f"trap 'echo told; exit' TERM; echo >{ready}; while :; do :; done"
    script = f"({leftover}) & while [ ! -e {ready} ]; do :; done; exit 7"
    code, lines, loaded, err = moment(script, mode)
    assert (code, lines, err) == (7, ["told"], "")
    assert loaded >= SUPERVISING


def test_a_signal_that_has_killed_it_is_told_of(mode: str) -> None:
    """As it is of any other command."""
    code, _, _, err = moment("kill -KILL $$", mode)
    assert code == 137
    assert "SIGKILL" in json.loads(err)["cause"]


def test_a_stop_that_it_asked_for_is_told_of(namespaces: None) -> None:
    """The signal waits when the command has ended already."""
    code, _, _, err = moment("kill -TERM 1; exit 3", "pid1")
    assert code == 3
    assert "from the command itself" in json.loads(err)["cause"]


def test_a_loop_that_cannot_be_loaded(mode: str) -> None:
    """The status is known by then, and who is left is ended simply."""
    init = (*PATIENT, "without", "pyinit.supervisor", DIRECTORY)
    code, out, err = run(["sh", "-c", "sleep 1000 & exit 7"], mode=mode, init=init)
    assert (code, out) == (7, "")
    assert "only relaying, reaping and ending leftovers" in err
