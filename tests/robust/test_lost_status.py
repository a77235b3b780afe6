"""A main child whose wait status is lost has ended: with 125, which is said."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import pyinit
from tests.harness import PROGRAMS, python, run
from tests.robust.test_failures import EXERCISED, without

DIRECTORY = str(Path(pyinit.__file__).parent.parent)


@pytest.mark.parametrize("left", ["", "trap '' TERM; sleep 1000 & "])
@pytest.mark.parametrize("how", ["failure", "thief"])
def test_it_is_the_end(how: str, left: str, namespaces: None) -> None:
    """Whether or not there is another child, for which waitpid(2) goes on without an error."""
    init = (sys.executable, "-IS", str(PROGRAMS / "loses.py"), how, DIRECTORY)
    options = ["--grace", "0.1"] if how == "failure" else []
    code, _, err = run(["sh", "-c", f"{left}exit 7"], init=init, options=options)
    assert code == 125
    assert "child_status_lost" in err


@pytest.mark.parametrize("option", ["-w", "-vv"])
def test_what_reaping_needs_is_there_before(option: str, namespaces: None) -> None:
    """CPython's wait4() reaps, and then imports a module: without it no CPU time is told."""
    code, out, err = run(python("exercise.py"), init=without("resource"), options=[option])
    assert (code, out) == (7, EXERCISED)
    assert '"cpu_s": null' in err
