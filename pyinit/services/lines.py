"""In which line of a TOML file a key stands, which `tomllib` does not tell.

Only asked for once something is wrong with a file that `tomllib` could read, so nothing here
complains: what it does not find has no line.
"""

_QUOTES = ('"""', "'''", '"', "'")


def of_keys(text: str) -> dict[tuple[str, ...], int]:
    """Return the line, counted from 1, of each table's header and of each key in it.

    A path such as ``("service", "web", "user")`` is the key to it.  Keys of inline tables have
    the line of the key that holds them, and are not listed.
    """
    found: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    rest = ""  # of a value that goes on: what closes it
    for number, line in enumerate(text.splitlines(), 1):
        if not rest:
            stripped = line.strip()
            if stripped.startswith("["):
                table = _path(stripped.lstrip("[").partition("#")[0].rstrip().rstrip("]"))
                _note(found, table, number)
                continue
            key, equals, value = _key_of(stripped)
            if not equals:
                continue
            _note(found, table + _path(key), number)
            rest = _open_after(value, "")
        else:
            rest = _open_after(line, rest)
    return found


def _note(found: dict[tuple[str, ...], int], path: tuple[str, ...], number: int) -> None:
    """Note a line for a path, and for the tables in which it stands."""
    for length in range(1, len(path) + 1):
        found.setdefault(path[:length], number)


def _key_of(line: str) -> tuple[str, str, str]:
    """Part a line at its first ``=`` that is in no quotes."""
    quote = ""
    for index, char in enumerate(line):
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char == "#":
            break
        elif char == "=":
            return line[:index], "=", line[index + 1 :]
    return line, "", ""


def _path(key: str) -> tuple[str, ...]:
    """Return the parts of a dotted key, without quotes."""
    parts = [""]
    quote = ""
    for char in key.strip():
        if char in "\"'" and char == (quote or char):
            quote = "" if quote else char
        elif char == "." and not quote:
            parts.append("")
        elif quote or not char.isspace():
            parts[-1] += char
    return tuple(parts)


def _open_after(line: str, stack: str) -> str:
    """Return what is open at the end of ``line``: brackets, and a quote of several lines.

    ``stack`` is what was open before, as a row of characters that close it; ``"`` and ``'``
    stand for three of them.
    """
    index = 0
    while index < len(line):
        if stack[-1:] in ('"', "'"):
            closing = line.find(stack[-1] * 3, index)
            escaped = stack[-1] == '"' and closing > 0 and line[closing - 1] == "\\"
            if closing < 0:
                return stack
            index = closing + (1 if escaped else 3)
            stack = stack if escaped else stack[:-1]
            continue
        quote = next((each for each in _QUOTES if line.startswith(each, index)), "")
        if len(quote) == 3:
            stack += quote[0]
        elif quote:
            index = _after_string(line, index)
            continue
        elif line[index] == "#":
            break
        elif line[index] in "[{":
            stack += {"[": "]", "{": "}"}[line[index]]
        elif line[index] == stack[-1:]:
            stack = stack[:-1]
        index += len(quote) or 1
    return stack


def _after_string(line: str, index: int) -> int:
    """Return where the string of one line that begins at ``index`` is over."""
    quote = line[index]
    index += 1
    while index < len(line) and line[index] != quote:
        index += 2 if quote == '"' and line[index] == "\\" else 1
    return index + 1
