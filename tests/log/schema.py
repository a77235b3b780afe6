"""The schema of the log, from the registry of events."""

from __future__ import annotations

import re
from typing import Any

from pyinit.report.registry import EVENTS

_TYPES: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "number": (int, float),
    "truth": (bool,),
    "list": (list,),
}
HEAD = ["timestamp", "level", "event", "monotonic_s"]
COMMON = {*HEAD, "dropped_lines"}


def types(kind: str) -> tuple[type, ...]:
    """Return the types that a field of this kind may have."""
    word = kind.strip("(?)")
    return _TYPES[word] + ((type(None),) if kind.endswith("?") else ())


def check(events: list[dict[str, Any]]) -> None:
    """Assert that each event is one of the registry, with all its fields and no other."""
    for event in events:
        known = EVENTS[event["event"]]
        assert event["level"] in known.levels, event
        given = {name: value for name, value in event.items() if name not in COMMON}
        assert set(given) <= set(known.fields), event
        required = {name for name, kind in known.fields.items() if not kind.startswith("(")}
        assert required <= set(given), event
        for name, value in given.items():
            allowed = types(known.fields[name])
            assert isinstance(value, allowed), (event, name)
            assert not isinstance(value, bool) or bool in allowed, (event, name)
        assert list(event)[:4] == HEAD
        assert isinstance(event["monotonic_s"], float)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", event["timestamp"])
