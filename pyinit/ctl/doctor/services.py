"""Services that do not run, or that had to be started again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinit.ctl.doctor.case import HINT, PROBLEM, Finding, NotChecked
from pyinit.ctl.status import services

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyinit.ctl.doctor.case import Case
    from pyinit.ctl.kinds import FoundInit

_BROKEN = ("backoff", "failed")


def failing(case: Case) -> Iterator[Finding | NotChecked]:
    """Whether the services of a pyinit are up, as its status file tells."""
    for init in case.inits:
        if init.settings is None or not init.settings.services:
            continue
        found = services.read(init)
        if found.facts is None or found.facts.get("services") is None:
            reason = found.problem or "it keeps no --status-file, which lists its services"
            yield NotChecked("services-failing", f"{init.process.says()}: {reason}")
        else:
            yield from _failing(init, found.facts["services"])


def _failing(init: FoundInit, found: list[dict[str, object]]) -> Iterator[Finding]:
    broken = [each for each in found if each["state"] in _BROKEN]
    restarted = [each for each in found if each["restarts"] and each not in broken]
    for severity, those in ((PROBLEM, broken), (HINT, restarted)):
        if those:
            what = ", ".join(map(services.words, those))
            yield Finding(
                "services-failing",
                severity,
                f"services of {init.process.says()}: {what}",
                "they do not run now, and the container goes on without them"
                if those is broken
                else "each restart follows a failure or an end, which the log explains",
                "`pyinitctl service logs NAME`, or the log: service_restarts, service_failed",
                (init.process,),
            )
