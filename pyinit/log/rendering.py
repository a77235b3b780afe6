"""How an event becomes a line: structlog's renderers, and what is done before them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from pyinit.log import lines
from pyinit.settings import CONSOLE, LOGFMT

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping
    from typing import Any

    Fields = MutableMapping[str, Any]
    Renderer = Callable[[Any, str, Fields], str | bytes]

# Whatever is shorter is not made shorter still.
_SHORTEST = 16
_CUT = "..."


class _Output:
    """The end of structlog's chain: hands a rendered line on at every level."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self.error = self.warning = self.info = self.debug = write


def make_logger(write: Callable[[str], None], style: str, *, color: bool) -> object:
    """Return a logger of structlog that gives its lines to ``write``."""
    return structlog.wrap_logger(
        _Output(write),
        processors=[_Prepare(for_people=style == CONSOLE), _Fit(_renderer(style, color=color))],
        wrapper_class=structlog.BoundLogger,
        context_class=dict,
        cache_logger_on_first_use=True,
    )


def _renderer(style: str, *, color: bool) -> Renderer:
    if style == CONSOLE:
        return structlog.dev.ConsoleRenderer(colors=color, pad_event=0, sort_keys=False)
    if style == LOGFMT:
        return structlog.processors.LogfmtRenderer(bool_as_flag=False)
    return structlog.processors.JSONRenderer(ensure_ascii=False)


class _Prepare:
    """Puts time and level in front, and makes of every text what stays in its line."""

    def __init__(self, *, for_people: bool) -> None:
        self._for_people = for_people

    def __call__(self, _: object, method: str, given: Fields) -> Fields:
        fields: Fields = lines.head(method, given["event"], given["when"])
        if self._for_people:
            del fields["monotonic_s"]
        # The console's renderer quotes what stands in a list, but lets a string's controls pass.
        fields.update((key, lines.clean(value)) for key, value in given["told"].items())
        return fields


class _Fit:
    """Renders what fits into a line: cut by bytes it would be no JSON any more."""

    def __init__(self, render: Renderer) -> None:
        self._render = render

    def __call__(self, logger: object, method: str, fields: Fields) -> str | bytes:
        while True:
            line = self._render(logger, method, dict(fields))
            if len(line.encode() if isinstance(line, str) else line) < lines.PIPE_BUF:
                return line
            longest = max(fields, key=lambda key: len(str(fields[key])))
            if len(str(fields[longest])) < _SHORTEST:
                return line  # then it is cut all the same
            fields[longest] = _shorter(fields[longest])


def _shorter(value: object) -> object:
    if isinstance(value, list) and len(value) > 2:
        return [*value[: len(value) // 2], _CUT]
    text = str(value)
    return text[: len(text) // 2] + _CUT
