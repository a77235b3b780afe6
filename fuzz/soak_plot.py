"""A soak as a picture (SVG): memory, descriptors, zombies and relay latency over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import drawing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fuzz.soak import Sample

# In pixels.
_WIDTH, _MARGIN = 1000, 28
_CHART_WIDTH, _CHART_HEIGHT = 420, 150
_AXIS, _HEAD, _FOOT = 48, 24, 34

_SMALL = {"font_size": 10}
_COLOR, _LIGHT = "#1d4ed8", "#93b4f5"
# Fields of a sample: the line, and behind it the one above it.
_CHARTS = (
    ("resident memory of the init, KiB", "rss_kib", ""),
    ("open descriptors of the init", "descriptors", ""),
    (
        "children of the init: zombies that stay, and those that live (light)",
        "zombies",
        "processes",
    ),
    ("relay, ms: median and longest of a second", "relay_ms", "relay_ms_most"),
)


def picture(samples: Sequence[Sample], title: str) -> str:
    """Return the picture; all axes begin at 0."""
    parts = [drawing.text(_MARGIN, _MARGIN, title, font_weight="bold")]
    for index, (name, field, behind) in enumerate(_CHARTS):
        x = _MARGIN + _AXIS + index % 2 * (_CHART_WIDTH + _AXIS + 8)
        y = 2 * _MARGIN + index // 2 * (_CHART_HEIGHT + _HEAD + _FOOT)
        parts += _chart(samples, name, field, behind, x, y)
    height = 2 * _MARGIN + 2 * (_CHART_HEIGHT + _HEAD + _FOOT)
    return drawing.document(parts, _WIDTH, height)


def _chart(  # noqa: PLR0917 - what is drawn, and where
    samples: Sequence[Sample], name: str, field: str, behind: str, x: int, y: int
) -> list[str]:
    bottom = y + _HEAD + _CHART_HEIGHT
    fields = [each for each in (behind, field) if each]
    most = _round_up(max(getattr(each, of) for each in samples for of in fields))
    last_s = samples[-1].at_s or 1.0

    def points(of: str) -> list[tuple[float, float]]:
        return [
            (
                x + _CHART_WIDTH * each.at_s / last_s,
                bottom - _CHART_HEIGHT * getattr(each, of) / most,
            )
            for each in samples
        ]

    parts = [drawing.text(x, y + 12, name)]
    for step in range(5):
        level = bottom - _CHART_HEIGHT * step / 4
        parts += [
            drawing.line(x, level, x + _CHART_WIDTH, drawing.FAINT),
            drawing.text(x - 6, level + 4, f"{most * step / 4:,g}", **_SMALL, text_anchor="end"),
        ]
    for step in range(6):
        at = x + _CHART_WIDTH * step / 5
        words = f"{last_s * step / 5:.0f} s"
        parts.append(drawing.text(at, bottom + 15, words, **_SMALL, text_anchor="middle"))
    if behind:
        parts.append(drawing.polyline(points(behind), _LIGHT, 1))
    parts.append(drawing.polyline(points(field), _COLOR, 1.5))
    return parts


def _round_up(value: float) -> float:
    """Return the next of 1, 2, 4, 6, 8 times a power of ten."""
    power = 1.0
    while value > power * 10:
        power *= 10
    while value < power:
        power /= 10
        if power < 1e-6:
            return 1.0
    return next(power * step for step in (1, 2, 4, 6, 8, 10) if value <= power * step)
