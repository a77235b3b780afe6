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
import signal
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
    args = _parser().parse_args()
    be_root("fuzz")
    container.limit_core_files()
    # A shell without job control has what it starts with & ignore them (POSIX, Asynchronous
    # Lists), nohup(1) the first; what is run here is sent them, and would inherit that.
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    return int(args.run(args))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    commands = parser.add_subparsers(required=True)
    each = commands.add_parser("trees", help="random process trees")
    each.set_defaults(run=run_trees)
    each.add_argument("--trees", type=int, default=100, metavar="N", help="how many")
    each.add_argument("--seed", help="draw the same again; each run prints its seed")
    each.add_argument(
        "--from", type=int, default=0, metavar="I", dest="first", help="number of the first"
    )
    each.add_argument("--tree", help="run this tree, as a run printed it")
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
    each.add_argument("--seed", help="draw the same again; each run prints its seed")
    each.add_argument("--sample", type=int, metavar="N", help="a random sample instead of all")
    each.add_argument(
        "--every",
        type=int,
        default=20,
        metavar="N",
        help="N calls of a name fail with each errno, further ones with one (default: 20)",
    )
    each.add_argument("--way", action="append", choices=ways.WAYS, help="only this; repeatable")
    each.add_argument("--name", action="append", metavar="CALL", help="only these system calls")
    each.add_argument(
        "--fault",
        action="append",
        type=faults.Fault.parse,
        metavar="WAY:CALL:NTH:ERRNO",
        help="only this fault, as a run printed it; repeatable",
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
        help="time for the end besides delays and grace (default: %(default)s s)",
    )
    parser.add_argument(
        "--jobs",
        type=int,
        default=4 * len(os.sched_getaffinity(0)),
        metavar="N",
        help="runs at the same time (default: %(default)s)",
    )


def _add_init(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--init", type=shlex.split, help="a command line instead of the launcher of this tree"
    )


def run_trees(args: argparse.Namespace) -> int:
    """Run `trees`."""
    seed = args.seed or str(random.randrange(1_000_000))
    drawn = _drawn(args, seed)
    if args.list:
        for name, each in drawn:
            print(f"{name}  {each!r}")
        return 0
    if args.init:
        return _judge(args.init, drawn, args, seed)
    with container.installed_launcher() as init:
        return _judge(init, drawn, args, seed)


def _drawn(args: argparse.Namespace, seed: str) -> Iterator[tuple[str, tree.Tree]]:
    if args.tree:
        yield "--tree", eval(args.tree, {})
        return
    for index in range(args.first, args.first + args.trees):
        yield str(index), tree.draw(f"{seed}:{index}", args.without)


def _judge(
    init: Sequence[str],
    drawn: Iterator[tuple[str, tree.Tree]],
    args: argparse.Namespace,
    seed: str,
) -> int:
    """Run the trees, print what failed and how many there were; return the exit code."""
    print(f"trees: --seed {seed}", flush=True)
    before, count, failed, nodes = time.monotonic(), 0, 0, 0
    kinds: collections.Counter[str] = collections.Counter()
    first: trees.Result | None = None
    jobs = parallel.run_all(
        lambda job: trees.run(init, job[0], job[1], args.bound), drawn, args.jobs
    )
    for result in jobs:
        count += 1
        nodes += 1 + sum(1 for _ in tree.all_nodes(result.tree))
        if result.failures:
            failed += 1
            kinds.update(re.sub(r"[\d., ]*\d", " N", each) for each in result.failures)
            first = first or result
            _print(result, args, seed)
    took_s = time.monotonic() - before
    print(f"{count} trees, {nodes} processes, {took_s:.1f} s, CPU {_cpu_s():.1f} s: ", end="")
    print(f"{failed} failed")
    for what, many in kinds.most_common():
        print(f"  {many} times: {what}")
    if first and args.shrink:
        smallest = trees.shrink(first, lambda each: _fails(init, each, args.bound))
        print(f'smaller: --tree "{smallest!r}"')
    return 1 if failed else 0


def _fails(init: Sequence[str], each: tree.Tree, bound_s: float) -> bool:
    return any(trees.run(init, "", each, bound_s).failures for _ in range(3))


def _print(result: trees.Result, args: argparse.Namespace, seed: str) -> None:
    options = "".join(f" --without {shlex.quote(each)}" for each in args.without)
    if result.seed.isdecimal():
        print(f"tree {result.seed}: --seed {seed} --from {result.seed} --trees 1{options}")
    print(f'  --tree "{result.tree!r}"')
    for failure in result.failures:
        print(f"  FAILED: {failure}")
    print(result.details, flush=True)


def run_faults(args: argparse.Namespace) -> int:
    """Run `faults`."""
    if args.init:
        return _judge_faults(args.init, args)
    with container.installed_launcher() as init:
        return _judge_faults(init, args)


def _judge_faults(init: Sequence[str], args: argparse.Namespace) -> int:
    """Run the faults, print what did not hold and how many there were; return the exit code."""
    seed = args.seed or str(random.randrange(1_000_000))
    chosen = args.fault or _found(init, args)
    if args.sample is not None:
        print(f"faults: --sample {args.sample} --seed {seed}", flush=True)
        chosen = faults.sample(chosen, args.sample, seed)
    before, failed, struck = time.monotonic(), 0, 0
    kinds: collections.Counter[str] = collections.Counter()
    jobs = parallel.run_all(lambda each: faults.run(init, each, args.bound), chosen, args.jobs)
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


def _found(init: Sequence[str], args: argparse.Namespace) -> list[faults.Fault]:
    """Return all that can fail in the ways that are asked for."""
    found: list[faults.Fault] = []
    for way in args.way or ways.WAYS:
        if ways.WAYS[way].needs_users and not ways.has_users():
            print(f"{way}: left out, for there is no other user here")
            continue
        names = faults.calls(init, way)
        of_way = list(faults.faults(way, names, args.every))
        after = len(names) - names.index("") - 1
        print(f"{way}: {after} system calls after the start, {len(of_way)} faults", flush=True)
        found += of_way
    return [each for each in found if not args.name or each.name in args.name]


def run_soak(args: argparse.Namespace) -> int:
    """Run `soak`."""
    if args.init:
        return _judge_soak(args.init, args)
    with container.installed_launcher() as init:
        return _judge_soak(init, args)


def _judge_soak(init: Sequence[str], args: argparse.Namespace) -> int:
    """Run the soak, write and print what was seen; return the exit code."""
    each = soak.Soak(init, args.minutes * 60, traced="traced" not in args.without)
    failures = each.run()
    counts = ", ".join(f"{value:,} {name}" for name, value in each.counts.items())
    args.output.mkdir(parents=True, exist_ok=True)
    if each.samples:
        text = json.dumps([sample._asdict() for sample in each.samples], indent=1)
        (args.output / "soak.json").write_text(text + "\n")
        title = f"{args.minutes:g} min: {counts}"
        (args.output / "soak.svg").write_text(soak_plot.picture(each.samples, title))
    print(f"soak: {args.minutes:g} min, {counts}")
    for failure in failures:
        print(f"  FAILED: {failure}")
    return 1 if failures else 0


def _cpu_s() -> float:
    """Return the processor time of this process and all that it has waited for, in seconds."""
    return sum(itertools.islice(os.times(), 4))


if __name__ == "__main__":
    sys.exit(main())
