"""``pyinitctl manual``: show the manual page of pyinit, pyinitctl or one of its commands."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from pyinit import ctl
from pyinit.ctl import common
from pyinit.ctl.dist import manual, tools

if TYPE_CHECKING:
    import argparse

HELP = "show the manual page of pyinit, pyinitctl or a command of it"
DESCRIPTION = (
    "Show a manual page: on a terminal as man(1) does, anywhere else as its source, for "
    "'pyinitctl manual | man -l -'."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "page",
        metavar="PAGE",
        nargs="?",
        default="pyinit",
        help="pyinit (the default), pyinitctl, or one of its commands",
    )
    parser.add_argument(
        "--markdown", action="store_true", help="print that of pyinit as Markdown (docs/cli.md)"
    )


def run(args: argparse.Namespace) -> None:
    """Show what is asked for.  Raises CommandError, UsageError."""
    pages = ["pyinit", "pyinitctl", *ctl.names()]
    if args.page not in pages:
        raise common.UsageError(
            f"there is no page '{args.page}'{common.did_you_mean(args.page, pages)}"
        )
    if args.page != "pyinit":
        text = tools.man_page("" if args.page == "pyinitctl" else args.page)
    else:
        text = manual.markdown() if args.markdown else manual.man_page()
    reader = shutil.which("man")
    if args.markdown or reader is None or not (sys.stdout and sys.stdout.isatty()):
        common.show(text.splitlines())
    elif subprocess.run([reader, "-l", "-"], input=text.encode(), check=False).returncode:
        raise common.CommandError(f"{reader} could not show the page")
