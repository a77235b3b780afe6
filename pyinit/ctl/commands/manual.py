"""``pyinitctl manual``: print the manual page of pyinit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinit.ctl import common
from pyinit.ctl.dist import manual

if TYPE_CHECKING:
    import argparse

HELP = "print the manual page of pyinit"
DESCRIPTION = "Print the manual page of pyinit, for man(1): 'pyinitctl manual | man -l -'."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "--markdown", action="store_true", help="print it as Markdown, which is docs/cli.md"
    )


def run(asked: argparse.Namespace) -> None:
    """Print what is asked for.  Raises CommandError."""
    text = manual.markdown() if asked.markdown else manual.man_page()
    common.show(text.splitlines())
