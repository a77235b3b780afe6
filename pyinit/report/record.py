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
from pyinit.log.lines import utc
from pyinit.report import cause, files

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyinit.report.outlets import Outlet
    from pyinit.settings import Settings

SCHEMA = 1
TERMINATION_LOG = "/dev/termination-log"

# So many different senders are told apart; what comes from others is counted together.
MOST_SENDERS = 100

# So much of the command is kept, in characters: a report has to fit into a pipe (pipe(7)).
_LONGEST_COMMAND = 4096

# What Kubernetes reads of it, in bytes.
_LONGEST_MESSAGE = 4096


class Record:
    """The facts of one run, as ``asked``; `take` is given every event.

    Times are those of time.monotonic(), and become seconds since the start.
    """

    def __init__(self, asked: Settings, log: events.Log) -> None:
        self.lifecycle: lifecycle.Lifecycle | None = None
        self.peak_bytes: Callable[[], int | None] | None = None  # of the memory cgroup
        self._asked = asked
        self._log = log
        outlets = asked.outlets
        self._report = outlets.report if outlets is not None else None
        self._status_file = outlets.status_file if outlets is not None else None
        self._metrics_file = outlets.metrics_file if outlets is not None else None
        self._started = time.monotonic()
        self._cpu_before = _usage()  # of those who were reaped before, in a program that has run()
        self._dirty = False
        self._broken: set[str] = set()  # those that could not be written last time
        self._signals: dict[tuple[object, ...], dict[str, Any]] = {}
        self._relayed: dict[str, str] = {}  # what was made of each signal
        # Our own memory stands in the child's peak from before its exec(2).
        self._own_peak = max(map(_peak_bytes, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))
        self._facts: dict[str, Any] = {
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
            "stop": None,
            "teardown": None,
            "signals": [],
            "signals_dropped": 0,
            "orphans": {"reaped": 0, "killed": 0, "failed": 0},
            "oom_kills": 0,
            "usage": None,
        }

    def take(self, event: str, fields: dict[str, object]) -> None:
        """Take note of an event.  Raises KeyError for one that there is not."""
        note = NOTES[event]
        if note is not None:
            self._dirty = True
            note(self, **fields)

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
        self._facts["exit_code"] = exit_code
        facts = self.snapshot()
        facts["cause"] = cause.cause(facts)
        summary = cause.summary(facts)
        self._write_last(facts, summary)
        return {"uptime_s": facts["uptime_s"], "cause": facts["cause"], "summary": summary}

    def not_started(self, code: int, reason: str) -> None:
        """Write that the command could not be started."""
        self._facts["exit_code"] = code
        facts = self.snapshot()
        facts["cause"] = f"could not be started: {reason}"
        self._write_last(facts, cause.summary(facts))

    def snapshot(self) -> dict[str, Any]:
        """Return the facts as they stand now."""
        facts = dict(self._facts)
        facts["written"] = utc(time.time())
        facts["uptime_s"] = self._since_start(time.monotonic())
        if self.lifecycle is not None:
            facts["state"] = self.lifecycle.state
        facts["signals"] = [
            each | {"relayed_as": self._relayed.get(each["signal"])}
            for each in self._signals.values()
        ]
        parent = facts["parent"]
        ended = posix.getppid() != parent["pid"] if parent["pid"] else None
        facts["parent"] = parent | {"ended": ended}
        facts["usage"] = self._used()
        return facts

    def _used(self) -> dict[str, Any]:
        used = _usage(self._cpu_before)
        peak = _peak_bytes(resource.RUSAGE_CHILDREN)
        used["peak_process_bytes"] = peak if peak > self._own_peak else None
        used["peak_cgroup_bytes"] = self.peak_bytes() if self.peak_bytes is not None else None
        return used

    def _since_start(self, moment: float) -> float:
        return round(moment - self._started, 6)

    def _write_kept(self, facts: dict[str, Any], clock: Clock | None = None) -> None:
        if self._status_file is not None:
            self._write(self._status_file, files.as_json(facts), clock)
        if self._metrics_file is not None:
            from pyinit.report import metrics

            self._write(self._metrics_file, metrics.render(facts), clock)

    def _write_last(self, facts: dict[str, Any], summary: str) -> None:
        """Write all files.  Nobody is left to be relayed to: readers are given some time."""
        facts["state"] = lifecycle.DONE
        clock = Clock()
        self._write_kept(facts, clock)
        if self._report is not None:
            self._write(self._report, files.as_json(facts), clock)
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

    # -- What is made of the events; their fields stand in docs/events.md.

    def _note_init_started(self, *, role: str, **_: object) -> None:
        self._facts["role"] = role

    def _note_child_started(self, *, pid: int, **_: object) -> None:
        self._facts["child"] = {
            "pid": pid,
            "state": "running",
            "exit_code": None,
            "signal": None,
            "core_dumped": False,
            "at_s": None,
        }

    def _note_child_stopped(self, **_: object) -> None:
        self._facts["child"]["state"] = "stopped"

    def _note_child_continued(self, **_: object) -> None:
        self._facts["child"]["state"] = "running"

    def _note_child_exited(
        self,
        *,
        exit_code: int,
        signal: str | None = None,
        core_dumped: bool = False,
        **_: object,
    ) -> None:
        now = self._since_start(time.monotonic())
        self._facts["child"] |= {
            "state": "ended",
            "exit_code": exit_code,
            "signal": signal,
            "core_dumped": core_dumped,
            "at_s": now,
        }
        if self._facts["stop"] is not None:
            self._facts["stop"]["took_s"] = round(now - self._facts["stop"]["at_s"], 6)

    def _note_child_status_lost(self, **_: object) -> None:
        self._facts["child"]["status_lost"] = True

    def _note_signal_received(self, *, signal: str, stop: bool, **sender: Any) -> None:
        now = self._since_start(time.monotonic())
        self._count(signal, sender, now)
        began = self._facts["stop"]
        if began is not None:
            began["count"] += stop
        elif stop or signal == _name(self._asked.end_signal):
            self._facts["stop"] = {
                "signal": signal,
                **sender,
                "at_s": now,
                "count": 1,
                "drain_s": 0.0,
                "relayed_as": None,
                "relayed_after_s": None,
                "took_s": None,
                "escalated": [],
            }
            if not stop:
                self._note_stop_escalated(signal="SIGKILL", after_s=0.0)

    def _count(self, signal: str, sender: dict[str, Any], now: float) -> None:
        key = (signal, sender["origin"], sender["sender_name"], sender["sender_uid"])
        if key not in self._signals and len(self._signals) >= MOST_SENDERS:
            key = (signal, sender["origin"], None, None)
            sender = sender | {"sender_name": None, "sender_uid": None, "sender_pid": None}
        # The last one last, whose PID it is then.
        count = self._signals.pop(key, {"count": 0})["count"]
        self._signals[key] = {"signal": signal, "count": count + 1, **sender, "last_s": now}

    def _note_signal_relayed(
        self, *, signal: str, received: str | None = None, **_: object
    ) -> None:
        received = received or signal
        self._relayed[received] = signal
        stop = self._facts["stop"]
        if stop is not None and stop["relayed_as"] is None and received == stop["signal"]:
            now = self._since_start(time.monotonic())
            stop |= {"relayed_as": signal, "relayed_after_s": round(now - stop["at_s"], 6)}

    def _note_signal_dropped(self, **_: object) -> None:
        self._facts["signals_dropped"] += 1

    def _note_drain_started(self, *, drain_s: float) -> None:
        if self._facts["stop"] is not None:
            self._facts["stop"]["drain_s"] = drain_s

    def _note_stop_escalated(self, *, signal: str, after_s: float) -> None:
        if self._facts["stop"] is not None:
            self._facts["stop"]["escalated"].append({"signal": signal, "after_s": after_s})

    def _note_orphan_reaped(
        self, *, signal: str | None = None, exit_code: int = 0, **_: object
    ) -> None:
        orphans = self._facts["orphans"]
        orphans["reaped"] += 1
        orphans["killed"] += signal is not None
        orphans["failed"] += exit_code != 0
        if self._facts["teardown"] is not None:
            self._facts["teardown"]["reaped"] += 1

    def _note_teardown_started(self, *, leftovers: list[str], count: int, grace_s: float) -> None:
        self._facts["teardown"] = {
            "leftovers": leftovers,
            "count": count,
            "grace_s": grace_s,
            "killed": [],
            "kills": 0,
            "reaped": 0,
            "blocked": [],
            "took_s": None,
        }

    def _note_leftover_killed(self, *, pid: int, name: str | None) -> None:
        self._facts["teardown"]["killed"].append(f"{name or '?'}[{pid}]")

    def _note_leftovers_blocked(self, *, leftovers: list[str], **_: object) -> None:
        self._facts["teardown"]["blocked"] = leftovers

    def _note_teardown_finished(self, *, took_s: float, killed: int, **_: object) -> None:
        self._facts["teardown"] |= {"took_s": took_s, "kills": killed}

    def _note_oom_kill(self, *, kills: int, **fields: Any) -> None:
        self._facts["oom_kills"] += kills
        child = self._facts["child"]
        if child is not None and fields.get("pid") == child["pid"]:
            child["oom_killed"] = True


