"""``pyinitctl freeze``: stop all processes of a container for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinit.container import freezer
from pyinit.ctl import common, containers, control

if TYPE_CHECKING:
    import argparse

HELP = "stop all processes of a container until 'thaw'"
DESCRIPTION = f"Stop all processes of a container until 'pyinitctl thaw'.  {control.WHOSE}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    containers.add_target(parser)


def run(args: argparse.Namespace) -> None:
    """Do it, and say by what.  Raises CommandError."""
    with control.told(args.pid):
        init = control.init_of(args.pid)
        done = freezer.freeze(init)
    common.show([f"freeze: process {init}: {done}"])
