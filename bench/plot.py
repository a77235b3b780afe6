"""The result as a picture (SVG): bars for start-up and memory, lines for growth."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from bench import contestants, drawing
from bench.procedures import GROWTH
from bench.report import growth, number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.report import Result

# All in pixels.
_WIDTH = 1040
_MARGIN = 24
_ROW = 20
_LABEL = 178
_BARS = 220
_HEAD = 40
_LINES_HEIGHT = 190
_LINES_WIDTH = 224
_AXIS = 44

_OURS, _OURS_LIGHT = "#1d4ed8", "#93b4f5"
_C, _C_LIGHT = "#4b5563", "#b6bcc6"
_PYTHON, _PYTHON_LIGHT = "#b45309", "#eabf8a"
_LINE = {
    contestants.TINI: "#111827",
    contestants.DUMB_INIT: "#9ca3af",
    contestants.CATATONIT: "#b45309",
    contestants.LAUNCHER: _OURS,
}


def svg(result: Result) -> str:
    """Return the picture of ``result``."""
    figures = result["figures"]
    half = _WIDTH // 2
    left = _bars(figures, "start", None, _MARGIN, _MARGIN)
    below = _bars(figures, "resident", "private", _MARGIN, _MARGIN + left[1])
    right = _bars(figures, "first-write", None, half + _MARGIN // 2, _MARGIN)
    last = _bars(figures, "teardown", None, half + _MARGIN // 2, _MARGIN + right[1])
    under = _MARGIN + right[1] + last[1]
    program = _bars(figures, "program", None, half + _MARGIN // 2, under)
    made = _bars(figures, "namespaces", None, half + _MARGIN // 2, under + program[1])
    top = max(_MARGIN + left[1] + below[1], under + program[1] + made[1])
    lines, height = _growth(result, top)
    bars = left[0] + below[0] + right[0] + last[0] + program[0] + made[0]
    return drawing.document(bars + lines, _WIDTH, top + height + _MARGIN)


def _rectangle(x: float, y: float, width: float, color: str) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" height="{_ROW - 6}" '
        f'fill="{color}"/>'
    )


def _colors(key: str) -> tuple[str, str]:
    """Return the full and the light color of a contestant."""
    ours = (*contestants.PYINIT, *contestants.ONLY_STARTED, *contestants.OWN_INIT)
    if key in ours or key in contestants.WITH_NAMESPACES:
        return _OURS, _OURS_LIGHT
    if key in (*contestants.C_INITS, contestants.NO_INIT):
        return _C, _C_LIGHT
    return _PYTHON, _PYTHON_LIGHT


def _bars(
    figures: Mapping[str, Any], key: str, part: str | None, x: int, y: int
) -> tuple[list[str], int]:
    """Return a bar for each row of figure ``key``, its ``part`` drawn darker; and the height."""
    if key not in figures:
        return [], 0
    figure = figures[key]
    inner = figures.get(part, {}).get("rows", {}) if part else {}
    most = max(row["median"] for row in figure["rows"].values()) or 1
    unit = figure["unit"]
    title = f"{figure['title']}, {unit}" + (f" (dark: {part})" if part else "")
    parts = [drawing.text(x, y + 14, title, font_weight="bold")]
    at = y + 24
    for name, row in figure["rows"].items():
        full, light = _colors(name)
        length = _BARS * row["median"] / most
        parts += [
            drawing.text(x + _LABEL - 8, at + 11, contestants.LABELS[name], text_anchor="end"),
            _rectangle(x + _LABEL, at, length, light if inner else full),
        ]
        if name in inner:
            parts.append(_rectangle(x + _LABEL, at, _BARS * inner[name]["median"] / most, full))
        parts.append(drawing.text(x + _LABEL + length + 6, at + 11, number(row["median"])))
        at += _ROW
    return parts, at - y + _HEAD // 2


def _growth(result: Result, top: int) -> tuple[list[str], int]:
    """Return the charts of growth, side by side from ``top`` on, and their height."""
    charts = growth(result)
    if not charts:
        return [], 0
    title = "Growth with the number of processes"
    parts = [drawing.text(_MARGIN, top + 14, title, font_weight="bold")]
    parts += _legend([key for key in _LINE if key in next(iter(charts.values()))], top + 14)
    for index, figure in enumerate(GROWTH):
        if figure.key in charts:
            x = _MARGIN + index * (_LINES_WIDTH + _MARGIN) + _AXIS // 2
            title = f"{figure.title}, {figure.unit}"
            parts += _chart(title, charts[figure.key], x, top + 34)
    return parts, 34 + _LINES_HEIGHT + _HEAD


def _legend(keys: list[str], y: int) -> list[str]:
    parts = []
    x = 330
    for key in keys:
        parts += [
            drawing.line(x, y - 4, x + 22, _LINE[key], 3),
            drawing.text(x + 28, y, contestants.LABELS[key]),
        ]
        x += 140
    return parts


class _Scale:
    """Numbers to pixels, logarithmic; ``ticks`` are powers of ten, or 1, 2 and 5 of them."""

    def __init__(self, values: list[float], start: float, length: float) -> None:
        low, high = max(min(values), 1e-9), max(*values, 1e-9)
        tens = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        steps = [m * 10.0**ten for ten in tens for m in (1, 2, 5)]
        self._low = max([step for step in steps if step <= low], default=low)
        self._high = min([step for step in steps if step >= high], default=high)
        if self._low == self._high:
            self._high = self._low * 2
        self._start, self._length = start, length
        inside = [step for step in steps if self._low <= step <= self._high]
        round_ones = [step for step in inside if math.log10(step).is_integer()]
        self.ticks = inside if len(inside) <= 5 or len(round_ones) < 2 else round_ones

    def __call__(self, value: float) -> float:
        """Return where ``value`` lies."""
        share = math.log(max(value, self._low) / self._low) / math.log(self._high / self._low)
        return self._start + share * self._length


def _chart(title: str, lines: Mapping[str, Mapping[int, float]], x: int, y: int) -> list[str]:
    """Return one chart: a line for each contestant, both axes logarithmic."""
    left, right = x + _AXIS - 22, x + _LINES_WIDTH - 14
    bottom, top = y + _LINES_HEIGHT - 20, y + 18
    across = _Scale([n for line in lines.values() for n in line], left, right - left)
    up = _Scale([v for line in lines.values() for v in line.values()], bottom, top - bottom)
    parts = [drawing.text(x - 18, y + 8, title, font_size=11)]
    for tick in up.ticks:
        parts += [
            drawing.line(left, up(tick), right, drawing.FAINT),
            drawing.text(left - 5, up(tick) + 4, f"{tick:,g}", font_size=10, text_anchor="end"),
        ]
    parts += [
        drawing.text(across(tick), bottom + 15, f"{tick:,g}", font_size=10, text_anchor="middle")
        for tick in across.ticks
    ]
    for key, line in lines.items():
        points = [(across(n), up(value)) for n, value in sorted(line.items())]
        width = 2.5 if key in contestants.PYINIT else 1.8
        parts.append(drawing.polyline(points, _LINE[key], width))
    return parts