# All events, and what a record makes of each: nothing, for most of those that only a log tells.
NOTES: dict[str, Callable[..., None] | None] = {
    "init_started": Record._note_init_started,
    "child_started": Record._note_child_started,
    "child_stopped": Record._note_child_stopped,
    "child_continued": Record._note_child_continued,
    "child_exited": Record._note_child_exited,
    "child_status_lost": Record._note_child_status_lost,
    "child_not_killed": None,
    "exiting": None,
    "pausing": None,
    "signal_received": Record._note_signal_received,
    "signal_relayed": Record._note_signal_relayed,
    "signal_ignored": None,
    "signal_dropped": Record._note_signal_dropped,
    "tracee_released": None,
    "orphan_reaped": Record._note_orphan_reaped,
    "orphans_not_told": None,
    "drain_started": Record._note_drain_started,
    "pre_stop_failed": None,
    "pre_stop_cut_short": None,
    "stop_escalated": Record._note_stop_escalated,
    "teardown_started": Record._note_teardown_started,
    "leftover_killed": Record._note_leftover_killed,
    "leftovers_asked": None,
    "leftovers_blocked": Record._note_leftovers_blocked,
    "teardown_finished": Record._note_teardown_finished,
    "oom_kill": Record._note_oom_kill,
    "oom_not_watched": None,
    "not_a_subreaper": None,
    "restarted": None,
    "not_restarted": None,
    "other_threads": None,
    "cannot_relay": None,
    "not_notified": None,
    "not_written": None,
    "internal_error": None,
}


def _start_ticks() -> int | None:
    """Return when this process began, in clock ticks since boot, where /proc tells: field 22.

    It tells whoever reads the status file whether it is of this run, whatever
    was done to the clock.
    """
    with proc.Real() as directory:
        if directory is None:
            return None
        try:
            line = proc.read("self/stat", directory)
        except OSError:
            return None
    return int(line.rpartition(b")")[2].split()[19])


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
