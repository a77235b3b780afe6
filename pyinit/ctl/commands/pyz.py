"""``pyinitctl pyz OUT``: write pyinit as one executable file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pyinit
from pyinit.ctl import common
from pyinit.ctl.dist import pyz

if TYPE_CHECKING:
    import argparse

HELP = "write pyinit as a single file"
DESCRIPTION = (
    "Write pyinit as one executable file that needs Python 3.11 or later and "
    "nothing else, for `podman run --init-path` and for images without pip.  Bytecode is put "
    "in for this interpreter and those on PATH; other versions compile at each start."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("path", metavar="OUT", type=Path, help="the file to write")
    parser.add_argument(
        "--python",
        metavar="PATH",
        default=pyz.DEFAULT_PYTHON,
        help="the interpreter where the file will be used; a name without '/' is searched for "
        "there by env(1) (default: %(default)s)",
    )
    parser.add_argument(
        "--bytecode",
        metavar="PYTHON",
        action="append",
        default=[],
        help="put in bytecode for this interpreter of this machine as well; may be repeated",
    )
    parser.add_argument(
        "--force", action="store_true", help="overwrite OUT even if this command did not write it"
    )


def run(args: argparse.Namespace) -> None:
    """Write the file and say what is in it.  Raises `InstallError`."""
    target = args.path.resolve()
    versions = pyz.write(target, args.python, args.bytecode, force=args.force)
    what = f"pyinit {pyinit.__version__} for {args.python}"
    common.show([f"{target}: {what}, with bytecode of Python {', '.join(versions)}"])
