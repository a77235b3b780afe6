"""Carry the procedures out: warm-up, rounds in turn, and what becomes of failures."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.container import MeasureError

if TYPE_CHECKING:
    from bench.contestants import Contestant
    from bench.procedures import Procedure, Scale


@dataclass(frozen=True)
class Failure:
    """A contestant that did not do what was to be measured; ``reason`` may name files."""

    figure: str
    contestant: str
    reason: str


@dataclass
class Samples:
    """What was measured: by figure and contestant, one number a round; and what failed."""

    values: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)


def carry_out(plan: list[Procedure], found: list[Contestant], scale: Scale) -> Samples:
    """Take all figures of ``plan`` from those of its contestants that were ``found``."""
    samples = Samples()
    for procedure in plan:
        title = ", ".join(figure.title for figure in procedure.figures)
        count = max(1, round(scale.rounds * procedure.share))
        print(f"{title}: {count} rounds ...", file=sys.stderr)
        begun = time.monotonic()
        field = [each for each in found if each.key in procedure.who]
        warm_up = min(procedure.warm_up, count) if scale.warms_up else 0
        for number in range(-warm_up, count):
            # Each round begins with another: nobody always follows the same one.
            start = number % len(field) if field else 0
            taken = _round(procedure, field[start:] + field[:start], scale, samples.failures)
            field = [each for each in field if each.key in taken]
            if number >= 0:
                _keep(samples, procedure, taken)
        print(f"  {time.monotonic() - begun:.0f} s", file=sys.stderr)
    return samples


def _round(
    procedure: Procedure, field: list[Contestant], scale: Scale, failures: list[Failure]
) -> dict[str, list[float]]:
    """Measure everybody in ``field`` once; those who fail are not in the answer."""
    taken: dict[str, list[float]] = {}
    errors = (MeasureError, OSError, ValueError, subprocess.SubprocessError)
    if procedure.measure_all is not None:
        try:
            measured = procedure.measure_all(field, scale)
        except errors as error:
            failures.extend(_failure(procedure, each, error) for each in field)
            return {}
        return {key: list(values) for key, values in measured.items()}
    assert procedure.measure is not None
    for contestant in field:
        try:
            taken[contestant.key] = list(procedure.measure(contestant, scale))
        except errors as error:
            failures.append(_failure(procedure, contestant, error))
    return taken


def _failure(procedure: Procedure, contestant: Contestant, error: Exception) -> Failure:
    print(f"  {contestant.label}: {error}", file=sys.stderr)
    return Failure(procedure.figures[0].title, contestant.key, str(error))


def _keep(samples: Samples, procedure: Procedure, taken: dict[str, list[float]]) -> None:
    for key, numbers in taken.items():
        for figure, number in zip(procedure.figures, numbers, strict=True):
            samples.values.setdefault(figure.key, {}).setdefault(key, []).append(number)
