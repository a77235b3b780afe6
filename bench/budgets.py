"""What pyinit promises to cost at most, as ratios within one run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench import contestants

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Budget:
    """``contestant``'s ``figure`` is at most ``bound`` times the reference's.

    Without a ``reference``, ``bound`` is the figure itself.
    """

    text: str
    figure: str
    contestant: str
    bound: float
    reference: str | None


BUDGETS = (
    Budget(
        "launcher, start to end of true",
        "start",
        contestants.LAUNCHER,
        1.05,
        contestants.BARE,
    ),
    Budget(
        "installed command, start to end of true",
        "start",
        contestants.INSTALLED,
        1.6,
        contestants.BARE,
    ),
    Budget(
        "launcher, not PID 1, start to end of true",
        "start",
        contestants.LAUNCHER_OUTSIDE,
        1.3,
        contestants.BARE_OUTSIDE,
    ),
    Budget(
        "single file, start to end of true",
        "start",
        contestants.PYZ,
        1.3,
        contestants.LAUNCHER,
    ),
    Budget(
        "spawn(), start to end of true",
        "namespaces",
        contestants.SPAWN,
        1.5,
        contestants.UNSHARE,
    ),
    Budget("resident memory, quiet", "resident", contestants.LAUNCHER, 1.05, contestants.BARE),
    Budget("context switches while idle", "switches", contestants.LAUNCHER, 0, None),
    Budget("relay round trip", "relay", contestants.LAUNCHER, 1.15, contestants.TINI),
    Budget("CPU an orphan, at once", "reap-at-once", contestants.LAUNCHER, 1.15, contestants.TINI),
    Budget("-v, start to end of true", "start", contestants.LAUNCHER_V, 1.35, contestants.LAUNCHER),
    Budget("-v, resident memory", "resident", contestants.LAUNCHER_V, 1.15, contestants.LAUNCHER),
    Budget("-v, relay round trip", "relay", contestants.LAUNCHER_V, 3, contestants.TINI),
    Budget(
        "-v, CPU an orphan, at once", "reap-at-once", contestants.LAUNCHER_V, 2, contestants.TINI
    ),
    Budget(
        "fork_init(), start to first line", "program", contestants.FORK_INIT, 1.0, contestants.TINI
    ),
    Budget(
        "fork_init(), PSS of both processes",
        "program-pss",
        contestants.FORK_INIT,
        1.15,
        contestants.TINI,
    ),
    Budget(
        "command's end to namespace gone",
        "teardown",
        contestants.LAUNCHER,
        1.2,
        contestants.TINI,
    ),
)


@dataclass(frozen=True)
class Verdict:
    """``figure`` is a ratio where the budget has a reference; None where it was not measured."""

    budget: Budget
    figure: float | None

    @property
    def holds(self) -> bool:
        """Whether the budget was measured and kept."""
        return self.figure is not None and self.figure <= self.budget.bound


def judge(figures: Mapping[str, Any]) -> list[Verdict]:
    """Return a verdict on each budget, from the ``figures`` of a result."""
    return [Verdict(budget, _figure(budget, figures)) for budget in BUDGETS]


def _figure(budget: Budget, figures: Mapping[str, Any]) -> float | None:
    rows = figures.get(budget.figure, {}).get("rows", {})
    try:
        own = float(rows[budget.contestant]["median"])
        return own if budget.reference is None else own / float(rows[budget.reference]["median"])
    except (KeyError, ZeroDivisionError):
        return None
