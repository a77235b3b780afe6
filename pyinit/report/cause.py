"""Why a run has ended, in words, from its facts alone."""

from __future__ import annotations

import _signal

from pyinit import signals
from pyinit.log import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Facts = Mapping[str, Any]

_FAULTS = tuple(signals.name(number) for number in signals.SYNCHRONOUS)
_LONGEST_COMMAND = 200
_MOST_NAMES = 3

# What it mostly is when a command gets one that we have not sent; see signal(7), setrlimit(2).
_USUAL = {
    "SIGHUP": "its terminal was closed, or a process did",
    "SIGINT": "^C at its terminal, or a process did",
    "SIGQUIT": "^\\ at its terminal, or a process did",
    "SIGPIPE": "it wrote to a pipe or socket without a reader, or a process did",
    "SIGALRM": "its own timer, or a process did",
    "SIGXCPU": "its limit of CPU time, or a process did",
    "SIGXFSZ": "its limit of file size, or a process did",
    "SIGKILL": "a process inside or outside of the namespace did, or the kernel",
}
_UNKNOWN = "the command itself or another process did"
_PERHAPS_OOM = "perhaps by the kernel's OOM killer, which has killed since the cgroup was made"

# Keys of a terminal, by the signals that the kernel makes of them; see termios(3).
_KEYS = {"SIGINT": "^C", "SIGQUIT": "^\\", "SIGTSTP": "^Z"}


def cause(facts: Facts) -> str:
    """Return what ended the command, and the wait for those whom it has left."""
    how = _how_ended(facts)
    awaited, stop = facts.get("awaited"), facts["stop"]
    if not awaited:
        return how
    by = f"{stop['signal']} {sender(stop, facts)}" if stop else ""
    if stop and (stop["escalated"] or not stop.get("dropped")):
        return f"{how}; the wait for its processes was ended by {by}"
    how += f", and its last process {duration(facts['uptime_s'] - awaited['at_s'])} later"
    return f"{how}; {by} was not relayed" if stop else how


def _how_ended(facts: Facts) -> str:
    child, stop = facts["child"], facts["stop"]
    if child is None:
        return f"stopped by {stop['signal']} {sender(stop, facts)}" if stop else "ended"
    if child["signal"] is not None:
        return _killed(facts)
    if (facts.get("services_stop") or {}).get("service"):
        return _service(facts)
    how = f"exited with {child['exit_code']}"
    if child.get("status_lost"):
        how = "ended, and its wait status was lost"
    if _is_stopped(facts):
        return f"{how}, {_since_stop(facts)}"
    name = _told_by_shell(child["exit_code"])
    return f"{how}, as a shell does whose command was ended by {name}" if name else how


def _service(facts: Facts) -> str:
    """Return how the service has ended whose end the supervisor has stopped all others for."""
    stop = facts["services_stop"]
    found = {each["name"]: each for each in facts["services"]}.get(stop["service"])
    if found is None:
        return f"service {stop['service']} ended"
    how = f"exited with {found['exit_code']}"
    if found["signal"] is not None:
        how = f"{'killed' if found['signal'] == 'SIGKILL' else 'ended'} by {found['signal']}"
    if found["restarts"]:
        how += f" after {plural(found['restarts'], 'restart')}"
    for line in stop["last_lines"][-1:]:
        how += f", its last line: {text.printable(line)}"
    return _cut(f"service {stop['service']} {how}")


def _told_by_shell(exit_code: int) -> str:
    """Return the name of the signal that a shell tells of so, or an empty string; see sh(1)."""
    number = exit_code - 128
    return signals.name(number) if number in _signal.valid_signals() else ""


def _is_stopped(facts: Facts) -> bool:
    """Return whether a stop came before the command's end."""
    return facts["stop"] is not None and facts["stop"]["took_s"] is not None


