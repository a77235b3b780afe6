"""Programs that many containers run, as leftovers of an entry script that is stopped.

What each loses is the table of docs/lifecycle.md: here it is seen to be right.
"""

from __future__ import annotations

import itertools
import os

import pytest

from tests.conftest import missing, need
from tests.stopping import real_programs
from tests.stopping.real_programs import INITS, PROGRAMS, TREE, Program


def cases() -> list[object]:
    """Return each program with each init; those with pyinit that need nothing run always."""
    return [
        pytest.param(
            program,
            init,
            id=f"{program.name.strip('`')}-{init}",
            marks=[] if init == TREE and not program.needs else [pytest.mark.long],
        )
        for program, init in itertools.product(PROGRAMS, INITS)
    ]


@pytest.mark.parametrize(("program", "init"), cases())
def test_what_a_program_loses(program: Program, init: str, namespaces: None) -> None:
    """Of the work that it had begun when the entry script got TERM."""
    if program.needs and os.geteuid() != 0:
        missing("root")  # a user namespace has one user, and these change theirs
    need(INITS[init][0][0], *program.needs)
    with real_programs.directory_for_sockets() as directory:
        assert real_programs.lost(program, init, directory) == program.lost[init]
