"""Tables for people: they fit the terminal and are coloured there, and are whole anywhere else."""

from __future__ import annotations

import os
import sys
import unicodedata
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Select Graphic Rendition; see console_codes(4).
STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}

_GAP = "  "
_CUT = "..."
_MIN_FLEXIBLE = 8


class Screen(NamedTuple):
    """Where the table is shown: ``width`` in columns, or None where nothing is to be cut."""

    width: int | None = None
    colour: bool = False


class Cell(NamedTuple):
    """A text and its style, a key of `STYLES`; in the place of a row it is a line of its own."""

    text: str
    style: str = ""


class Column(NamedTuple):
    """A title; ``right`` is for numbers, ``flexible`` for a text that may be cut at its end."""

    title: str
    right: bool = False
    flexible: bool = False


Row = tuple["Cell | str", ...]


def screen() -> Screen:
    """Return what stdout is: a terminal has a width, and colours unless NO_COLOR is set."""
    if sys.stdout is None or not sys.stdout.isatty():
        return Screen()
    # https://no-color.org: present and not empty.
    colour = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return Screen(_terminal_width(), colour)


def _terminal_width() -> int:
    """Return COLUMNS as environ(7) has it, or what the terminal says, or 80 if it does not."""
    text = os.environ.get("COLUMNS", "")
    if text.isascii() and text.isdecimal() and int(text):
        return int(text)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def plain(text: str) -> str:
    """Return ``text`` with what is no printable character escaped.

    Names of processes are any bytes, those that command a terminal too.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def width_of(text: str) -> int:
    """Return how many columns of a terminal a printable text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def cut(text: str, width: int) -> str:
    """Return as much of ``text`` as ``width`` columns hold."""
    if width_of(text) <= width:
        return text
    mark = _CUT[: max(width, 0)]
    taken = 0
    for index, char in enumerate(text):
        taken += width_of(char)
        if taken > width - len(mark):
            return text[:index] + mark
    return text


def render(columns: Sequence[Column], rows: Iterable[Row | Cell], on: Screen) -> list[str]:
    """Return the lines of a table with its titles."""
    lines: list[Sequence[Cell] | Cell] = [tuple(Cell(column.title, "bold") for column in columns)]
    lines += [_cells(row) for row in rows]
    widths = _fitted(columns, natural_widths(columns, lines), on.width)
    return [
        _painted([(_held(line.text, on.width), line.style)], on)
        if isinstance(line, Cell)
        else _line(columns, line, widths, on)
        for line in lines
    ]


def _cells(row: Row | Cell) -> Sequence[Cell] | Cell:
    if isinstance(row, Cell):
        return Cell(plain(row.text), row.style)
    cells = (each if isinstance(each, Cell) else Cell(each) for each in row)
    return tuple(Cell(plain(cell.text), cell.style) for cell in cells)


def natural_widths(
    columns: Sequence[Column], lines: Iterable[Sequence[Cell | str] | Cell]
) -> list[int]:
    """Return how wide each column is where nothing is cut."""
    widths = [width_of(column.title) for column in columns]
    for line in lines:
        if not isinstance(line, Cell):
            for index, cell in enumerate(line):
                text = cell.text if isinstance(cell, Cell) else cell
                widths[index] = max(widths[index], width_of(text))
    return widths


def _fitted(columns: Sequence[Column], widths: list[int], most: int | None) -> list[int]:
    """Return ``widths`` with the flexible ones made smaller, the widest first, as far as needed."""
    if most is None:
        return widths
    widths = list(widths)
    flexible = [index for index, column in enumerate(columns) if column.flexible]
    while flexible and total(widths) > most:
        widest = max(flexible, key=lambda index: widths[index])
        if widths[widest] <= _MIN_FLEXIBLE:
            break
        widths[widest] -= 1
    return widths


def total(widths: Sequence[int]) -> int:
    """Return how wide a line of columns is."""
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _line(
    columns: Sequence[Column], cells: Sequence[Cell], widths: Sequence[int], on: Screen
) -> str:
    parts = []
    for column, cell, width in zip(columns, cells, widths, strict=True):
        text = cut(cell.text, width)
        blank = " " * (width - width_of(text))
        before, after = (blank, "") if column.right else ("", blank)
        parts += [(before, ""), (text, cell.style), (after + _GAP, "")]
    while parts and not parts[-1][0].strip():
        parts.pop()  # nothing but blanks up to the end
    return _painted(_within(parts, on.width), on)


def _within(parts: list[tuple[str, str]], most: int | None) -> list[tuple[str, str]]:
    """Return the parts of a line up to the edge of a terminal that is narrower still."""
    if most is None or sum(width_of(text) for text, _ in parts) <= most:
        return parts
    kept = []
    for text, style in parts:
        kept.append((_held(text, most), style))
        most -= width_of(text)
        if most <= 0:
            break
    return kept


def _held(text: str, most: int | None) -> str:
    return text if most is None else cut(text, most)


def _painted(parts: Iterable[tuple[str, str]], on: Screen) -> str:
    return "".join(
        f"\x1b[{STYLES[style]}m{text}\x1b[0m" if on.colour and style and text else text
        for text, style in parts
    )
