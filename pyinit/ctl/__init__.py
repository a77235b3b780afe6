"""``pyinitctl``: the tools around the init, one module a subcommand.

Nothing of it is loaded by the init itself, and of the subcommands only the one that
is asked for: some of them run as probes, many times.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from typing import TYPE_CHECKING

from pyinit import __version__
from pyinit.ctl.common import CommandError

if TYPE_CHECKING:
    from collections.abc import Sequence

# Each module has DESCRIPTION, add_arguments(parser) and run(asked), which returns the exit code.
COMMANDS = {
    "run": ("start.run", "start a command in new namespaces, with pyinit as their init"),
    "exec": ("start.exec", "start a command in the namespaces of a process"),
    "freeze": ("control", "stop all processes of a container for a while"),
    "thaw": ("control", "let a frozen container go on"),
    "stop": ("control", "stop a container, and kill it when it takes too long"),
    "checkpoint": ("checkpoint", "write a container to files, by CRIU"),
    "restore": ("checkpoint", "bring a container back from its files, by CRIU"),
    "ns": ("show.ns", "show namespaces, who is in them and who shares which"),
    "tree": ("show.tree", "show processes by PID namespace, with their number at every level"),
    "doctor": (
        "doctor.command",
        "say what is wrong with a container, why it matters and what to do",
    ),
    "status": (
        "status.command",
        "show what an init is doing, what has happened and who uses how much",
    ),
    "install": ("dist.install", "write the fast launcher"),
    "pyz": ("dist.pyz", "write pyinit as a single file"),
    "manual": ("dist.manual", "print the manual page of pyinit"),
    "completion": ("dist.completion", "print what makes a shell complete pyinit's options"),
}


# Subcommands that start a command.
STARTERS = ("run", "exec")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the subcommand in ``arguments`` (default: the command line); return the exit code.

    0 when it was done, 1 when not; a usage error exits with 2, as argparse does.  Subcommands
    that start a command exit with its status, and with 125 for what is wrong before.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    chosen = next((word for word in words if not word.startswith("-")), "")
    words, after = _split(chosen, words)
    parser = argparse.ArgumentParser(prog="pyinitctl", description="Tools around the init pyinit.")
    parser.add_argument("--version", action="version", version=f"pyinitctl {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, (module_name, text) in COMMANDS.items():
        module = importlib.import_module(f"pyinit.ctl.{module_name}") if name == chosen else None
        command = commands.add_parser(name, help=text)
        if module is not None:
            command.description = module.DESCRIPTION
            command.set_defaults(after=after)
            module.add_arguments(command)
            command.set_defaults(run=module.run, subcommand=name)
    try:
        asked = parser.parse_args(words)
    except SystemExit as end:
        # 2 could be the command's.
        raise SystemExit(125 if end.code and chosen in STARTERS else end.code) from None
    try:
        return int(asked.run(asked) or 0)
    except CommandError as error:
        print(f"pyinitctl: {error}", file=sys.stderr)
        return error.code


def _split(chosen: str, words: list[str]) -> tuple[list[str], list[str] | None]:
    """Return the words for us, and those after ``--`` where a command is to be started."""
    if chosen not in STARTERS or "--" not in words:
        return words, None
    place = words.index("--")
    return words[:place], words[place + 1 :]