def _killed(facts: Facts) -> str:
    name = facts["child"]["signal"]
    core = ", core dumped" if facts["child"]["core_dumped"] else ""
    verb = f"{'killed' if name == 'SIGKILL' else 'ended'} by"
    if facts["child"].get("oom_killed"):
        return f"{verb} {name}: the kernel's OOM killer"
    if _is_stopped(facts):
        stop = facts["stop"]
        if any(step["signal"] == name for step in stop["escalated"]):
            return f"{verb} pyinit with {name}{core}, {_since_stop(facts)}"
        if _caused(stop, name):
            return _ended_by_stop(f"{verb} {name}{core}", facts)
    for signal in reversed(facts["signals"]):  # the last one is last
        if signal["relayed_as"] == name:
            return _ended_by_relayed(f"{verb} {name}{core}", signal, facts)
    is_open = facts["child"].get("oom_killed", False) is None
    if name in _FAULTS:
        how = f"crashed by {name}{core}"
    elif is_open:
        how = f"{verb} {name}, {_PERHAPS_OOM}"
    else:
        how = f"{verb} {name}{core}, which pyinit did not send"
    if _is_stopped(facts):
        return f"{how}, {_since_stop(facts)}"
    return how if is_open or name in _FAULTS else f"{how}: {_USUAL.get(name, _UNKNOWN)}"


def _caused(stop: Facts, name: str) -> bool:
    """Return whether the stop has come to the command as signal ``name``."""
    if stop["relayed_as"] is None:
        # A key of the terminal goes to all who are in its foreground.
        return bool(stop["origin"] == "kernel" and stop["signal"] == name)
    return bool(stop["relayed_as"] == name)


def _ended_by_stop(how: str, facts: Facts) -> str:
    stop = facts["stop"]
    if stop["signal"] != facts["child"]["signal"]:
        how += f", which pyinit made of {stop['signal']},"
    elif facts["child"]["core_dumped"]:
        how += ","
    return f"{how} {_after(facts)} the stop {sender(stop, facts)}{_how_relayed(stop)}"


def _ended_by_relayed(how: str, signal: Facts, facts: Facts) -> str:
    before = ""
    if signal["last_s"] is not None:
        before = f" {duration(facts['child']['at_s'] - signal['last_s'])} before"
    made = "relayed"
    if signal["relayed_as"] != signal["signal"]:
        made = f"made of {signal['signal']}"
    return f"{how}, which pyinit {made}{before} {sender(signal, facts)}"


def _since_stop(facts: Facts) -> str:
    stop = facts["stop"]
    by = f"by {stop['signal']} {sender(stop, facts)}"
    return f"{_after(facts)} the stop {by}{_how_relayed(stop)}"


def _after(facts: Facts) -> str:
    return f"{duration(facts['stop']['took_s'])} after"


def _how_relayed(stop: Facts) -> str:
    if stop["relayed_after_s"] is not None:
        return f", of which {duration(stop['relayed_after_s'])} drain" if stop["drain_s"] else ""
    if stop["drain_s"]:
        return ", during its drain"
    # Another way to it than a relay: the terminal, or a kill by pyinit.
    has_come = stop["origin"] == "kernel" or stop["escalated"]
    return "" if has_come else ", which was not relayed"


def sender(signal: Facts, facts: Facts) -> str:
    """Return where a signal came from."""
    origin, pid = signal["origin"], signal["sender_pid"]
    if origin == "kernel":
        return _from_kernel(signal["signal"])
    if origin == "self":
        return f"from pyinit itself{', for an OOM kill' if facts['oom_kills'] else ''}"
    parent = facts["parent"]
    is_parent = parent["death_signal"] == signal["signal"] and pid == parent["pid"]
    if is_parent and parent["ended"]:
        return "at the end of pyinit's parent"
    if origin == "outside" and not pid:
        # As PID 1 we cannot see whether it lives.
        or_end = ", or at the end of pyinit's parent" if is_parent else ""
        return f"from outside the namespace{or_end}"
    return _from_process(signal, facts)


def _from_process(signal: Facts, facts: Facts) -> str:
    pid, name = signal["sender_pid"], signal["sender_name"]
    if not pid:
        return "from one of many processes"
    if facts["child"] is not None and pid == facts["child"]["pid"]:
        return "from the command itself"
    who = f"{text.printable(name)}[{pid}]" if name else f"process {pid}"
    return f"from {who} of user {signal['sender_uid']}"


