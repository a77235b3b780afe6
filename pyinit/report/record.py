"""What has happened in this run: events become facts, and facts the report and other files.

Loaded when somebody wants to know: with ``--report``, ``--status-file`` and so on, or from
``-v`` on.  Whatever goes wrong here is logged, and ends nothing.
"""

from __future__ import annotations

import posix
import resource
import time
from typing import TYPE_CHECKING, Any

from pyinit import __version__, events, lifecycle, signals
from pyinit.kernel import proc
from pyinit.kernel.clock import Clock
from pyinit.log.text import as_json, utc
from pyinit.report import cause, files, registry
from pyinit.report.facts import Facts

if TYPE_CHECKING:
    from pyinit.events import Log, When
    from pyinit.report.outlets import Outlet, Outlets
    from pyinit.settings import Settings

SCHEMA = 1
TERMINATION_LOG = "/dev/termination-log"

# So much of the command is kept, in characters: a report has to fit into a pipe (pipe(7)).
_LONGEST_COMMAND = 4096

# What Kubernetes reads of it, in bytes.
_LONGEST_MESSAGE = 4096


class Record:
    """The facts of one run, as ``asked``; `take` is given every event.

    Times are those of time.monotonic(), and become seconds since the start.
    """

    def __init__(self, asked: Settings, log: Log, outlets: Outlets | None) -> None:
        self._asked = asked
        self._log = log
        self._report = outlets.report if outlets is not None else None
        self._status_file = outlets.status_file if outlets is not None else None
        self._metrics_file = outlets.metrics_file if outlets is not None else None
        self._started = time.monotonic()
        self._cpu_before = _usage()  # of those who were reaped before, in a program that has run()
        self._dirty = False
        self._broken: set[str] = set()  # those that could not be written last time
        self._facts = Facts(_name(asked.end_signal))
        # Our own memory stands in the child's peak from before its exec(2).
        self._own_peak = max(map(_peak_bytes, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))
        # In the order in which a report has them.
        self._run: dict[str, Any] = {
            "schema": SCHEMA,
            "pyinit": __version__,
            "pid": posix.getpid(),
            "role": None,
            "command": _cut(asked.command),
            "parent": {
                "pid": posix.getppid() or None,
                "ended": None,
                "death_signal": _name(asked.parent_death_signal),
            },
            "started": utc(time.time()),
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
        note = registry.EVENTS[event].note
        if note is not None:
            self._dirty = True
            note(self._facts, self._since_start(when[1]), **fields)

    def flush(self) -> None:
        """Write the files that are kept up to date, if anything has changed; wait for nobody."""
        if self._status_file is None and self._metrics_file is None:
            return
        if self._dirty:
            self._dirty = False
            self._write_kept(self.snapshot())
            return
        for outlet in (self._status_file, self._metrics_file):
            if outlet is not None and outlet.has_more:
                try:
                    outlet.go_on()
                except OSError as error:
                    self._failed(outlet, error)

    def finish(self, exit_code: int) -> dict[str, object]:
        """Write all files for the last time; return what the log is to say of the end."""
        self._run["exit_code"] = exit_code
        facts = self.snapshot()
        facts["cause"] = cause.cause(facts)
        summary = cause.summary(facts)
        self._write_last(facts, summary)
        return {"uptime_s": facts["uptime_s"], "cause": facts["cause"], "summary": summary}

    def not_started(self, code: int, reason: str) -> None:
        """Write that the command could not be started."""
        self._run["exit_code"] = code
        facts = self.snapshot()
        facts["cause"] = f"could not be started: {reason}"
        self._write_last(facts, cause.summary(facts))

    def snapshot(self) -> dict[str, Any]:
        """Return the facts as they stand now."""
        facts = self._run | self._facts.known()
        facts["written"] = utc(time.time())
        facts["uptime_s"] = self._since_start(time.monotonic())
        if self._log.lifecycle is not None:
            facts["state"] = self._log.lifecycle.state
        parent = facts["parent"]
        ended = posix.getppid() != parent["pid"] if parent["pid"] else None
        facts["parent"] = parent | {"ended": ended}
        facts["usage"] = self._used()
        return facts

    def _used(self) -> dict[str, Any]:
        used = _usage(self._cpu_before)
        peak = _peak_bytes(resource.RUSAGE_CHILDREN)
        used["peak_process_bytes"] = peak if peak > self._own_peak else None
        used["peak_cgroup_bytes"] = (
            self._log.peak_bytes() if self._log.peak_bytes is not None else None
        )
        return used

    def _since_start(self, moment: float) -> float:
        return round(moment - self._started, 6)

    def _write_kept(self, facts: dict[str, Any], clock: Clock | None = None) -> None:
        if self._status_file is not None:
            self._write(self._status_file, f"{as_json(facts)}\n", clock)
        if self._metrics_file is not None:
            from pyinit.report import metrics

            self._write(self._metrics_file, metrics.render(facts), clock)

    def _write_last(self, facts: dict[str, Any], summary: str) -> None:
        """Write all files.  Nobody is left to be relayed to: readers are given some time."""
        facts["state"] = lifecycle.DONE
        clock = Clock()
        self._write_kept(facts, clock)
        if self._report is not None:
            self._write(self._report, f"{as_json(facts)}\n", clock)
        if self._asked.termination_log:
            self._write_termination_log(f"{summary}\n", clock)

    def _write_termination_log(self, text: str, clock: Clock) -> None:
        """Write to the file that Kubernetes mounts there; elsewhere there is none to be made.

        After what the command has written there: Kubernetes reads the end.
        """
        try:
            file = files.find(TERMINATION_LOG)
            try:
                if isinstance(file, files.File):
                    file.append(text, _LONGEST_MESSAGE, clock)
            finally:
                file.close()
        except OSError as error:
            level = events.INFO if isinstance(error, FileNotFoundError) else events.WARNING
            self._not_written(level, TERMINATION_LOG, error)

    def _write(self, outlet: Outlet, text: str, clock: Clock | None) -> None:
        try:
            outlet.write(text, clock)
        except OSError as error:
            self._failed(outlet, error)
        else:
            self._broken.discard(outlet.name)

    def _failed(self, outlet: Outlet, error: OSError) -> None:
        """Warn that a file was not written: once until it is again."""
        if outlet.name not in self._broken:
            self._broken.add(outlet.name)
            self._not_written(events.WARNING, outlet.name, error)

    def _not_written(self, level: int, path: str, error: OSError) -> None:
        reason = error.strerror or str(error)
        self._log.emit(level, "not_written", path=path, reason=reason)


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


def _usage(before: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return what those have used who have been reaped, less what stood there ``before``."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    since = before or {"cpu_user_s": 0.0, "cpu_system_s": 0.0}
    return {
        "cpu_user_s": round(ended.ru_utime - since["cpu_user_s"], 6),
        "cpu_system_s": round(ended.ru_stime - since["cpu_system_s"], 6),
    }


def _peak_bytes(who: int) -> int:
    """Return the peak memory of a process, or of the largest child; see getrusage(2)."""
    return resource.getrusage(who).ru_maxrss * 1024  # KiB
