"""``pyinitctl install PATH``: write the fast launcher."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pyinit
from pyinit.ctl import common
from pyinit.ctl.dist import install
from pyinit.settings import NAMES

if TYPE_CHECKING:
    import argparse

HELP = "write the fast launcher"
DESCRIPTION = (
    "Write the launcher that starts pyinit as fast as Python can, and compile "
    "the bytecode it needs, so that a read-only image starts as fast."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("path", metavar="PATH", type=Path, help="the file to write")
    parser.add_argument(
        "--name",
        action="append",
        choices=NAMES,
        default=[],
        dest="names",
        help="also make a link beside PATH under which pyinit speaks as that program does: "
        f"{', '.join(NAMES)}; may be repeated",
        metavar="NAME",
    )
    parser.add_argument(
        "--ignore-library-path",
        action="store_true",
        help="load the interpreter as if LD_LIBRARY_PATH were not set, which may lead to libraries "
        "that it cannot use; this needs an env(1) that knows -S, and some time for its start",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="overwrite PATH and the links even if this command did not write what is there",
    )


def run(args: argparse.Namespace) -> None:
    """Write the launcher and its links, and say so.  Raises `InstallError`."""
    links = install.links_of(args.path, args.names, force=args.force)
    path = install.install(args.path, force=args.force, own_libraries=args.ignore_library_path)
    said = [f"{path}: starts pyinit {pyinit.__version__} with {install.interpreter()}"]
    for link in links:
        install.make_link(link, args.path.name)
        said.append(f"{link}: the same, as {link.name}")
    common.show(said)
    closed = install.closed_to_others(path)
    if closed is not None:
        common.note(
            "install",
            f"other users cannot start it: {closed} is closed to them, and it needs what is there",
        )
