"""``pyinitctl stop``: stop a container, and kill it when it takes too long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinit.ctl import common, containers, control

if TYPE_CHECKING:
    import argparse

HELP = "stop a container, and kill it if it takes too long"
DESCRIPTION = (
    "Send TERM to the init of a container, thaw it if it is frozen, and send KILL if it has not "
    f"ended after a time.  {control.WHOSE}"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    containers.add_target(parser)
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=common.seconds,
        default=10.0,
        help="time between TERM and KILL to the init (default: %(default)g)",
    )


def run(args: argparse.Namespace) -> None:
    """Do it, and say by what.  Raises CommandError."""
    with control.told(args.pid):
        done = control.stop(control.init_of(args.pid), args.timeout)
    common.show([f"stop: {done}"])
