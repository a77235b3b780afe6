"""A program that is its own init starts workers of multiprocessing: they are no inits."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import pyinit
from tests.harness import DEADLINE_S

PROGRAM = f"""
import os, sys
sys.path.append({str(Path(pyinit.__file__).parents[1])!r})
import pyinit

BEFORE = os.getpid()
pyinit.fork_init(always=True)
IS_SAME = os.getpid() == BEFORE

import multiprocessing

def look(_):
    before = os.getpid()
    pyinit.fork_init(always=True)
    return IS_SAME and os.getpid() == before

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    with context.Pool(2) as pool:
        print(pool.map(look, range(3)))
"""


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_workers_of(method: str, tmp_path: Path) -> None:
    """No worker has forked: it goes on where it was, in the process that was started.

    From Python 3.14 on the server of forkserver imports the main module, and no worker does.
    Those of fork have the module from the program, which has forked.
    """
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, str(program), method],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=True,
    )
    expected = "[False, False, False]" if method == "fork" else "[True, True, True]"
    assert done.stdout == f"{expected}\n"
    assert done.stderr == ""
