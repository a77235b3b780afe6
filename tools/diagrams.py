"""The Mermaid diagrams of the pages as SVG, for the site: it is read without a network.

GitHub draws the same text itself.  Here each node is a row.  Each edge is an arrow in a column of
its own, from a dot in the row of its source to the row of its target; edges with the same label
and target share a column.  What stays in its row is named at the end of the row.
"""

from __future__ import annotations

import html
import re
import textwrap
from dataclasses import dataclass, field

_BLOCK = re.compile(r"^```mermaid\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_STATE_EDGE = re.compile(r"(\S+) --> (\S+?)(?:: (.*))?")
_FLOW_EDGE = re.compile(r"(.+?) (-->|-\.->)(?:\|(.*?)\|)? (.+)")
_FLOW_NODE = re.compile(r"(\w+)(?:[(\[]+(.+?)[)\]]+)?")
_OUTSIDE = "[*]"

_ROW, _BOX, _LANE, _LINE, _MARGIN = 40, 28, 76, 13, 4
_CHARACTER = 6.3
_FONT = "font-family:ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace"

_LEGEND = "Each column leads from the rows with a dot to the row with the arrowhead."


@dataclass
class Edge:
    """An arrow with its label, from all of its sources."""

    label: str
    target: str
    dashed: bool
    sources: list[str] = field(default_factory=list)


@dataclass
class Diagram:
    """Nodes with what is shown for each, in their order; where it begins and ends; the edges."""

    nodes: dict[str, str] = field(default_factory=dict)
    begins: set[str] = field(default_factory=set)
    ends: set[str] = field(default_factory=set)
    edges: list[Edge] = field(default_factory=list)
    loops: dict[str, list[str]] = field(default_factory=dict)

    def add(self, source: str, target: str, label: str, *, dashed: bool = False) -> None:
        """Add an edge, to one that has the same label and target if there is any."""
        if source == _OUTSIDE:
            self.begins.add(target)
        elif target == _OUTSIDE:
            self.ends.add(source)
        elif source == target:
            self.loops.setdefault(source, []).append(label)
        else:
            key = (label, target, dashed)
            same = next((e for e in self.edges if (e.label, e.target, e.dashed) == key), None)
            if same is None:
                same = Edge(label, target, dashed)
                self.edges.append(same)
            same.sources.append(source)
        for node in (source, target):
            if node != _OUTSIDE:
                self.nodes.setdefault(node, node)


def parse(text: str) -> Diagram:
    """Return what a ``stateDiagram-v2`` or a ``flowchart`` describes.  Raises ValueError."""
    kind, *lines = (line.strip() for line in text.strip().splitlines())
    diagram = Diagram()
    for line in filter(None, lines):
        if kind == "stateDiagram-v2" and (found := _STATE_EDGE.fullmatch(line)):
            label = (found[3] or "").replace("<br/>", " / ")
            diagram.add(found[1], found[2], label)
        elif kind.startswith("flowchart") and (found := _FLOW_EDGE.fullmatch(line)):
            for source in _flow_nodes(diagram, found[1]):
                for target in _flow_nodes(diagram, found[4]):
                    diagram.add(source, target, found[3] or "", dashed=found[2] == "-.->")
        else:
            raise ValueError(f"a line that is not drawn: {line!r}")
    return diagram


def _flow_nodes(diagram: Diagram, text: str) -> list[str]:
    names = []
    for word in text.split(" & "):
        found = _FLOW_NODE.fullmatch(word)
        if not found:
            raise ValueError(f"a node that is not drawn: {word!r}")
        names.append(found[1])
        if found[2]:
            diagram.nodes[found[1]] = found[2]
    return names


def svg(diagram: Diagram) -> str:
    """Return the picture, in the colour of the text around it."""
    # Where it ends is below all others.
    order = sorted(diagram.nodes, key=lambda name: name in diagram.ends)
    rows = {name: number for number, name in enumerate(order)}
    edges = sorted(diagram.edges, key=lambda e: (min(rows[s] for s in e.sources), rows[e.target]))
    labels = [textwrap.wrap(edge.label, 11) for edge in edges]
    top = _MARGIN + _LINE * max(map(len, labels)) + 10
    box = max(len(label) for label in diagram.nodes.values()) * 7.5 + 20
    loops = {name: "stays on " + " / ".join(texts) for name, texts in diagram.loops.items()}
    end = _MARGIN + box + _LANE * len(edges) + 16
    width = end + _CHARACTER * max(map(len, loops.values()), default=0) + _MARGIN
    height = top + _ROW * len(rows) + _MARGIN
    size = f'width="{width:.0f}" height="{height}" viewBox="0 0 {width:.0f} {height}"'
    look = f'style="{_FONT}" fill="currentColor" stroke="none"'
    parts = [
        '<div style="overflow-x:auto">',
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size} {look}>',
    ]
    for name, row in rows.items():
        y = top + row * _ROW + _ROW / 2
        parts += _node(diagram, name, box, y, end)
        if name in loops:
            parts.append(_text(end, y + 4, loops[name], "start"))
    for number, (edge, lines) in enumerate(zip(edges, labels, strict=True)):
        x = _MARGIN + box + _LANE * (number + 0.5) + 8
        for place, line in enumerate(lines):
            parts.append(_text(x, top - 10 - _LINE * (len(lines) - 1 - place), line))
        parts += _arrow(edge, x, {key: top + row * _ROW + _ROW / 2 for key, row in rows.items()})
    return "\n".join([*parts, f"</svg>\n<p><small>{_LEGEND}</small></p></div>"])


def _node(diagram: Diagram, name: str, box: float, y: float, end: float) -> list[str]:
    """Return a box with its name and its line: bold where it begins, double where it ends."""
    border = 2.5 if name in diagram.begins else 1
    parts = [
        _rectangle(_MARGIN, y - _BOX / 2, box, _BOX, border),
        _text(_MARGIN + box / 2, y + 4, diagram.nodes[name], size=12),
        f'<path d="M{_MARGIN + box:g} {y:g}H{end - 8:g}" stroke="currentColor" opacity=".2"/>',
    ]
    if name in diagram.ends:
        parts.append(_rectangle(_MARGIN + 3, y - _BOX / 2 + 3, box - 6, _BOX - 6, 1))
    return parts


def _rectangle(x: float, y: float, width: float, height: float, border: float) -> str:
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="5" '
        f'fill="none" stroke="currentColor" stroke-width="{border:g}"/>'
    )


def _arrow(edge: Edge, x: float, places: dict[str, float]) -> list[str]:
    goal = places[edge.target]
    starts = [places[source] for source in edge.sources]
    dashes = ' stroke-dasharray="4 3"' if edge.dashed else ""
    parts = [f'<circle cx="{x:g}" cy="{y:g}" r="3.5"/>' for y in starts]
    for far, way in ((min(starts), 1), (max(starts), -1)):
        if (goal - far) * way > 0:
            parts += [
                f'<path d="M{x:g} {far:g}V{goal - 5 * way:g}" stroke="currentColor"{dashes}/>',
                f'<path d="M{x:g} {goal:g}l-4.5 {-9 * way}h9z"/>',
            ]
    return parts


def _text(x: float, y: float, text: str, anchor: str = "middle", size: float = 10.5) -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-size="{size:g}">'
        f"{html.escape(text)}</text>"
    )


def drawn(page: str) -> str:
    """Return a page of MyST Markdown with its diagrams drawn.  Raises ValueError."""
    return _BLOCK.sub(lambda found: f"```{{raw}} html\n{svg(parse(found[1]))}\n```", page)
