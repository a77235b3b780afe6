"""``pyinitctl restore``: bring a container back from its files, by CRIU."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pyinit.ctl import common, criu

if TYPE_CHECKING:
    import argparse

HELP = "bring a container back from its files, with CRIU"
DESCRIPTION = (
    "Bring a container back from the files that 'pyinitctl checkpoint' wrote, with the same "
    f"numbers inside.  {criu.REQUIREMENT}"
)
AFTER = "CRIU-OPTION"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.usage = "%(prog)s DIR [-- CRIU-OPTION...]"
    parser.add_argument("directory", metavar="DIR", type=Path, help="where the files are")


def run(args: argparse.Namespace) -> None:
    """Do it, and say so.  Raises CommandError."""
    try:
        init = criu.restore(args.directory, args.after or [])
    except OSError as error:
        raise common.CommandError(f"{args.directory}: {error.strerror or error}") from None
    common.show([f"restore: process {init}"])
