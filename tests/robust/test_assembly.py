"""A failure after the start ends no command, whichever of the four ways its init was made in.

The command line is the one of test_failures.py.
"""

from __future__ import annotations

import sys

import pytest

from pyinit.container import starter
from tests import spawning
from tests.cases import in_turn
from tests.harness import PID1, PROGRAMS, embeds, python, run

EXERCISED = "relayed\nreaped\nTERM\n"
FAILS = ("supervisor.Supervisor.__init__", "supervisor.Supervisor.run")


def broken(path: str, scenario: str, **options: object) -> tuple[str, ...]:
    """Return the start of a scenario of embeds.py in which the method at ``path`` fails."""
    words = embeds(scenario, **options)
    return (sys.executable, "-IS", str(PROGRAMS / "broken_embeds.py"), path, *words[3:])


@in_turn("path", FAILS)
def test_run(mode: str, path: str) -> None:
    """The command gets its signals, is reaped, and its end is returned; leftovers are ended."""
    code, out, err = run(python("exercise.py"), mode=mode, init=broken(path, "run"))
    assert (code, out) == (0, f"{EXERCISED}7 0\n")
    assert "only relaying, reaping and ending leftovers" in err


def test_fork_init(mode: str) -> None:
    """The parent goes on as the init of the program."""
    init = broken(FAILS[0], "fork", always=True)
    code, out, err = run(python("exercise.py"), mode=mode, init=init)
    assert (code, out) == (7, EXERCISED)
    assert "only relaying, reaping and ending leftovers" in err


def test_fork_init_without_its_modules(namespaces: None) -> None:
    """The program runs already when they are loaded: it has all the same, and its code is told."""
    words = embeds("fork")
    init = (sys.executable, "-IS", str(PROGRAMS / "without_boot.py"), *words[3:])
    code, out, err = run(python("exercise.py"), mode=PID1, init=init)
    assert (code, out) == (7, EXERCISED)
    (line,) = err.splitlines()
    assert line.startswith("pyinit: cannot be loaded, signals are relayed all the same: ")


@pytest.mark.parametrize("path", FAILS)
def test_spawn(path: str, monkeypatch: pytest.MonkeyPatch, namespaces: None) -> None:
    """The init of the container, which nobody else could replace."""
    start = "from pyinit.container import stage;"
    assert start in starter._PROGRAM
    fails = f"{start}from pyinit import supervisor;{path} = lambda *_, **__: 1 / 0;"
    monkeypatch.setattr(starter, "_PROGRAM", starter._PROGRAM.replace(start, fails))
    with spawning.spawn(python("exercise.py")) as container:
        assert container.stdout is not None
        assert container.stdout.read().decode() == EXERCISED
        assert container.wait().code == 7
