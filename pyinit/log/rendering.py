"""An event as a line for people, by the console renderer of structlog."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from structlog.dev import ConsoleRenderer

from pyinit.log import text

if TYPE_CHECKING:
    from collections.abc import Callable

# Where the time of day stands in a time of RFC 3339, to milliseconds.
_TIME_OF_DAY = slice(11, 23)
# Of a summary, which has the cause, and has a line of its own.
_APART = ("monotonic_s", "summary")


def renderer(*, color: bool, on_terminal: bool) -> Callable[[dict[str, object]], str]:
    """Return what makes a line of an event, with the time of day alone ``on_terminal``.

    Nothing is said of what is not known, and the whole run is a line of its own.
    """
    styles = ConsoleRenderer.get_default_level_styles(color)
    # The longest name is what all are padded to.
    styles = {level: styles[level] for level in text.LEVELS}
    how: dict[str, Any] = {"colors": color, "sort_keys": False, "level_styles": styles}
    try:
        console = ConsoleRenderer(pad_event_to=0, **how)
    except TypeError:
        console = ConsoleRenderer(pad_event=0, **how)  # before structlog 26.1

    def render(fields: dict[str, object]) -> str:
        # The renderer quotes what stands in a list, but lets a string's controls pass.
        told = {
            key: text.clean(value)
            for key, value in fields.items()
            if value is not None and key not in _APART
        }
        if on_terminal:
            told["timestamp"] = str(told["timestamp"])[_TIME_OF_DAY]
        summary = fields.get("summary")
        if summary is None:
            return str(console(None, "", told))
        told.pop("cause", None)  # the summary has it
        return f"{console(None, '', told)}\n{text.printable(summary)}"

    return render
