"""``pyinitctl status``: what an init is doing, what has happened, and who uses how much.

Nothing is asked of the init: it all comes from /proc and from the file that it keeps when
it is asked to.
"""

from __future__ import annotations

import argparse
import math

from pyinit.ctl import common, containers, inits, table
from pyinit.ctl.status.view import SORTS, View

HELP = "show what an init does, and what its processes use"
DESCRIPTION = (
    "Show the uptime of an init, what it is doing, what has happened, and its processes with the "
    "processor time and memory that they use.  It is the pyinit nearest above process PID, itself "
    "included (default: above ourselves), or else PID 1 there, whatever that is.  The init is not "
    "asked, and does not wake up: state and counts come from the file that 'pyinit --status-file' "
    "keeps, everything else from /proc."
)

_INTERVAL_S = 2.0
_MOST_INTERVAL_S = 86400.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    containers.add_target(parser, "?")
    parser.add_argument(
        "--watch",
        action="store_true",
        help="show it again and again, until the init has ended; on a terminal q ends it, "
        "s sorts by the next of --sort, and the arrow keys scroll: processes up and down, their "
        "commands left and right",
    )
    parser.add_argument(
        "--interval",
        metavar="SECONDS",
        type=_interval,
        help=f"how often --watch looks (default: {_INTERVAL_S:g})",
    )
    common.add_sort(parser, SORTS, "processes")
    parser.add_argument(
        "--status-file",
        metavar="PATH",
        default="",
        help="where the init keeps its file, as it sees it (default: as its own options say)",
    )
    common.add_json(parser)


def _interval(word: str) -> float:
    """Return a time, for argparse.  Raises ArgumentTypeError."""
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if not 0.1 <= number <= _MOST_INTERVAL_S:
        raise argparse.ArgumentTypeError(
            f"'{word}' is not an interval: expected 0.1 to {_MOST_INTERVAL_S:.0f} seconds"
        )
    return number


def run(args: argparse.Namespace) -> int:
    """Show it; return the exit code.  Raises CommandError."""
    if args.interval is not None and not args.watch:
        raise common.UsageError("--interval is for --watch")
    common.need_own_proc()
    init = inits.init_for(args.pid)
    view = View(init, args.status_file)
    view.sort = args.sort
    try:
        if args.watch:
            from pyinit.ctl.status import live

            return live.watch(view, args.interval or _INTERVAL_S, as_json=args.json)
        view.look()
        if args.json:
            common.show_json(view.as_data())
        else:
            common.show(view.as_text(table.screen()))
    finally:
        view.close()
    return 0
