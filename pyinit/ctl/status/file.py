"""The status file that a pyinit keeps, found and read from outside; pyinit.report.record writes it.

It is a container's word, and not believed further than its form goes.
"""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from pyinit.ctl import beneath
from pyinit.kernel import proc

if TYPE_CHECKING:
    from pyinit.ctl.kinds import FoundInit

# A record has bounds, and the longest is a few thousand bytes beside the command.
_MOST_BYTES = 4 << 20

# More than any clock tells; beyond it numbers are no text for people.
_MOST_SECONDS = 1e12

# Between the start of a process and that of its record, where only clocks can be compared.
_CLOCK_TOLERANCE_S = 5.0

_NUMBER = (int, float)
_NONE = type(None)
# What is made use of, and of which types it is.
_FORM: dict[str, Any] = {
    "pyinit": str,
    "pid": int,
    "role": str,
    "command": list,
    "started": str,
    "written": str,
    "state": str,
    "uptime_s": _NUMBER,
    "child": (dict, _NONE),
    "exit_code": (int, _NONE),
    "cause": (str, _NONE),
    "stop": (dict, _NONE),
    "awaited": (dict, _NONE),
    "teardown": (dict, _NONE),
    "signals": list,
    "signals_dropped": int,
    "orphans": dict,
    "oom_kills": int,
}
_SENT: dict[str, Any] = {
    "signal": str,
    "origin": str,
    "sender_pid": (int, _NONE),
    "sender_uid": (int, _NONE),
    "sender_name": (str, _NONE),
}
_PARTS: dict[str, dict[str, Any]] = {
    "child": {"pid": int, "state": str},
    "stop": _SENT | {"at_s": _NUMBER, "took_s": (*_NUMBER, _NONE)},
    "awaited": {"leftovers": list, "count": int},
    "teardown": {"leftovers": list, "count": int, "grace_s": _NUMBER, "kills": int},
    "orphans": {"reaped": int, "killed": int, "failed": int},
}
_SIGNAL = _SENT | {"count": int}
_SERVICE: dict[str, Any] = {
    "name": str,
    "type": str,
    "state": str,
    "ready": bool,
    "pid": (int, _NONE),
    "since_s": _NUMBER,
    "starts": int,
    "restarts": int,
    "exit_code": (int, _NONE),
    "signal": (str, _NONE),
}


class Found(NamedTuple):
    """What was read: ``facts``, or None where ``problem`` says why not."""

    path: str
    facts: dict[str, Any] | None
    age_s: float | None
    problem: str


class StatusFile:
    """The status file of ``init`` at ``path``, empty for the one that it was asked to keep."""

    def __init__(self, init: FoundInit, path: str) -> None:
        self._init = init
        self._why_not = ""
        if not path and not init.is_pyinit:
            self._why_not = "it is not a pyinit, and keeps none"
        elif not path and init.settings is None:
            self._why_not = init.why_not
        elif not path and init.settings is not None:
            path = init.settings.status_file
        self.path = path
        self._place: beneath.Place | None = None
        try:
            start = proc_start(init.pid)
        except OSError:
            start = None
        self._start = start

    def close(self) -> None:
        """Let go of it."""
        if self._place is not None:
            self._place.close()
            self._place = None

    def read(self) -> Found:
        """Return what stands there now, or stood there when the init had ended."""
        if not self.path:
            return Found("", None, None, self._why_not)
        try:
            place = beneath.Place(self._init.pid, self.path)
        except OSError as error:
            if self._place is None:
                return self._wrong(error.strerror or str(error))
        else:
            self.close()
            self._place = place
        assert self._place is not None
        try:
            text = self._place.read(_MOST_BYTES)
        except OSError as error:
            return self._wrong(error.strerror or str(error))
        return self._understood(text)

    def _wrong(self, problem: str) -> Found:
        return Found(self.path, None, None, problem)

    def _understood(self, text: bytes) -> Found:
        try:
            facts = _parsed(text)
            written = _age_of(facts["written"])
            stale = self._is_of_another_run(facts)
        except (ValueError, RecursionError):
            return self._wrong("it is not a status file of pyinit")
        if stale:
            return self._wrong(f"it is stale: an earlier run, which began {facts['started']}")
        return Found(self.path, facts, written, "")

    def _is_of_another_run(self, facts: dict[str, Any]) -> bool:
        if facts["pid"] != self._init.inner_pid:
            return True
        if self._start is None:
            return False  # it has ended before we could look
        ticks, age_s = self._start
        told = facts.get("start_ticks")
        if isinstance(told, int):
            return abs(told - ticks) > 1
        return _age_of(facts["started"]) > age_s + _CLOCK_TOLERANCE_S


def proc_start(pid: int) -> tuple[int, float]:
    """Return when a process began, in clock ticks since boot, as it sees itself; and its age in s.

    Where it is in another time namespace its own boot was at another time.  Raises OSError.
    """
    from pyinit.ctl.status import sample

    with proc.Ours() as directory:
        if directory is None:
            raise FileNotFoundError
        start = proc.ProcessStat(pid, directory).start
    offset_s = _boot_offset_s(pid) - _boot_offset_s("self")
    return start + round(offset_s * os.sysconf("SC_CLK_TCK")), sample.age_of(start)


def _boot_offset_s(pid: int | str) -> float:
    """Return what the time namespace of a process adds to the time since boot."""
    try:
        with open(f"/proc/{pid}/timens_offsets", encoding="ascii") as file:
            for line in file:
                clock, seconds, nanoseconds = line.split()
                if clock == "boottime":
                    return int(seconds) + int(nanoseconds) / 1e9
    except OSError:
        pass  # a kernel without time namespaces
    return 0.0


def _age_of(stamp: str) -> float:
    """Return how many seconds ago that was, by the clock.  Raises ValueError."""
    when = datetime.fromisoformat(stamp)
    return round(time.time() - when.replace(tzinfo=when.tzinfo or UTC).timestamp(), 3)


def _parsed(text: bytes) -> dict[str, Any]:
    """Return the facts.  Raises ValueError where it is something else."""
    facts: Any = json.loads(text, parse_constant=_refused, parse_float=_finite)
    if isinstance(facts, dict):
        facts.setdefault("awaited", None)  # of a pyinit before 1.1
    if not _has_form(facts):
        raise ValueError("not in the form of a status file")
    return dict(facts)


def _refused(word: str) -> float:
    raise ValueError(word)


def _finite(word: str) -> float:
    number = float(word)
    if abs(number) > _MOST_SECONDS:
        raise ValueError(word)
    return number


def _has_form(facts: Any) -> bool:
    return (
        _matches(facts, _FORM)
        and all(facts[name] is None or _matches(facts[name], form) for name, form in _PARTS.items())
        and all(_matches(each, _SIGNAL) for each in facts["signals"])
        and _has_services(facts)
    )


def _has_services(facts: Any) -> bool:
    """Return whether it has a list of services and their time, or there are none."""
    services = facts.get("services")
    if not isinstance(facts.get("services_stop_timeout_s"), (*_NUMBER, _NONE)):
        return False
    if services is None:
        return True
    return isinstance(services, list) and all(_matches(each, _SERVICE) for each in services)


def _matches(value: Any, form: dict[str, Any]) -> bool:
    return isinstance(value, dict) and all(
        name in value and isinstance(value[name], kind) for name, kind in form.items()
    )
