"""Put the tables of docs/events.md in, from `pyinit.report.registry`: ``make manual``."""

from __future__ import annotations

import re
from pathlib import Path

from pyinit.report import registry

DOCUMENT = Path(__file__).parent.parent / "docs" / "events.md"
_HEAD = "| event | level | fields | when |\n| --- | --- | --- | --- |\n"


def render(document: str) -> str:
    """Return the text with the tables as new as the registry.  Raises ValueError."""
    for group in dict.fromkeys(event.group for event in registry.EVENTS.values()):
        found = re.search(rf"^### {re.escape(group)}\n\n((?:\|.*\n)*)", document, re.MULTILINE)
        if found is None:
            raise ValueError(f"docs/events.md has no heading '### {group}'")
        document = document[: found.start(1)] + _table(group) + document[found.end(1) :]
    return document


def _table(group: str) -> str:
    rows = [
        f"| `{name}` | {', '.join(event.levels)} | {_fields(event)} | {event.text} |\n"
        for name, event in registry.EVENTS.items()
        if event.group == group
    ]
    return _HEAD + "".join(rows)


def _fields(event: registry.Event) -> str:
    """Return the fields as the document has them: ``(`exit_code` number)``."""
    return ", ".join(
        f"(`{name}` {kind[1:]}" if kind.startswith("(") else f"`{name}` {kind}"
        for name, kind in event.fields.items()
    )


if __name__ == "__main__":
    DOCUMENT.write_text(render(DOCUMENT.read_text("utf-8")), "utf-8")
