"""TOML as files of services mostly have it, read without `tomllib`.

What `tomllib` imports (`re`, `typing`, `enum` and more) takes 13 ms of processor time, three
quarters of what it takes to read a file, before the first service starts.  Whatever is not
certain to be read here as it is there is left to it: `parse` returns None then.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Table = dict[str, Any]

_BARE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
_AFTER_WORD = frozenset(" \t\n,]}#")
_ESCAPES = {"\\": "\\", '"': '"', "n": "\n", "t": "\t"}


class _NotPlainError(Exception):
    """It is left to `tomllib`, which also knows what is wrong with it."""


def parse(text: str) -> "Table | None":
    """Return the document, or None for one with anything but what follows.

    Headers and keys of letters, digits, ``_`` and ``-``, each once; strings, of the escapes those
    that `_ESCAPES` has, and none in a string of several lines; decimal numbers, booleans; arrays
    and inline tables.
    """
    # Controls, and whatever else there is that ends a line elsewhere.
    if not text.replace("\t", " ").replace("\n", " ").isprintable():
        return None
    try:
        return _Reader(text).read_document()
    except (_NotPlainError, RecursionError):
        return None


class _Reader:
    """A text, and how far it has been read."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._document: Table = {}
        self._headers: set[tuple[str, ...]] = set()

    def read_document(self) -> "Table":
        """Return the whole."""
        table = self._document
        while char := self._skip_lines():
            if char == "[":
                table = self._read_header()
            else:
                self._read_pair(table)
            if self._peek() not in ("", "\n", "#"):
                raise _NotPlainError
        return self._document

    def _read_header(self) -> "Table":
        """Return the new table of a header."""
        end = self._text.find("]", self._at)
        path = tuple(self._text[self._at + 1 : end].split("."))
        self._at = end + 1
        table = self._document
        for index, key in enumerate(path, 1):
            if end < 0 or not key or not _BARE.issuperset(key):
                raise _NotPlainError
            # A table that is there already has to be a header's, and not this one's.
            if key in table and (path[:index] not in self._headers or index == len(path)):
                raise _NotPlainError
            self._headers.add(path[:index])
            table = table.setdefault(key, {})
        return table

    def _read_pair(self, table: "Table") -> None:
        self._peek()
        start = self._at
        while self._text[self._at : self._at + 1] in _BARE:
            self._at += 1
        key = self._text[start : self._at]
        if not key or key in table:
            raise _NotPlainError
        self._take("=")
        table[key] = self._read_value()

    def _peek(self) -> str:
        """Return the next character that is no blank, and stop before it."""
        while self._text[self._at : self._at + 1] in (" ", "\t"):
            self._at += 1
        return self._text[self._at : self._at + 1]

    def _skip_lines(self) -> str:
        """Do the same, past the ends of lines and comments."""
        while (char := self._peek()) in ("\n", "#"):
            end = self._text.find("\n", self._at) if char == "#" else self._at
            self._at = end + 1 if end >= 0 else len(self._text)
        return char

    def _take(self, char: str) -> None:
        if self._peek() != char:
            raise _NotPlainError
        self._at += 1

    def _read_value(self) -> object:
        char = self._peek()
        if char in ("'", '"'):
            if self._text.startswith(3 * char, self._at):
                return self._read_long_string(3 * char)
            return self._read_string(char)
        if char == "[":
            return self._read_array()
        if char == "{":
            return self._read_table()
        return self._read_word()

    def _read_string(self, quote: str) -> str:
        found = ""
        self._at += 1
        while (char := self._text[self._at : self._at + 1]) != quote:
            if char == "\\" and quote == '"':
                self._at += 1
                char = _ESCAPES.get(self._text[self._at : self._at + 1], "")
            if not char or self._text[self._at] == "\n":
                raise _NotPlainError
            found += char
            self._at += 1
        self._at += 1
        return found

    def _read_long_string(self, quotes: str) -> str:
        start = self._at + 3
        end = self._text.find(quotes, start)
        found = self._text[start:end]
        # A fourth quote belongs to the string.
        if end < 0 or "\\" in found or self._text.startswith(quotes[0], end + 3):
            raise _NotPlainError
        self._at = end + 3
        return found.removeprefix("\n")

    def _read_array(self) -> list[object]:
        self._take("[")
        found = []
        while self._skip_lines() != "]":
            found.append(self._read_value())
            if self._skip_lines() != "]":
                self._take(",")
        self._take("]")
        return found

    def _read_table(self) -> "Table":
        self._take("{")
        found: Table = {}
        while self._peek() != "}":
            if found:
                self._take(",")
            self._read_pair(found)
        self._take("}")
        return found

    def _read_word(self) -> object:
        start = self._at
        while self._at < len(self._text) and self._text[self._at] not in _AFTER_WORD:
            self._at += 1
        word = self._text[start : self._at]
        if word in ("true", "false"):
            return word == "true"
        whole, point, part = word.partition(".")
        if not _is_number(whole) or (len(whole) > 1 and whole[0] == "0"):
            raise _NotPlainError
        if not point:
            return int(whole)
        if not _is_number(part):
            raise _NotPlainError
        return float(word)


def _is_number(word: str) -> bool:
    # A longer one is refused by int().
    return word.isdecimal() and word.isascii() and len(word) < 100
