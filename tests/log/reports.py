"""Exit reports for the tests: a run with one, and its sentences without their times."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from tests import harness
from tests.harness import Container, run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    Report = dict[str, Any]

PYINIT = harness.PYINIT[0]

# As pyinit says it: 0.8 s, 12 ms, 3 min 2 s.
_DURATION = re.compile(r"\d+ min \d+ s|\d+(\.\d+)? m?s\b")


def read(path: Path) -> Report:
    """Return the report in file ``path``: a line of JSON, and nothing else."""
    text = path.read_text(encoding="utf-8")
    assert text.endswith("}\n"), text
    assert text.count("\n") == 1, text
    found: Report = json.loads(text)
    return found


def option(path: Path) -> list[str]:
    """Return what asks for a report in file ``path``."""
    return ["--report", str(path)]


def reported(
    directory: Path, command: Sequence[str | bytes], *options: str, **how: Any
) -> tuple[int, Report]:
    """Run ``command`` to its end; return pyinit's exit code and its report."""
    path = directory / "report"
    code, _, errors = run(command, options=[*option(path), *options], **how)
    assert "internal_error" not in errors
    return code, read(path)


def finish(container: Container, path: Path) -> Report:
    """Wait for the end of ``container``, and return its report."""
    code = container.wait()
    report = read(path)
    assert report["exit_code"] == code
    return report


def timeless(sentence: str) -> str:
    """Return ``sentence`` with T for each time."""
    return _DURATION.sub("T", sentence)


def cause(report: Report) -> str:
    """Return what ended the command, with T for each time."""
    return timeless(report["cause"])
