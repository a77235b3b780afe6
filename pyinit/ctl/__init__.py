"""``pyinitctl``: the tools around the init, one module a subcommand.

Nothing of it is loaded by the init itself.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from pyinit import __version__
from pyinit.ctl import install, pyz
from pyinit.ctl.executable import InstallError

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the subcommand in ``arguments`` (default: the command line); return the exit code.

    0 when it was done, 1 when not; a usage error exits with 2, as argparse does.
    """
    parser = argparse.ArgumentParser(prog="pyinitctl", description="Tools around the init pyinit.")
    parser.add_argument("--version", action="version", version=f"pyinitctl {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    install.add_parser(commands)
    pyz.add_parser(commands)
    asked = parser.parse_args(arguments)
    try:
        asked.run(asked)
    except InstallError as error:
        print(f"pyinitctl: {error}", file=sys.stderr)
        return 1
    return 0
