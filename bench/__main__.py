"""The command line: measure, print the tables, write JSON and the plot."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from bench import budgets, contestants, plot, procedures, quota, report, run, services
from bench.container import be_root

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results"
# Of a part, or of too few rounds: nothing to show.
PARTIAL_RESULTS = ROOT / "build" / "bench" / "results"


def main() -> int:
    """Run it, and return the exit code."""
    if sys.argv[1:2] == ["services"]:
        return services.main(sys.argv[2:])
    args = _parser().parse_args()
    if args.write_docs:
        return write_docs()
    be_root()
    scale = procedures.QUICK if args.quick else procedures.Scale()
    if args.rounds:
        scale = replace(scale, rounds=args.rounds)
    plan = procedures.procedures(scale)
    if not quota.is_available():
        print(f"{quota.CONTROLLER} cannot be written to: no limited starts", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="bench") as scratch:
        keys = tuple(args.only or ())
        wanted = [key for key in keys if key in contestants.LABELS] or contestants.LABELS
        found, left_out = contestants.find(Path(scratch), args.peers, wanted)
        plan, found = select(plan, found, keys)
        samples = run.carry_out(plan, found, scale)
    left_out = {key: why for key, why in left_out.items() if not keys or key in keys}
    result = report.result_of(samples, plan, found, left_out, scale)
    partial = args.quick or args.only
    write(result, args.output or (PARTIAL_RESULTS if partial else RESULTS))
    print(report.text(result), end="")
    ours: tuple[str, ...] = (*contestants.PYINIT, *contestants.ONLY_STARTED)
    ours += (*contestants.OWN_INIT, *contestants.WITH_NAMESPACES)
    if any(each.contestant in ours for each in samples.failures):
        return 1
    verdicts = budgets.judge(result["figures"])
    return 1 if args.check and not all(verdict.holds for verdict in verdicts) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure pyinit beside other inits, each as PID 1 of a new PID namespace.",
    )
    parser.add_argument("--quick", action="store_true", help="small and few: to try the bench out")
    parser.add_argument(
        "--only",
        action="append",
        metavar="NAME",
        choices=names(),
        help="only this contestant or figure; may be given more than once: " + ", ".join(names()),
    )
    parser.add_argument(
        "--rounds", type=_count, metavar="N", help="rounds of the start-up; others in proportion"
    )
    parser.add_argument(
        "--check", action="store_true", help="exit with 1 unless all budgets were measured and hold"
    )
    parser.add_argument(
        "--peers",
        type=Path,
        default=ROOT / "build" / "bench" / "peers" / "bin",
        metavar="DIR",
        help="where the commands of Python supervisors are, if not on PATH",
    )
    parser.add_argument("--output", type=Path, metavar="DIR", help="where the results are written")
    parser.add_argument(
        "--write-docs",
        action="store_true",
        help="measure nothing: fill the last full result into docs/performance.md",
    )
    return parser


def _count(word: str) -> int:
    count = int(word)
    if count < 1:
        raise ValueError
    return count


def names() -> list[str]:
    """Return what --only takes."""
    figures = [f.key for each in procedures.procedures(procedures.QUICK) for f in each.figures]
    return [
        *contestants.LABELS,
        *(key for key in figures if not key.startswith(report.GROWTH_PREFIX)),
        "growth",
    ]


def select(
    plan: list[procedures.Procedure], found: list[contestants.Contestant], keys: tuple[str, ...]
) -> tuple[list[procedures.Procedure], list[contestants.Contestant]]:
    """Return what of ``plan`` and ``found`` the ``keys`` ask for: all, where they name none."""
    who = [each for each in found if each.key in keys]
    what = [
        each
        for each in plan
        if any(f.key in keys or f.key.partition("-")[0] in keys for f in each.figures)
    ]
    any_figure = any(key not in contestants.LABELS for key in keys)
    any_contestant = any(key in contestants.LABELS for key in keys)
    return (what if any_figure else plan), (who if any_contestant else found)


def write(result: report.Result, directory: Path) -> None:
    """Write the JSON and the plot into ``directory``."""
    directory.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=1, ensure_ascii=False)
    (directory / "latest.json").write_text(text + "\n")
    (directory / "latest.svg").write_text(plot.svg(result))


def write_docs() -> int:
    """Fill the tables of the last full result into the document."""
    result = json.loads((RESULTS / "latest.json").read_text())
    document = report.DOCUMENT.read_text()
    report.DOCUMENT.write_text(report.fill_in(document, result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
