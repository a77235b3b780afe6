"""Why a run has ended, in words, from its facts alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyinit import sigset

if TYPE_CHECKING:
    from collections.abc import Mapping

    Facts = Mapping[str, Any]

_FAULTS = tuple(sigset.name(number) for number in sigset.SYNCHRONOUS)
_LONGEST_COMMAND = 200


def cause(facts: Facts) -> str:
    """Return what ended the command."""
    child, stop = facts["child"], facts["stop"]
    if child is None:
        return f"stopped by {stop['signal']} {sender(stop)}" if stop else "ended"
    if child["signal"] is None:
        how = f"exited with {child['exit_code']}"
        return f"{how}, {_since(stop)}" if stop else how
    return _killed(facts)


def _killed(facts: Facts) -> str:
    child, stop = facts["child"], facts["stop"]
    name = child["signal"]
    if name in _FAULTS:
        core = ", core dumped" if child["core_dumped"] else ""
        return f"crashed by {name}{core}"
    if child.get("oom_killed"):
        return f"killed by {name}: the kernel's OOM killer"
    verb = "killed" if name == "SIGKILL" else "ended"
    if stop:
        planned = any(step["signal"] == name for step in stop["escalated"])
        plan = ", as the plan of the stop says" if planned else ""
        return f"{verb} by {name} {_since(stop)}{plan}"
    relayed = [each for each in facts["signals"] if each["signal"] == name]
    if relayed:
        return f"{verb} by {name}, which pyinit had got {sender(relayed[-1])}"
    where = "namespace" if facts["role"] == "init" else "command"
    return f"{verb} by {name}, which did not come by pyinit: from within the {where} or from above"


def _since(stop: Facts) -> str:
    signal = f" by {stop['signal']}"
    return f"{duration(stop['took_s'] or 0.0)} after the stop{signal} {sender(stop)}"


def sender(signal: Facts) -> str:
    """Return where a signal came from."""
    origin = signal["origin"]
    if origin == "kernel":
        return "from the kernel, as for a key of the terminal"
    if origin == "self":
        return "from pyinit itself"
    who = f"process {signal['sender_pid']}" if signal["sender_pid"] else ""
    if who and signal["sender_name"]:
        who = f"{signal['sender_name']}[{signal['sender_pid']}]"
    user = f" of user {signal['sender_uid']}" if who else ""
    if origin == "outside":
        return "from outside the namespace"
    return f"from {who}{user}" if who else "from a process of many"


def summary(facts: Facts) -> str:
    """Return the whole run in one line."""
    parts = [f"{_command(facts)}: {facts['cause']}", f"ran {duration(facts['uptime_s'])}"]
    parts += _counts(facts)
    usage = facts["usage"]
    if usage:
        cpu = usage["cpu_user_s"] + usage["cpu_system_s"]
        parts.append(f"CPU {duration(cpu)}")
        peak = usage.get("peak_cgroup_bytes") or usage["peak_process_bytes"]
        of = "" if usage.get("peak_cgroup_bytes") else " in one process"
        parts.append(f"peak memory {size(peak)}{of}")
    return "; ".join(parts)


def _counts(facts: Facts) -> list[str]:
    parts = []
    if facts["oom_kills"]:
        parts.append(plural(facts["oom_kills"], "OOM kill"))
    if facts["orphans"]["reaped"]:
        parts.append(f"{plural(facts['orphans']['reaped'], 'orphan')} reaped")
    teardown = facts["teardown"]
    if teardown:
        took = duration(teardown["took_s"] or 0)
        left = f"{plural(teardown['count'], 'leftover')} ended in {took}"
        if teardown["kills"]:
            left += f", {teardown['kills']} of them by SIGKILL"
        if teardown["blocked"]:
            left += f", {len(teardown['blocked'])} did not end"
        parts.append(left)
    return parts


def _command(facts: Facts) -> str:
    text = " ".join(facts["command"]) or ("the program" if facts["child"] else "pause")
    return text if len(text) <= _LONGEST_COMMAND else text[: _LONGEST_COMMAND - 3] + "..."


def plural(number: int, noun: str) -> str:
    """Return how many of a thing there are."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """Return a time as people say it: 0.8 s, 2 min 5 s, 3 h 2 min, 5 d 4 h."""
    if seconds < 10:
        return f"{seconds:.1f} s" if seconds >= 0.1 or not seconds else f"{seconds * 1000:.0f} ms"
    whole = round(seconds)
    for unit, size, smaller, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60)):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // part} {smaller}"
    return f"{whole // 60} min {whole % 60} s" if whole >= 60 else f"{whole} s"


def size(number: int) -> str:
    """Return a number of bytes in units of 1024."""
    left = float(number)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if left < 1024:
            return f"{left:.0f} {unit}" if left >= 10 or unit == "B" else f"{left:.1f} {unit}"
        left /= 1024
    return f"{left:.1f} TiB"
