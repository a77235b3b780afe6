"""``pyinitctl doctor``: what is wrong with a container, why it matters and what to do."""

from __future__ import annotations

import argparse
import shlex
import signal
import textwrap
from typing import TYPE_CHECKING, Any

from pyinit import signals
from pyinit.ctl import common, containers, table
from pyinit.ctl.doctor import checks
from pyinit.ctl.doctor.case import PROBLEM, Case
from pyinit.ctl.view import ContainerView
from pyinit.options import values

if TYPE_CHECKING:
    from pyinit.ctl.doctor.case import Finding
    from pyinit.ctl.doctor.checks import Report
    from pyinit.ctl.kinds import FoundInit
    from pyinit.ctl.table import Screen
    from pyinit.ctl.view import ProcessView

HELP = "say what is wrong with a container, and what to do"
DESCRIPTION = (
    "Look at this container, or at that of process PID, and say what is wrong, why it matters and "
    "what to do, whatever its PID 1 is.  The exit code is 1 when there is a problem, 0 when there "
    "is none (hints do not count), and 2 when it could not be looked at."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    containers.add_target(parser, "?")
    parser.add_argument(
        "--stop-signal",
        metavar="SIGNAL",
        type=_signal,
        default=int(signal.SIGTERM),
        help="what a stop sends first: STOPSIGNAL of the image (default: TERM)",
    )
    parser.add_argument(
        "--stop-timeout",
        metavar="SECONDS",
        type=common.seconds,
        help="the time from that to KILL (default: 10, and 30 in a pod of Kubernetes)",
    )
    common.add_json(parser)


def _signal(word: str) -> int:
    """Return the number of a signal, for argparse."""
    try:
        return values.signal(word, "SIGNAL")
    except values.UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def run(args: argparse.Namespace) -> int:
    """Look, and show it; return the exit code.  Raises CommandError."""
    case = Case(ContainerView(args.pid), args.stop_signal, args.stop_timeout)
    report = checks.examine(case)
    if args.json:
        common.show_json(as_data(case, report))
    else:
        common.show(_as_text(case, report, table.screen()))
    return 1 if report.problems else 0


def as_data(case: Case, report: Report) -> dict[str, Any]:
    """Return it for programs."""
    container = case.container
    return {
        "target": {
            "inode": container.inode,
            "own": container.is_own,
            "initial": container.is_initial,
            "processes": len(container.processes),
            "init": None if case.init is None else _init_data(case.init),
            "inits_beneath": [_init_data(each) for each in case.inits[1:]],
            "stop_signal": signals.name(case.stop_signal),
            "stop_timeout_s": case.stop_timeout_s,
        },
        "findings": [_finding_data(each) for each in report.findings],
        "passed": report.passed,
        "not_checked": [each._asdict() for each in report.not_checked],
    }


def _init_data(init: FoundInit) -> dict[str, Any]:
    return {
        **_process_data(init.process),
        "command": init.process.command,
        "kind": init.kind.name,
        "signals": init.kind.signals,
        "orphans": init.kind.orphans,
        "end": init.kind.end,
    }


def _finding_data(finding: Finding) -> dict[str, Any]:
    return {**finding._asdict(), "processes": [_process_data(each) for each in finding.processes]}


def _process_data(process: ProcessView) -> dict[str, Any]:
    inner = process.inner or None
    return {"pid": process.pid, "inner_pid": inner, "name": process.name}


def _as_text(case: Case, report: Report, on: Screen) -> list[str]:
    lines = _heading(case, on)
    for finding in report.findings:
        style = "red" if finding.severity == PROBLEM else "yellow"
        title = f"{finding.severity}: {finding.id}"
        lines += ["", _painted(title, style, on)]
        lines += _wrapped("", finding.what, on)
        lines += _wrapped("why: ", finding.why, on)
        lines += _wrapped("do:  ", finding.remedy, on)
    if report.not_checked:
        lines += ["", _painted("not checked:", "cyan", on)]
        for each in report.not_checked:
            lines += _wrapped(f"{each.id}: ", each.reason, on)
    hints = len(report.findings) - len(report.problems)
    summary = f"{_count(len(report.problems), 'problem')}, {_count(hints, 'hint')}, passed: "
    style = "red" if report.problems else "green"
    lines += ["", _painted(summary + str(len(report.passed)), style, on)]
    return lines


def _heading(case: Case, on: Screen) -> list[str]:
    container = case.container
    where = "this container" if container.is_own else "the container"
    if container.is_initial:
        where = "the system itself, in no container"
    inode = "an unknown PID namespace" if container.inode is None else f"pid:[{container.inode}]"
    first = f"{where}, {inode}, {common.count(len(container.processes))}"
    lines = _wrapped("", first, on, indent="")
    for init in case.inits:
        who = "PID 1" if init is case.init else "beneath it"
        words = [shlex.quote(word) for word in init.process.command]
        before = f"{who}: {init.process.says()}, {init.kind.title}:"
        lines += [table.fitted(before, table.command(words), on)]
        if case.waits(init):
            waits = "its command has ended: it waits for the other processes, or a stop"
            lines += _wrapped("", waits, on)
    return lines


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"


def _wrapped(before: str, text: str, on: Screen, indent: str = "  ") -> list[str]:
    """Return lines that fit, the ones after the first below its text."""
    text = table.plain(text)
    if on.width is None:
        return [indent + before + text]
    first = indent + before
    return textwrap.wrap(
        text,
        max(on.width, 12),
        initial_indent=first,
        subsequent_indent=" " * min(len(first), 8),
        break_on_hyphens=False,
    )


def _painted(text: str, style: str, on: Screen) -> str:
    return f"\x1b[{table.STYLES[style]}m{text}\x1b[0m" if on.colour else text
