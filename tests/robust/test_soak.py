"""`python -m fuzz soak`: what grows is found, and the picture shows it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from fuzz import soak, soak_plot
from tests import harness

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def samples(**lines: Callable[[int], float]) -> list[soak.Sample]:
    """Return a minute of samples, of which those fields are a function of the second."""
    flat = soak.Sample(0.0, 9000, 3, 4, 2, 0.05, 8.0)._asdict()
    return [
        soak.Sample(**{**flat, "at_s": second, **{name: of(second) for name, of in lines.items()}})
        for second in range(60)
    ]


def test_what_stays_the_same_is_flat() -> None:
    """A spike is no growth, and neither is what has settled by the second third."""
    assert soak.judge(samples()) == []
    assert soak.judge(samples(rss_kib=lambda s: 9000 + 5000 * (s > 15))) == []
    assert soak.judge(samples(relay_ms=lambda s: 900.0 * (s == 50))) == []


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("rss_kib", lambda s: 9000 + 30 * s),
        ("descriptors", lambda s: 3 + s // 20),
        ("processes", lambda s: 4 + s),
        ("zombies", lambda s: 2 + 3 * s),
        ("relay_ms", lambda s: 0.05 + s / 2),
    ],
)
def test_what_grows_is_found(name: str, line: Callable[[int], float]) -> None:
    """Slowly, but all the time."""
    (found,) = soak.judge(samples(**{name: line}))
    assert found.startswith(f"{name} is not flat: ")


def test_a_run_too_short_to_judge_says_so() -> None:
    """It does not pass."""
    assert soak.judge(samples()[:8]) == ["too short to judge: 8 samples"]


def test_the_picture_has_a_line_for_each_figure() -> None:
    """Well-formed, and all within its frame."""
    root = ET.fromstring(soak_plot.picture(samples(zombies=lambda s: s * 7), "1 min & more"))
    lines = root.findall("{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == 6
    for each in lines:
        for point in each.attrib["points"].split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= float(root.attrib["width"])
            assert 0 <= y <= float(root.attrib["height"])


@pytest.mark.long
@pytest.mark.usefixtures("namespaces")
def test_a_soak_of_a_quarter_of_a_minute_is_flat(tmp_path: Path) -> None:
    """Orphans, relays, stops, ptrace stops, freezes and a log that is read in turns."""
    argv = [sys.executable, "-m", "fuzz", "soak", "--minutes", "0.25", "--output", str(tmp_path)]
    done = subprocess.run(
        argv, check=False, cwd=harness.ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(json.loads((tmp_path / "soak.json").read_text())) >= 9
