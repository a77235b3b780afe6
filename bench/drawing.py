"""The words of a picture (SVG): text, lines, and the document around them; all in pixels."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

INK, FAINT, PAPER = "#1f2937", "#d1d5db", "#ffffff"


def document(parts: Iterable[str], width: int, height: int) -> str:
    """Return the whole picture."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12" fill="{INK}">'
    )
    paper = f'<rect width="{width}" height="{height}" fill="{PAPER}"/>'
    return "\n".join([head, paper, *parts, "</svg>", ""])


def text(x: float, y: float, words: str, **attributes: object) -> str:
    """Return a text that begins at x, or with ``text_anchor`` is in the middle or ends there."""
    extra = "".join(f' {key.replace("_", "-")}="{value}"' for key, value in attributes.items())
    return f'<text x="{x:.1f}" y="{y:.1f}"{extra}>{escape(words)}</text>'


def line(x: float, y: float, to: float, color: str, width: float = 1) -> str:
    """Return a level line from x to ``to``."""
    return (
        f'<line x1="{x:.1f}" x2="{to:.1f}" y1="{y:.1f}" y2="{y:.1f}" '
        f'stroke="{color}" stroke-width="{width}"/>'
    )


def polyline(points: Sequence[tuple[float, float]], color: str, width: float) -> str:
    """Return a line through ``points``."""
    words = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{words}" fill="none" stroke="{color}" stroke-width="{width}"/>'
