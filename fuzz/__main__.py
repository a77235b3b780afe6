"""The command line: `python -m fuzz trees`, `faults` or `soak`."""

from __future__ import annotations

import argparse
import collections
import itertools
import os
import random
import shlex
import sys
import time
from typing import TYPE_CHECKING

from fuzz import container, tree, trees

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def main() -> int:
    """Run it, and return the exit code: 1 if something did not hold."""
    asked = _parser().parse_args()
    container.limit_core_files()
    return int(asked.run(asked))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    commands = parser.add_subparsers(required=True)
    each = commands.add_parser("trees", help="random process trees")
    each.set_defaults(run=run_trees)
    each.add_argument("--trees", type=int, default=100, metavar="N", help="how many")
    each.add_argument("--seed", help="draw those again; it is printed")
    each.add_argument("--from", type=int, default=0, metavar="I", dest="first", help="the first")
    each.add_argument("--tree", help="run this one, as it was printed, instead")
    each.add_argument(
        "--without",
        action="append",
        default=[],
        choices=[*tree.KINDS, *tree.FEATURES],
        metavar="KIND",
        help="leave it out; repeatable: " + ", ".join([*tree.KINDS, *tree.FEATURES]),
    )
    each.add_argument("--shrink", action="store_true", help="make the first that fails smaller")
    each.add_argument("--list", action="store_true", help="print the trees, run none")
    _add_common(each)
    return parser


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--init", type=shlex.split, help="a command line instead of the launcher of this tree"
    )
    parser.add_argument(
        "--bound",
        type=float,
        default=3.0,
        metavar="S",
        help="what the end may take besides delays and grace (default: %(default)s s)",
    )
    parser.add_argument(
        "--jobs",
        type=int,
        default=4 * len(os.sched_getaffinity(0)),
        metavar="N",
        help="so many at a time (default: %(default)s)",
    )


def run_trees(asked: argparse.Namespace) -> int:
    """Run `trees`."""
    seed = asked.seed or str(random.randrange(1_000_000))
    drawn = _drawn(asked, seed)
    if asked.list:
        for name, each in drawn:
            print(f"{name}  {each!r}")
        return 0
    if asked.init:
        return _judge(asked.init, drawn, asked, seed)
    with container.installed_launcher() as init:
        return _judge(init, drawn, asked, seed)


def _drawn(asked: argparse.Namespace, seed: str) -> Iterator[tuple[str, tree.Tree]]:
    if asked.tree:
        yield "--tree", eval(asked.tree, {})
        return
    for index in range(asked.first, asked.first + asked.trees):
        yield str(index), tree.draw(f"{seed}:{index}", asked.without)


def _judge(
    init: Sequence[str],
    drawn: Iterator[tuple[str, tree.Tree]],
    asked: argparse.Namespace,
    seed: str,
) -> int:
    """Run the trees, print what failed and how many there were; return the exit code."""
    print(f"trees: --seed {seed}", flush=True)
    before, count, failed, nodes = time.monotonic(), 0, 0, 0
    kinds: collections.Counter[str] = collections.Counter()
    first: trees.Result | None = None
    for result in trees.run_many(init, drawn, asked.bound, asked.jobs):
        count += 1
        nodes += 1 + sum(1 for _ in tree.all_nodes(result.tree))
        if result.failures:
            failed += 1
            kinds.update(result.failures)
            first = first or result
            _print(result, asked, seed)
    took_s = time.monotonic() - before
    print(f"{count} trees, {nodes} processes, {took_s:.1f} s, CPU {_cpu_s():.1f} s: {failed} failed")
    for what, many in kinds.most_common():
        print(f"  {many} times: {what}")
    if first and asked.shrink:
        smallest = trees.shrink(first, lambda each: _fails(init, each, asked.bound))
        print(f"smaller: --tree \"{smallest!r}\"")
    return 1 if failed else 0


def _fails(init: Sequence[str], each: tree.Tree, bound_s: float) -> bool:
    return any(trees.run(init, "", each, bound_s).failures for _ in range(3))


def _print(result: trees.Result, asked: argparse.Namespace, seed: str) -> None:
    options = "".join(f" --without {shlex.quote(each)}" for each in asked.without)
    if result.seed.isdecimal():
        print(f"tree {result.seed}: --seed {seed} --from {result.seed} --trees 1{options}")
    print(f"  --tree \"{result.tree!r}\"")
    for failure in result.failures:
        print(f"  FAILED: {failure}")
    print(result.details, flush=True)


def _cpu_s() -> float:
    """Return the processor time of this process and all that it has waited for, in seconds."""
    return sum(itertools.islice(os.times(), 4))


if __name__ == "__main__":
    sys.exit(main())
