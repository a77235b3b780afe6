"""``pyinitctl completion``: print what makes a shell complete pyinit's options."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinit.ctl import common
from pyinit.ctl.dist import completion

if TYPE_CHECKING:
    import argparse

HELP = "print what makes a shell complete pyinit's options"
DESCRIPTION = completion.DESCRIPTION


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("shell", choices=sorted(completion.SHELLS))


def run(asked: argparse.Namespace) -> None:
    """Print what is asked for.  Raises CommandError."""
    common.show(completion.SHELLS[asked.shell]().splitlines())
