"""What has happened in this run: events become facts, and facts what a report has.

Loaded when somebody wants to know: with ``--report``, ``--status-file`` and so on, or from
``-v`` on.
"""

from __future__ import annotations

import posix
import time

from pyinit import __version__, lifecycle, signals
from pyinit.kernel import proc
from pyinit.log.text import utc
from pyinit.report import cause, registry
from pyinit.report.facts import Facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyinit.events import Log, When
    from pyinit.report.outlets import Outlets
    from pyinit.report.services import Told
    from pyinit.report.start import Start
    from pyinit.report.writing import Writing
    from pyinit.settings import Settings

SCHEMA = 1

# So much of the command is kept, in characters: a report has to fit into a pipe (pipe(7)).
_LONGEST_COMMAND = 4096


class Record:
    """The facts of one run, as ``settings``; `take` is given every event.

    Times are those of time.monotonic(), and become seconds since the start of the ``log``.
    """

    def __init__(self, settings: Settings, log: Log, start: Start, outlets: Outlets | None) -> None:
        self._log = log
        self._start = start
        clock, self._started = log.started
        self._writing: Writing | None = None
        if outlets is not None or settings.termination_log:
            from pyinit.report import writing

            self._writing = writing.Writing(outlets, log, termination_log=settings.termination_log)
        self._dirty = False
        self._kept_state = lifecycle.RUNNING  # what the files that are kept say
        self._services: Told | None = None
        if settings.services_fd >= 0:
            from pyinit.report import services

            self._services = services.Told(settings.services_fd, self._started)
        self._facts = Facts(_name(settings.end_signal))
        # In the order in which a report has them.
        self._run: dict[str, Any] = {
            "schema": SCHEMA,
            "pyinit": __version__,
            "pid": posix.getpid(),
            "role": None,
            "command": _cut(settings.command),
            "parent": {
                "pid": start.parent or None,
                "ended": None,
                "death_signal": _name(settings.parent_death_signal),
            },
            "started": utc(clock),
            "start_ticks": _start_ticks(),
            "written": None,
            "state": lifecycle.RUNNING,
            "uptime_s": 0.0,
            "child": None,
            "exit_code": None,
            "cause": None,
        }

    def take(self, event: str, fields: dict[str, object], when: When) -> None:
        """Take note of an event.  Raises KeyError for one that there is not."""
        self._count_orphans()  # those of before
        note = registry.EVENTS[event].note
        if note is not None:
            self._dirty = True
            note(self._facts, self._since_start(when[1]), **fields)

    def flush(self) -> None:
        """Write the files that are kept up to date, if anything has changed; wait for nobody.

        The last state is left to `finish`, which knows the exit code too.
        """
        if self._services is not None and self._services.look():
            self._dirty = True
        if self._writing is None or not self._writing.is_kept:
            return
        self._count_orphans()
        policy = self._log.lifecycle
        state = self._kept_state if policy is None else policy.state
        if (self._dirty or state != self._kept_state) and state != lifecycle.DONE:
            self._dirty, self._kept_state = False, state  # a deadline changes it without an event
            self._writing.keep(self.snapshot())
        else:
            self._writing.go_on()

    def finish(self, exit_code: int) -> dict[str, object]:
        """Write all files for the last time; return what the log is to say of the end."""
        self._run["exit_code"] = exit_code
        facts = self.snapshot()
        facts["cause"] = cause.cause(facts)
        return self._finish(facts)

    def not_started(self, code: int, reason: str) -> None:
        """Write that the command could not be started."""
        self._run["exit_code"] = code
        facts = self.snapshot()
        facts["cause"] = f"could not be started: {reason}"
        self._finish(facts)

    def _finish(self, facts: dict[str, Any]) -> dict[str, object]:
        facts["state"] = lifecycle.DONE
        summary = cause.summary(facts)
        if self._writing is not None:
            self._writing.finish(facts, summary)
        return {"uptime_s": facts["uptime_s"], "cause": facts["cause"], "summary": summary}

    def snapshot(self) -> dict[str, Any]:
        """Return the facts as they stand now."""
        self._count_orphans()
        facts = self._run | self._facts.known()
        told = self._services
        if told is not None:
            told.look()
            facts |= {"services": told.services, "services_stop": told.stop}
            facts["services_stop_timeout_s"] = told.stop_timeout_s
        facts["written"] = utc(time.time())
        facts["uptime_s"] = self._since_start(time.monotonic())
        if self._log.lifecycle is not None:
            facts["state"] = self._log.lifecycle.state
        parent = facts["parent"]
        ended = posix.getppid() != parent["pid"] if parent["pid"] else None
        facts["parent"] = parent | {"ended": ended}
        peak_bytes = self._log.peak_bytes
        peak = peak_bytes() if peak_bytes is not None else None
        facts["usage"] = self._start.used() | {"peak_cgroup_bytes": peak}
        return facts

    def _count_orphans(self) -> None:
        """Note those who have ended, of whom no line is written."""
        counted = self._log.counted
        if counted:
            self._dirty = True
            for status, count in counted.items():
                self._facts.count_orphans(status, count)
            counted.clear()

    def _since_start(self, moment: float) -> float:
        return round(moment - self._started, 6)


def _start_ticks() -> int | None:
    """Return when this process began, in clock ticks since boot, where /proc tells: field 22.

    It tells whoever reads the status file whether it is of this run, whatever
    was done to the clock.
    """
    with proc.Real() as directory:
        if directory is None:
            return None
        try:
            return int(proc.stat_fields(proc.read("self/stat", directory))[1][19])
        except OSError:
            return None


def _name(number: int | None) -> str | None:
    return signals.name(number) if number else None


def _cut(command: list[str]) -> list[str]:
    """Return the first `_LONGEST_COMMAND` characters of ``command``."""
    found: list[str] = []
    room = _LONGEST_COMMAND
    for word in command:
        if len(word) >= room:
            return [*found, word[:room] + "..."]
        found.append(word)
        room -= len(word) + 1
    return found
