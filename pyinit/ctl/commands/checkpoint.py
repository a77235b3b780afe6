"""``pyinitctl checkpoint``: write a container to files, by CRIU."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pyinit.ctl import common, containers, control, criu

if TYPE_CHECKING:
    import argparse

HELP = "write a container to files, with CRIU"
DESCRIPTION = (
    "Write a container to the files of a directory; 'pyinitctl restore' brings it back with the "
    f"same numbers inside.  {criu.REQUIREMENT}"
)
AFTER = "CRIU-OPTION"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.usage = "%(prog)s [--leave-running] PID DIR [-- CRIU-OPTION...]"
    containers.add_target(parser)
    parser.add_argument("directory", metavar="DIR", type=Path, help="where the files will be")
    parser.add_argument(
        "--leave-running", action="store_true", help="let the container go on; without this it ends"
    )


def run(args: argparse.Namespace) -> None:
    """Do it, and say so.  Raises CommandError."""
    more = ["--leave-running"] if args.leave_running else []
    with control.told(args.pid):
        init = criu.dump(args.pid, args.directory, more + (args.after or []))
    common.show([f"checkpoint: process {init} is in {args.directory}"])
