"""``pyinitctl thaw``: let a frozen container go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinit.container import freezer
from pyinit.ctl import common, containers, control

if TYPE_CHECKING:
    import argparse

HELP = "continue a frozen container"
DESCRIPTION = f"Continue all processes of a frozen container.  {control.WHOSE}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    containers.add_target(parser)


def run(args: argparse.Namespace) -> None:
    """Do it, and say by what.  Raises CommandError."""
    with control.told(args.pid):
        init = control.init_of(args.pid)
        done = freezer.thaw(init)
    common.show([f"thaw: process {init}: {done}"])
