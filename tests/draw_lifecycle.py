"""Draw docs/lifecycle.md from the table of transitions: ``python -m tests.draw_lifecycle``."""

from __future__ import annotations

from pathlib import Path

from pyinit.lifecycle import DONE, RUNNING, TRANSITIONS

DOCUMENT = Path(__file__).parent.parent / "docs" / "lifecycle.md"

HEAD = """\
# The life of a container under pyinit

Drawn from the table `TRANSITIONS` in `pyinit/lifecycle.py` by `python -m tests.draw_lifecycle`;
a test keeps the two the same.

The main child is the command that pyinit started, leftovers are the processes that live on
after it. A stop signal is SIGTERM, SIGINT or SIGQUIT; any after the first one of them, however
long ago that was, says that somebody is in a hurry.
"""


def diagram() -> str:
    """Return the diagram: one arrow for each pair of states, with the events that go along it."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for (state, event), (following, _) in TRANSITIONS.items():
        arrows.setdefault((state, following), []).append(event)
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {RUNNING}"]
    for (state, following), events in arrows.items():
        lines.append(f"    {state} --> {following}: {'<br/>'.join(events)}")
    return "\n".join([*lines, f"    {DONE} --> [*]", "```", ""])


def table() -> str:
    """Return the table, in the order of the source."""
    lines = ["| state | event | what happens | next |", "| --- | --- | --- | --- |"]
    for (state, event), (following, actions) in TRANSITIONS.items():
        lines.append(f"| {state} | {event} | {'; '.join(actions) or 'nothing'} | {following} |")
    return "\n".join([*lines, f"| {DONE} | anything | nothing | {DONE} |", ""])


def draw() -> str:
    """Return the document."""
    return f"{HEAD}\n{diagram()}\n{table()}"


if __name__ == "__main__":
    DOCUMENT.write_text(draw(), encoding="utf-8")
