"""The command line: `python -m fuzz trees`, `faults` or `soak`."""

from __future__ import annotations

import argparse
import collections
import itertools
import json
import os
import random
import re
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.container import be_root
from fuzz import container, faults, parallel, soak, soak_plot, tree, trees, ways

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


SOAK = Path(__file__).parent.parent / "build" / "fuzz"


def main() -> int:
    """Run it, and return the exit code: 1 if something did not hold."""
    asked = _parser().parse_args()
    be_root("fuzz")
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
    each = commands.add_parser("faults", help="system calls that fail")
    each.set_defaults(run=run_faults)
    each.add_argument("--seed", help="draw those again; it is printed")
    each.add_argument("--sample", type=int, metavar="N", help="so many, drawn, instead of all")
    each.add_argument(
        "--every",
        type=int,
        default=20,
        metavar="N",
        help="so many calls of a name fail with each errno, further ones with one (default: 20)",
    )
    each.add_argument("--way", action="append", choices=ways.WAYS, help="only this; repeatable")
    each.add_argument("--name", action="append", metavar="CALL", help="only these system calls")
    each.add_argument(
        "--fault",
        action="append",
        type=faults.Fault.parse,
        metavar="WAY:CALL:NTH:ERRNO",
        help="only this one, as it was printed; repeatable",
    )
    _add_common(each)
    each = commands.add_parser("soak", help="everything at once, for a long time")
    each.set_defaults(run=run_soak)
    each.add_argument("--minutes", type=float, default=1.0, metavar="N", help="(default: 1)")
    each.add_argument("--without", action="append", default=[], choices=["traced"])
    each.add_argument("--output", type=Path, default=SOAK, metavar="DIR", help="for the results")
    _add_init(each)
    return parser


def _add_common(parser: argparse.ArgumentParser) -> None:
    _add_init(parser)
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


def _add_init(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--init", type=shlex.split, help="a command line instead of the launcher of this tree"
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
    jobs = parallel.run_all(
        lambda job: trees.run(init, job[0], job[1], asked.bound), drawn, asked.jobs
    )
    for result in jobs:
        count += 1
        nodes += 1 + sum(1 for _ in tree.all_nodes(result.tree))
        if result.failures:
            failed += 1
            kinds.update(re.sub(r"[\d., ]*\d", " N", each) for each in result.failures)
            first = first or result
            _print(result, asked, seed)
    took_s = time.monotonic() - before
    print(f"{count} trees, {nodes} processes, {took_s:.1f} s, CPU {_cpu_s():.1f} s: ", end="")
    print(f"{failed} failed")
    for what, many in kinds.most_common():
        print(f"  {many} times: {what}")
    if first and asked.shrink:
        smallest = trees.shrink(first, lambda each: _fails(init, each, asked.bound))
        print(f'smaller: --tree "{smallest!r}"')
    return 1 if failed else 0


def _fails(init: Sequence[str], each: tree.Tree, bound_s: float) -> bool:
    return any(trees.run(init, "", each, bound_s).failures for _ in range(3))


def _print(result: trees.Result, asked: argparse.Namespace, seed: str) -> None:
    options = "".join(f" --without {shlex.quote(each)}" for each in asked.without)
    if result.seed.isdecimal():
        print(f"tree {result.seed}: --seed {seed} --from {result.seed} --trees 1{options}")
    print(f'  --tree "{result.tree!r}"')
    for failure in result.failures:
        print(f"  FAILED: {failure}")
    print(result.details, flush=True)


def run_faults(asked: argparse.Namespace) -> int:
    """Run `faults`."""
    if asked.init:
        return _judge_faults(asked.init, asked)
    with container.installed_launcher() as init:
        return _judge_faults(init, asked)


def _judge_faults(init: Sequence[str], asked: argparse.Namespace) -> int:
    """Run the faults, print what did not hold and how many there were; return the exit code."""
    seed = asked.seed or str(random.randrange(1_000_000))
    chosen = asked.fault or _found(init, asked)
    if asked.sample is not None:
        print(f"faults: --sample {asked.sample} --seed {seed}", flush=True)
        chosen = faults.sample(chosen, asked.sample, seed)
    before, failed, struck = time.monotonic(), 0, 0
    kinds: collections.Counter[str] = collections.Counter()
    jobs = parallel.run_all(lambda each: faults.run(init, each, asked.bound), chosen, asked.jobs)
    for result in jobs:
        struck += result.struck
        if result.failures:
            failed += 1
            kinds[f"{result.fault.name}: {result.failures[0]}"] += 1
            print(f"--fault {result.fault}")
            for failure in result.failures:
                print(f"  FAILED: {failure}")
            print(result.details, flush=True)
    took_s = time.monotonic() - before
    print(f"{len(chosen)} faults, {struck} after the start, {took_s:.1f} s, ", end="")
    print(f"CPU {_cpu_s():.1f} s: {failed} failed")
    for what, many in kinds.most_common():
        print(f"  {many} times: {what}")
    return 1 if failed or not struck else 0


def _found(init: Sequence[str], asked: argparse.Namespace) -> list[faults.Fault]:
    """Return all that can fail in the ways that are asked for."""
    found: list[faults.Fault] = []
    for way in asked.way or ways.WAYS:
        if ways.WAYS[way].needs_users and not ways.has_users():
            print(f"{way}: left out, for there is no other user here")
            continue
        names = faults.calls(init, way)
        of_way = list(faults.faults(way, names, asked.every))
        after = len(names) - names.index("") - 1
        print(f"{way}: {after} system calls after the start, {len(of_way)} faults", flush=True)
        found += of_way
    return [each for each in found if not asked.name or each.name in asked.name]


def run_soak(asked: argparse.Namespace) -> int:
    """Run `soak`."""
    if asked.init:
        return _judge_soak(asked.init, asked)
    with container.installed_launcher() as init:
        return _judge_soak(init, asked)


def _judge_soak(init: Sequence[str], asked: argparse.Namespace) -> int:
    """Run the soak, write and print what was seen; return the exit code."""
    each = soak.Soak(init, asked.minutes * 60, traced="traced" not in asked.without)
    failures = each.run()
    counts = ", ".join(f"{value:,} {name}" for name, value in each.counts.items())
    asked.output.mkdir(parents=True, exist_ok=True)
    if each.samples:
        text = json.dumps([sample._asdict() for sample in each.samples], indent=1)
        (asked.output / "soak.json").write_text(text + "\n")
        title = f"{asked.minutes:g} min: {counts}"
        (asked.output / "soak.svg").write_text(soak_plot.picture(each.samples, title))
    print(f"soak: {asked.minutes:g} min, {counts}")
    for failure in failures:
        print(f"  FAILED: {failure}")
    return 1 if failures else 0


def _cpu_s() -> float:
    """Return the processor time of this process and all that it has waited for, in seconds."""
    return sum(itertools.islice(os.times(), 4))


if __name__ == "__main__":
    sys.exit(main())
