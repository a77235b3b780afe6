"""``pyinitctl``: the tools around the init; each module in ``commands`` is a command.

Nothing of it is loaded by the init itself, and of the commands only the one that is asked
for: some of them run as probes, many times.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from typing import TYPE_CHECKING

from pyinit import __version__
from pyinit.ctl import common
from pyinit.ctl.parser import Parser, table_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

_PACKAGE = "pyinit.ctl.commands"

# The other program whose words are understood, after `--as` or under its name.
_SUPERVISORCTL = "supervisorctl"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command in ``arguments`` (default: the command line); return the exit code.

    0 when it was done, 1 when not; a usage error exits with 2, as argparse does.  Commands
    that start another exit with its status, and with 125 for what is wrong before.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    alias = sys.argv[0].rpartition("/")[2] if arguments is None else ""
    if alias == _SUPERVISORCTL or words[:2] == ["--as", _SUPERVISORCTL]:
        from pyinit.ctl import supervisorctl

        return supervisorctl.main(words if alias == _SUPERVISORCTL else words[2:])
    name = words[0] if words else ""
    module = _module(name)
    title = "pyinitctl" if module is None else f"pyinitctl {name}"
    try:
        if module is None:
            return _without_command(words)
        words, after = _split(module, words[1:])
        parser = parser_of(name, module, after)
        args = parser.parse_args(words)
        try:
            return int(module.run(args) or 0)
        except common.UsageError as error:
            parser.error(str(error))
    except common.CommandError as error:
        common.say(f"{title}: {error}")
        return error.code
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)  # a shell that runs a script ends that as well
        return 130


def parser_of(name: str, module: ModuleType, after: list[str] | None = None) -> Parser:
    """Return the parser of a command, whose words after ``--`` are known already."""
    parser = Parser(f"pyinitctl {name}", module.DESCRIPTION, getattr(module, "FAILED", 2))
    parser.set_defaults(after=after)
    module.add_arguments(parser)
    return parser


def names() -> list[str]:
    """Return all commands."""
    directories = importlib.import_module(_PACKAGE).__path__
    files = (name.partition(".") for each in directories for name in os.listdir(each))
    return sorted(name for name, _, end in files if end == "py" and not name.startswith("_"))


def load(name: str) -> ModuleType:
    """Return the module of a command that there is."""
    return importlib.import_module(f"{_PACKAGE}.{name}")


def _module(name: str) -> ModuleType | None:
    """Return the module of a command, None if there is no such command."""
    if not name.isidentifier() or name.startswith("_"):
        return None
    try:
        return load(name)
    except ModuleNotFoundError as error:
        if error.name != f"{_PACKAGE}.{name}":
            raise
        return None


def _without_command(words: list[str]) -> int:
    """Show the help or the version; anything else is an error."""
    parser = general_parser(with_commands="-h" in words or "--help" in words)
    _, left = parser.parse_known_args(words)
    if not left:
        parser.error("expected a COMMAND: 'pyinitctl --help' lists them")
    if left[0].startswith("-"):
        parser.error(f"unknown option '{left[0]}'")
    parser.error(f"there is no command '{left[0]}'{common.did_you_mean(left[0], names())}")


def general_parser(*, with_commands: bool = True) -> Parser:
    """Return the parser of what stands before a command; its help lists the commands."""
    parser = Parser("pyinitctl", "Tools around the init pyinit.")
    parser.usage = "pyinitctl COMMAND [ARGUMENT]..."
    parser.add_argument(
        "--as",
        dest="alias",
        choices=[_SUPERVISORCTL],
        metavar="PROGRAM",
        help=f"act as {_SUPERVISORCTL}; must be the first word",
    )
    parser.add_argument("--version", action="version", version=f"pyinitctl {__version__}")
    if with_commands:
        rows = [(name, load(name).HELP) for name in names()]
        parser.epilog = f"commands:\n{table_of(rows)}\n\n'pyinitctl COMMAND --help' shows more."
    return parser


def _split(module: ModuleType, words: list[str]) -> tuple[list[str], list[str] | None]:
    """Return the words for us, and those after ``--`` where a command takes these."""
    if not hasattr(module, "AFTER") or "--" not in words:
        return words, None
    place = words.index("--")
    return words[:place], words[place + 1 :]
