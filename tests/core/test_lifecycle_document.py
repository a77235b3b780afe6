"""docs/lifecycle.md shows the table that the code uses."""

from __future__ import annotations

from pyinit.lifecycle import TRANSITIONS
from tests.core import draw_lifecycle


def test_the_document_agrees_with_the_table() -> None:
    """If not: ``python -m tests.core.draw_lifecycle`` draws it anew."""
    assert draw_lifecycle.DOCUMENT.read_text(encoding="utf-8") == draw_lifecycle.draw()


def test_every_row_is_in_the_document() -> None:
    """Once in the table, and as an arrow of the diagram."""
    table, diagram = draw_lifecycle.table(), draw_lifecycle.diagram()
    for (state, event), (following, actions) in TRANSITIONS.items():
        what = "; ".join(actions) or "nothing"
        assert table.count(f"| {state} | {event} | {what} | {following} |") == 1
        assert event in diagram