def _from_kernel(name: str) -> str:
    if name in _KEYS:
        return f"from the terminal, as for {_KEYS[name]}"
    if name == "SIGHUP":
        return "from the kernel, as for the end of a terminal"
    return "from the kernel"


def summary(facts: Facts) -> str:
    """Return the whole run in one line."""
    parts = [f"{_command(facts)}: {facts['cause']}"]
    code, child = facts["exit_code"], facts["child"]
    if code != (child["exit_code"] if child is not None else 0):
        parts.append(f"exit code {code}")
    if child is not None or facts["stop"] is not None:  # it was started
        parts.append(f"ran {duration(facts['uptime_s'])}")
        parts += _counts(facts)
        if facts["usage"] is not None:
            parts += _used(facts["usage"])
    return "; ".join(parts)


def _counts(facts: Facts) -> list[str]:
    parts = []
    if facts["oom_kills"]:
        parts.append(plural(facts["oom_kills"], "OOM kill"))
    if facts["signals_dropped"]:
        parts.append(f"{plural(facts['signals_dropped'], 'signal')} could not be relayed")
    teardown = facts["teardown"]
    orphans = facts["orphans"]["reaped"] - (teardown["reaped"] if teardown else 0)
    if orphans:
        parts.append(f"{plural(orphans, 'orphan')} reaped")
    if teardown:
        parts.append(_left(teardown))
    return parts


def _left(teardown: Facts) -> str:
    """Return who was left, and what became of them."""
    names = [text.printable(name) for name in teardown["leftovers"][:_MOST_NAMES]]
    if teardown["count"] is None:  # nobody has counted those who ended by themselves
        return _killed_leftovers(teardown, names)
    if teardown["count"] > len(names) > 0:
        names.append("...")
    # Without a /proc that shows them nobody counts them.
    left = plural(teardown["count"], "leftover") if teardown["count"] else "leftovers"
    left += f" ({', '.join(names)})" if names else ""
    took = duration(teardown["took_s"] or 0.0)
    if teardown["blocked"]:
        return f"{left}, {len(teardown['blocked'])} still there after {took} and SIGKILL"
    killed = f", {teardown['kills']} of them by SIGKILL" if teardown["kills"] else ""
    return f"{left} ended in {took}{killed}"


def _killed_leftovers(teardown: Facts, names: list[str]) -> str:
    if teardown["blocked"]:
        blocked = ", ".join(map(text.printable, teardown["blocked"][:_MOST_NAMES]))
        return (
            f"{plural(len(teardown['blocked']), 'leftover')} still there after SIGKILL: {blocked}"
        )
    if teardown["kills"] > len(names) > 0:
        names.append("...")
    left = plural(teardown["kills"], "leftover") if teardown["kills"] else "leftovers"
    left += f" ({', '.join(names)})" if names else ""
    grace_s, took_s = teardown["grace_s"], teardown["took_s"]
    if took_s is not None and took_s < grace_s:
        grace = f"the grace of {duration(grace_s)}, which a second stop signal cut short"
        return f"{left} killed after {duration(took_s)} of {grace}"
    return f"{left} killed after the grace of {duration(grace_s)}"


def _used(usage: Facts) -> list[str]:
    parts = [f"CPU {duration(usage['cpu_user_s'] + usage['cpu_system_s'])}"]
    # Of the two only one may be the command's alone: a cgroup can hold others, and page cache.
    if usage["peak_process_bytes"]:
        parts.append(f"peak memory of a process {size(usage['peak_process_bytes'])}")
    if usage.get("peak_cgroup_bytes"):
        parts.append(f"peak memory of the cgroup {size(usage['peak_cgroup_bytes'])}")
    return parts


def _command(facts: Facts) -> str:
    return _cut(text.printable(" ".join(facts["command"])) or "pause")


def _cut(words: str) -> str:
    return words if len(words) <= _LONGEST_COMMAND else words[: _LONGEST_COMMAND - 3] + "..."


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
