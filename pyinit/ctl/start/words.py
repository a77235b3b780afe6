"""The words of a command that is to be started, and its terminal."""

from __future__ import annotations

import argparse

from pyinit.ctl import common
from pyinit.namespaces.kinds import KINDS

# The options that name kinds of namespaces: --user is a user everywhere.
WORDS = {kind: "userns" if kind == "user" else kind for kind in KINDS}


def add_command(parser: argparse.ArgumentParser) -> None:
    """Add the words of the command, and the terminal."""
    parser.add_argument(
        "-t", "--terminal", action="store_true", help="give CMD a terminal of its own"
    )
    if parser.get_default("after") is None:
        # It begins with the first word that is no option; our own may come in any place before --.
        words = parser.add_argument(
            "command", metavar="CMD", nargs=argparse.REMAINDER, help=argparse.SUPPRESS
        )
        words.required = False


def words_of(args: argparse.Namespace) -> list[str]:
    """Return the command.  Raises UsageError."""
    words: list[str] = args.command if args.after is None else args.after
    if not words:
        raise common.UsageError("no command given: expected -- CMD")
    return words
