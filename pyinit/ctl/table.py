"""Tables for people: they fit the terminal, and are coloured there."""

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
# Of a text that may be cut; a column that is to stay is as wide as its title at least.
_LEAST = 8


class Screen(NamedTuple):
    """Where the table is shown: ``width`` in columns, or None where nothing is to be cut."""

    width: int | None = None
    colour: bool = False


class Cell(NamedTuple):
    """A text and its style, a key of `STYLES`; in the place of a row it is a line of its own.

    ``shorter`` are texts in its place where it does not fit, each shorter than the one before.
    """

    text: str
    style: str = ""
    shorter: tuple[str, ...] = ()


class Column(NamedTuple):
    """A title; ``right`` is for numbers, ``flexible`` for a text that may be cut at its end.

    A flexible one gets ``least`` columns, as far as it has that much to say, before others are
    left out: those with the smallest ``rank`` above 0 first, and 0 never.
    """

    title: str
    right: bool = False
    flexible: bool = False
    least: int = _LEAST
    rank: int = 0


Row = tuple["Cell | str", ...]


def screen() -> Screen:
    """Return what stdout is: how wide, and whether it takes colours.

    NO_COLOR and FORCE_COLOR say so for whatever it is, when they are not empty; see
    https://no-color.org and https://force-color.org.
    """
    environ = os.environ
    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    colour = is_terminal and (environ.get("TERM") or "dumb") != "dumb"
    return Screen(
        columns(), not environ.get("NO_COLOR") and bool(colour or environ.get("FORCE_COLOR"))
    )


def columns() -> int:
    """Return COLUMNS as environ(7) has it, or how wide the terminal is, or 80 without one.

    In a pipe it is the terminal of stderr or stdin: whoever reads it there looks at that.
    """
    text = os.environ.get("COLUMNS", "")
    if text.isascii() and text.isdecimal() and int(text):
        return int(text)
    for fd in (1, 2, 0):
        try:
            return os.get_terminal_size(fd).columns or 80
        except OSError:
            continue
    return 80


def command(words: Sequence[str], style: str = "") -> Cell:
    """Return a command line; where it is too long, what tells it from others stays.

    That is the end of the path of its program, or the script or module that an interpreter
    runs.
    """
    texts = [" ".join(words)]
    if words:
        short = [_base(words[0]), *words[1:]]
        script = next(
            (
                n
                for n, word in enumerate(short)
                if n and not word.startswith("-") and short[n - 1] not in _WITH_VALUE
            ),
            len(short),
        )
        texts.append(" ".join(short))
        is_code = script < len(short) and _takes_code(short[0], short[script - 1])
        if _is_interpreter(short[0]) and script < len(short) and not is_code:
            module = short[script - 1] == "-m"
            short[script] = short[script] if module else _base(short[script])
            texts += [" ".join(short), " ".join(short[script - module :])]
    return Cell(texts[0], style, tuple(texts[1:]))


def indented(before: str, cell: Cell) -> Cell:
    """Return a cell with ``before`` in front of it, however short it is made."""
    return Cell(before + cell.text, cell.style, tuple(before + text for text in cell.shorter))


def fitted(before: str, cell: Cell, on: Screen) -> str:
    """Return a line: ``before``, and as much of a cell as fits beside it."""
    cell = _plain(indented(before + " ", cell))
    texts = (cell.text, *cell.shorter)
    if on.width is None:
        return cell.text
    width = on.width
    return next((text for text in texts if width_of(text) <= width), cut(texts[-1], width))


def _base(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2] or path


# Of Python's options, those whose value is a word of its own.
_WITH_VALUE = ("-W", "-X")
_INTERPRETERS = ("python", "pypy", "node", "ruby", "perl", "php", "bash", "dash", "sh", "zsh")
# Those whose option for a program as its value is not -c; others may stand before the letter.
_LETTERS = {"node": "e", "ruby": "e", "perl": "eE", "php": "r"}


def _takes_code(name: str, option: str) -> bool:
    """Return whether what follows an option of an interpreter is a program, and no file."""
    letters = _LETTERS.get(name.rstrip("0123456789."), "c")
    return option.startswith("-") and option[1:].isalpha() and option[-1] in letters


def _is_interpreter(name: str) -> bool:
    """Return whether it is one of the usual interpreters, with a version after its name or not."""
    return name.rstrip("0123456789.") in _INTERPRETERS


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
    """Return as much of ``text`` as ``width`` columns hold, an ellipsis after it."""
    if width_of(text) <= width:
        return text
    mark = _ellipsis()[: max(width, 0)]
    taken = 0
    for index, char in enumerate(text):
        taken += width_of(char)
        if taken > width - len(mark):
            return text[:index] + mark
    return text


def _ellipsis() -> str:
    """Return what stands for what was cut, as far as stdout has a character for it."""
    try:
        "\N{HORIZONTAL ELLIPSIS}".encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return "..."
    return "\N{HORIZONTAL ELLIPSIS}"


def render(columns: Sequence[Column], rows: Iterable[Row | Cell], on: Screen) -> list[str]:
    """Return the lines of a table with its titles."""
    lines: list[Sequence[Cell] | Cell] = [tuple(Cell(column.title, "bold") for column in columns)]
    lines += [_cells(row) for row in rows]
    natural = natural_widths(columns, lines)
    kept = _kept(columns, natural, on.width)
    columns = [columns[index] for index in kept]
    widths = _fitted(columns, [natural[index] for index in kept], on.width)
    return [
        _painted([(_held(line.text, on.width), line.style)], on)
        if isinstance(line, Cell)
        else _line(columns, [line[index] for index in kept], widths, on)
        for line in lines
    ]


def _cells(row: Row | Cell) -> Sequence[Cell] | Cell:
    if isinstance(row, Cell):
        return _plain(row)
    return tuple(_plain(each if isinstance(each, Cell) else Cell(each)) for each in row)


def _plain(cell: Cell) -> Cell:
    return Cell(plain(cell.text), cell.style, tuple(plain(text) for text in cell.shorter))


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


def _kept(columns: Sequence[Column], widths: Sequence[int], most: int | None) -> list[int]:
    """Return the indexes of the columns that are shown."""
    kept = list(range(len(columns)))
    if most is None:
        return kept
    least = [
        min(width, column.least) if column.flexible else width
        for column, width in zip(columns, widths, strict=True)
    ]
    ranked = sorted((index for index in kept if columns[index].rank), key=lambda n: columns[n].rank)
    while ranked and total([least[index] for index in kept]) > most:
        kept.remove(ranked.pop(0))
    return kept


def _fitted(columns: Sequence[Column], widths: list[int], most: int | None) -> list[int]:
    """Return ``widths`` with the flexible ones made smaller, the widest first, as far as needed."""
    if most is None:
        return widths
    widths = list(widths)
    flexible = [index for index, column in enumerate(columns) if column.flexible]
    while flexible and total(widths) > most:
        widest = max(flexible, key=lambda index: widths[index])
        if widths[widest] <= _LEAST:
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
        text = next((each for each in (cell.text, *cell.shorter) if width_of(each) <= width), None)
        text = cut(cell.shorter[-1] if cell.shorter else cell.text, width) if text is None else text
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
