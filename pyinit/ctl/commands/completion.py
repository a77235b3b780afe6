"""``pyinitctl completion``: print what makes a shell complete pyinit's options."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinit.ctl import common
from pyinit.ctl.dist import completion, tools

if TYPE_CHECKING:
    import argparse

HELP = "print the completions of pyinit's options for a shell"
DESCRIPTION = completion.DESCRIPTION


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("shell", choices=sorted(completion.SHELLS), help="for which shell")
    parser.add_argument(
        "program",
        nargs="?",
        choices=("pyinit", "pyinitctl"),
        default="pyinit",
        help="whose options (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> None:
    """Print what is asked for.  Raises CommandError."""
    shells = tools.SHELLS if args.program == "pyinitctl" else completion.SHELLS
    common.show(shells[args.shell]().splitlines())
