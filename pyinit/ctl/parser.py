"""Command lines: help that fits the terminal, and errors that begin as all messages do."""

from __future__ import annotations

import argparse
import sys
import textwrap
from typing import TYPE_CHECKING, Any, NoReturn

from pyinit.ctl import common, table

if TYPE_CHECKING:
    from collections.abc import Iterable

# The texts of options begin here.
_COLUMN = 26


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Breaks lines at blanks alone, so that each word, such as --map-auto, can be copied."""

    def __init__(self, prog: str, **more: object) -> None:
        super().__init__(prog, max_help_position=_COLUMN, width=table.columns())
        del more  # of later versions: colours, which we leave to the tables

    def _split_lines(self, text: str, width: int) -> list[str]:
        return wrapped(" ".join(text.split()), width)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines = text.splitlines()
        return "\n".join(
            part for line in lines for part in (wrapped(line, width, indent) if line else [""])
        )


def wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """Return ``text`` in lines of at most ``width`` columns, broken at blanks."""
    return textwrap.wrap(
        text,
        max(width, 11),
        initial_indent=indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,
    )


class Parser(argparse.ArgumentParser):
    """A parser whose errors exit with ``code``."""

    def __init__(self, prog: str, description: str, code: int = 2) -> None:
        super().__init__(
            prog=prog, description=description, formatter_class=Formatter, allow_abbrev=False
        )
        self.code = code

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the command line, and how it is written; exit."""
        print(f"{self.format_usage()}{self.prog}: {message}", file=sys.stderr)
        sys.exit(self.code)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Return the arguments; an unknown option is named, with the one that was meant."""
        # Names may stand on both sides of an option.
        takes_names = any(each.nargs == "*" for each in self._actions)
        parse = self.parse_known_intermixed_args if takes_names else self.parse_known_args
        found, left = parse(args, namespace)
        if left:
            known = [each for action in self._actions for each in action.option_strings]
            word = next((each for each in left if each.startswith("-")), "")
            if word:
                name = word.partition("=")[0]
                self.error(f"unknown option '{name}'{common.did_you_mean(name, known)}")
            self.error(f"unexpected argument '{left[0]}'")
        return found

    def _print_message(self, message: str, file: object = None) -> None:
        """Write the help or the version to stdout, and tell where that fails."""
        del file
        if message:
            common.show(message.splitlines())


def table_of(rows: Iterable[tuple[str, str]]) -> str:
    """Return names with a text each, for a help."""
    width = table.columns()
    lines = []
    for name, text in rows:
        first, *rest = wrapped(text, width - 2 - 14)
        lines += [f"  {name:<12}  {first}", *(" " * 16 + line for line in rest)]
    return "\n".join(lines)
