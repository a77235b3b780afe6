"""Events as lines of a log."""

import posix

from pyinit.log import sink, text
from pyinit.settings import CONSOLE, JSON, LOGFMT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Fields = dict[str, object]

_INFO = 2  # from here on it is a log that was asked for

# A field that is shorter is not cut.
_SHORTEST = 16
_CUT = "..."


class LineWriter:
    """Events, one line each in ``style``, on ``fd``."""

    __slots__ = ("_dropped", "_is_missing", "_render", "_sink", "_style")

    def __init__(self, fd: int, style: str = "") -> None:
        self._sink = sink.Sink(fd)
        self._style = style or (CONSOLE if self._sink.is_terminal else JSON)
        self._dropped = 0
        self._is_missing = False
        self._render = self._load()

    def emit(self, level: int, event: str, fields: "Fields", when: "text.When") -> None:
        """Say that ``event`` happened; raises nothing."""
        try:
            if self._is_missing and level >= _INFO:
                self._is_missing = False
                effect: Fields = {"effect": "lines have no time and no color"}
                self._say(_INFO, "structlog_missing", effect, when)
            self._say(level, event, fields, when)
        except Exception:
            self._dropped += 1

    def _say(self, level: int, event: str, fields: "Fields", when: "text.When") -> None:
        told = text.head(level, event, when) | fields
        if self._dropped:
            told["dropped_lines"] = self._dropped
        self.write(_fitting(self._render, told))

    def _load(self) -> "Callable[[Fields], str]":
        """Return what makes a line of an event."""
        if self._style == JSON:
            return text.as_json
        if self._style == LOGFMT:
            return text.as_logfmt
        try:
            return self._people()
        except ImportError:
            self._is_missing = True
        except Exception:
            pass  # no descriptor is left, or no memory
        return _plain

    def _people(self) -> "Callable[[Fields], str]":
        """Return what makes a line for people.  Raises ImportError without structlog."""
        from pyinit.log import rendering

        # https://no-color.org: present and not empty.
        refused = posix.environ.get(b"NO_COLOR") or posix.environ.get(b"TERM") == b"dumb"
        is_terminal = self._sink.is_terminal
        return rendering.renderer(color=is_terminal and not refused, on_terminal=is_terminal)

    def close(self) -> None:
        """Write no more; the descriptor stays open."""
        self._sink.close()

    def write(self, line: str) -> None:
        """Write one line if it fits without waiting; otherwise drop and count it."""
        if self._sink.write(line):
            self._dropped = 0  # the line told of them
        else:
            self._dropped += 1


def _plain(fields: "Fields") -> str:
    """Return an event as a line for people without the help of structlog."""
    told = dict(fields)
    del told["timestamp"], told["monotonic_s"]
    level, event = told.pop("level"), told.pop("event")
    summary = told.pop("summary", None)
    if summary is not None:
        told.pop("cause", None)  # the summary has it
    known = {key: value for key, value in told.items() if value is not None}
    words = "".join(f" {key}={text.printable(value)}" for key, value in known.items())
    line = f"pyinit: {level}: {event}{words}"
    return line if summary is None else f"{line}\n{text.printable(summary)}"


def _fitting(render: "Callable[[Fields], str]", fields: "Fields") -> str:
    """Return a line that fits: cut by bytes it would be no JSON any more."""
    while True:
        line = render(fields)
        if len(line) < sink.PIPE_BUF and len(line.encode()) < sink.PIPE_BUF:
            return line
        longest = max(fields, key=lambda key: len(str(fields[key])))
        if len(str(fields[longest])) < _SHORTEST:
            return line  # then it is cut all the same
        fields[longest] = _shorter(fields[longest])


def _shorter(value: object) -> object:
    if isinstance(value, list) and len(value) > 2:
        return [*value[: len(value) // 2], _CUT]
    words = str(value)
    return words[: len(words) // 2] + _CUT
