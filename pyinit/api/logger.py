"""Events for a logger of the program's own: structlog's, or one of the module logging."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from pyinit import fallback
from pyinit.log import text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pyinit.events import When

# What says where the log goes, as a logger does.
ELSEWHERE = frozenset(("log_fd", "log_file", "log_format", "quiet"))
_EXPECTED = "expected one with the methods debug, info, warning and error"


def check(logger: Any, options: Mapping[str, object]) -> None:
    """Raise TypeError for what is no logger, ValueError where the log goes elsewhere."""
    if not all(callable(getattr(logger, level, None)) for level in text.LEVELS):
        raise TypeError(f"logger: {_EXPECTED}, not {logger!r}")
    if given := sorted(ELSEWHERE & options.keys()):
        raise ValueError(f"{given[0]}: the log goes to logger: expected one of the two")


def teller(logger: Any) -> Callable[[dict[str, Any]], object]:
    """Return what hands an event to ``logger``, at its level.

    structlog gets the event and its fields.  A logger of logging gets a line, and all of it as
    the attribute ``pyinit`` of the record.
    """
    logging = sys.modules.get("logging")
    if logging is not None and isinstance(logger, logging.Logger | logging.LoggerAdapter):
        return lambda told: _log_line(logger, dict(told))
    return lambda told: _call(logger, dict(told))


def _call(logger: Any, told: dict[str, Any]) -> None:
    getattr(logger, told.pop("level"))(told.pop("event"), **told)


def _log_line(logger: Any, told: dict[str, Any]) -> None:
    extra = {"pyinit": dict(told)}
    del told["timestamp"], told["monotonic_s"]
    level, event = told.pop("level"), told.pop("event")
    line = f"{event} {text.as_logfmt(told)}".rstrip()
    getattr(logger, level)("%s", line, extra=extra)


class LoggerWriter:
    """Writes events to a logger, which is waited for: until it returns no signal is relayed."""

    def __init__(self, logger: Any) -> None:
        self._tell = teller(logger)
        self._has_failed = False

    def emit(self, level: int, event: str, fields: dict[str, object], when: When) -> None:
        """Hand one over; that the logger has failed is said once."""
        told = text.head(level, event, when)
        told.update((key, text.clean(value)) for key, value in fields.items())
        try:
            self._tell(told)
        except Exception as error:
            if not self._has_failed:
                self._has_failed = True
                fallback.tell(f"the logger has failed: {error!r}")

    def close(self) -> None:
        """Do nothing: the logger is the program's."""
