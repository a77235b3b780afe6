"""`python -m fuzz trees`: random trees hold under pyinit, and what does not hold is found."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from fuzz import tree
from tests import conftest, harness

pytestmark = pytest.mark.usefixtures("namespaces")

SEED = "pyinit"
# Of what the generator draws: a process of each kind that is told apart here.
NODE: tree.Node = {
    "id": 1,
    "start": "fork",
    "kind": "plain",
    "value": 0,
    "term": ["token", 0],
    "place": "same",
    "closed": False,
    "below": [],
}
MAIN: tree.Node = {
    "id": 0,
    "start": "main",
    "kind": "plain",
    "value": 3,
    "when": "told",
    "heeds": [tree.GO, 10, 35],
    "ends_on": [tree.GO],
    "below": [NODE],
}
TREE: tree.Tree = {
    "mode": "pid1",
    "options": [],
    "grace_s": 1.0,
    "stderr": "file",
    "signals": [10, 35, 35],
    "stop": "go",
    "freeze": "",
    "hurry": False,
    "hold_s": 0.0,
    "entered": [],
    "main": MAIN,
}


def fuzz(*arguments: str) -> tuple[int, str]:
    """Run `python -m fuzz trees` to its end; return the exit code and what it said."""
    conftest.need("nsenter")
    argv = [sys.executable, "-m", "fuzz", "trees", *arguments]
    done = subprocess.run(
        argv, check=False, cwd=harness.ROOT, capture_output=True, text=True, timeout=600
    )
    return done.returncode, done.stdout + done.stderr


def with_flaw(flaw: str, **changes: Any) -> tuple[int, str]:
    """Run `TREE`, changed, under an init with a flaw."""
    init = " ".join(harness.python("naive_init.py", flaw)).replace("-IS", "-I")
    # Those whom it leaves behind are seen when the bound is over.
    bound = "1" if flaw == "survivors" else "10"
    return fuzz("--init", init, "--tree", repr({**TREE, **changes}), "--bound", bound)


def test_a_hundred_random_trees_hold() -> None:
    """Exit code, nobody left, tokens, one TERM, grace and bound, no zombie, no traceback."""
    code, said = fuzz("--trees", "100", "--seed", SEED, "--bound", "20", "--jobs", "16")
    assert code == 0, said
    assert "100 trees" in said


def test_an_init_without_a_flaw_passes() -> None:
    """So what the other tests see is the flaw."""
    code, said = with_flaw("none")
    assert code == 0, said


@pytest.mark.parametrize(
    ("flaw", "changes", "words"),
    [
        ("code", {}, "exit code 4 instead of 3"),
        ("kills", {}, "node 1 (plain) has not written its token"),
        (
            "kills",
            {"main": {**MAIN, "below": [{**NODE, "term": "ignore"}]}},
            "before the grace is",
        ),
        (
            "idle",
            {
                "hold_s": 3.0,
                "main": {**MAIN, "below": [{**NODE, "kind": "ends", "start": "orphan"}]},
            },
            "a child of the init was a zombie for a second",
        ),
        (
            "insists",
            {"main": {**MAIN, "below": [{**NODE, "term": ["token", 0.2]}]}},
            "node 1 got TERM",
        ),
        ("survivors", {"mode": "subreaper", "grace_s": 0.0}, "pyinit has exited with 3"),
        ("talks", {}, "stderr has 'Traceback'"),
        ("none", {"options": ["--report", "{directory}/report"]}, "no report"),
    ],
)
def test_what_does_not_hold_is_found(flaw: str, changes: dict[str, Any], words: str) -> None:
    """Each invariant by an init that breaks it, with the tree to run it again."""
    code, said = with_flaw(flaw, **changes)
    assert code == 1, said
    assert words in said
    assert "--tree" in said


def test_a_seed_is_a_tree_and_kinds_can_be_left_out() -> None:
    """What is printed of a failure is enough to see it again."""
    for number in range(200):
        seed = f"{SEED}:{number}"
        assert tree.draw(seed) == tree.draw(seed)
        drawn = tree.draw(seed, [*tree.KINDS.keys() - {"plain"}, *tree.FEATURES])
        assert {each["kind"] for each in tree.all_nodes(drawn)} <= {"plain"}
        assert (drawn["mode"], drawn["main"]["kind"]) == ("pid1", "plain")
        assert not any((drawn["freeze"], drawn["hurry"], drawn["signals"], drawn["entered"]))
