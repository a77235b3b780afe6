"""The site draws the diagrams of the pages: each node and each label is in the picture."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tools import diagrams

ROOT = Path(__file__).parents[2]
PAGES = [page for page in (ROOT / "docs").rglob("*.md") if "```mermaid" in page.read_text("utf-8")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_without_mermaid(page: Path) -> None:
    """Well-formed SVG stands where it was, with all that the text has."""
    text = page.read_text("utf-8")
    drawn = diagrams.drawn(text)
    assert "```mermaid" not in drawn
    for block in diagrams._BLOCK.findall(text):
        diagram = diagrams.parse(block)
        picture = ET.fromstring(diagrams.svg(diagram))
        words = "".join(picture.itertext()).split()
        for edge in diagram.edges:
            assert {*edge.label.split()} <= {*words}
        assert {*" ".join(diagram.nodes.values()).split()} <= {*words}
    assert len(PAGES) >= 3


def test_edges_of_one_label_and_target_share_a_column() -> None:
    """Loops and the ends are no edges."""
    diagram = diagrams.parse(
        "stateDiagram-v2\n[*] --> a\na --> b: x<br/>y\nc --> b: x<br/>y\na --> a: z\nb --> [*]"
    )
    assert [*diagram.nodes] == ["a", "b", "c"]
    assert (diagram.begins, diagram.ends, diagram.loops) == ({"a"}, {"b"}, {"a": ["z"]})
    assert [(e.label, e.sources, e.target) for e in diagram.edges] == [("x / y", ["a", "c"], "b")]


@pytest.mark.parametrize("text", ["flowchart LR\na ==> b", "stateDiagram-v2\nnote left of a"])
def test_what_it_cannot_draw_is_an_error(text: str) -> None:
    """Of the build, instead of a picture that lacks something."""
    with pytest.raises(ValueError, match="a line that is not drawn"):
        diagrams.parse(text)
