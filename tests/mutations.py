"""Do the tests notice a defect?  ``python -m tests.mutations`` makes some, one at a time.

Each is a change of one line of pyinit/, drawn at random: a comparison, a condition, a number, a
statement that is left out.  The seed is printed, and what was not noticed is listed, to be read:
some changes change nothing that anybody can see.  It writes into the tree in which it runs, so
that has to be without changes, and puts back what was there.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "pyinit"

_OPPOSITE: dict[type[ast.cmpop], str] = {
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Is: "is not",
    ast.IsNot: "is",
    ast.In: "not in",
    ast.NotIn: "in",
}


class Mutation(NamedTuple):
    """In ``file`` the characters from ``begin`` to ``end`` of line ``line`` become ``text``."""

    file: Path
    line: int
    begin: int
    end: int
    text: str

    def apply(self, source: str) -> str:
        """Return the source with it."""
        lines = source.splitlines(keepends=True)
        old = lines[self.line - 1].encode()
        lines[self.line - 1] = (old[: self.begin] + self.text.encode() + old[self.end :]).decode()
        return "".join(lines)


def candidates(file: Path) -> list[Mutation]:
    """Return all mutations of one file."""
    source = file.read_text("utf-8")
    tree = ast.parse(source)
    found: list[Mutation] = []
    left: list[ast.AST] = [tree]
    while left:
        node = left.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        children = [
            child for child in ast.iter_child_nodes(node) if not _is_annotation(node, child)
        ]
        left += children
        change = _change(node)
        if change is not None and node.lineno == node.end_lineno:  # type: ignore[attr-defined]
            found.append(
                Mutation(file, node.lineno, node.col_offset, node.end_col_offset, change)  # type: ignore[attr-defined]
            )
    return found


def _is_annotation(node: ast.AST, child: ast.AST) -> bool:
    return child in (getattr(node, "annotation", None), getattr(node, "returns", None))


def _change(node: ast.AST) -> str | None:
    """Return what the node becomes, or None."""
    change = None
    match node:
        case ast.Compare(ops=[operator]) if type(operator) in _OPPOSITE:
            left, right = ast.unparse(node.left), ast.unparse(node.comparators[0])
            change = f"({left} {_OPPOSITE[type(operator)]} {right})"
        case ast.BoolOp():
            word = " or " if isinstance(node.op, ast.And) else " and "
            change = "(" + word.join(f"({ast.unparse(each)})" for each in node.values) + ")"
        case ast.UnaryOp(op=ast.Not()):
            change = f"({ast.unparse(node.operand)})"
        case ast.Constant(value=bool() as truth):
            change = str(not truth)
        case ast.Constant(value=(int() | float()) as number):
            change = str(number + 1)
        case ast.BinOp(op=ast.Add() | ast.Sub()):
            sign = "-" if isinstance(node.op, ast.Add) else "+"
            change = f"({ast.unparse(node.left)} {sign} {ast.unparse(node.right)})"
        case ast.Expr(value=ast.Call()) | ast.AugAssign() | ast.Continue() | ast.Break():
            change = "pass"
        case ast.Return(value=ast.expr()):
            change = "return None"
    return change


def draw(seed: int, count: int) -> list[Mutation]:
    """Return ``count`` mutations of all that there are."""
    files = sorted(PACKAGE.rglob("*.py"))
    every = [mutation for file in files for mutation in candidates(file)]
    return random.Random(seed).sample(every, count)


def is_noticed(mutation: Mutation, words: list[str], timeout_s: float) -> tuple[bool, float]:
    """Run ``words`` with the mutation in place; return whether they fail, and the seconds."""
    source = mutation.file.read_text("utf-8")
    began = time.monotonic()
    try:
        mutation.file.write_text(mutation.apply(source), "utf-8")
        process = subprocess.Popen(
            words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, process_group=0
        )
        try:
            return process.wait(timeout_s) != 0, time.monotonic() - began
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return True, time.monotonic() - began
    finally:
        mutation.file.write_text(source, "utf-8")


def main() -> None:
    """Draw, run, and say what was noticed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument(
        "--timeout", type=float, default=900.0, help="in seconds: it counts as noticed"
    )
    parser.add_argument("--show", action="store_true", help="only show what would be changed")
    parser.add_argument("words", nargs="*", help="what is run instead of all tests")
    args = parser.parse_args()
    status = ["git", "status", "--porcelain", "--", "pyinit"]
    if subprocess.run(status, cwd=ROOT, capture_output=True, check=True).stdout:
        sys.exit("there are changes in pyinit/: commit them first")
    words = args.words or [sys.executable, "-m", "pytest", "-q", "-x"]
    print(f"seed {args.seed}, {args.count} mutations: {' '.join(words)}", flush=True)
    left = []
    for number, mutation in enumerate(draw(args.seed, args.count), 1):
        line = mutation.file.read_text("utf-8").splitlines()[mutation.line - 1].strip()
        new = (
            mutation.apply(mutation.file.read_text("utf-8")).splitlines()[mutation.line - 1].strip()
        )
        where = f"{mutation.file.relative_to(ROOT)}:{mutation.line}"
        print(f"{number:3} {where}: {line}\n      -> {new}", flush=True)
        if args.show:
            continue
        noticed, took_s = is_noticed(mutation, words, args.timeout)
        print(f"      {'noticed' if noticed else 'NOT NOTICED'} in {took_s:.0f} s", flush=True)
        if not noticed:
            left.append(where)
    if not args.show:
        print(f"{args.count - len(left)} of {args.count} noticed; not noticed: {left}")


if __name__ == "__main__":
    main()
