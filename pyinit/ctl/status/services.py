"""Services as an init's status file tells of them, for the commands that show them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyinit.ctl.common import CommandError
from pyinit.ctl.status import file
from pyinit.report import cause

if TYPE_CHECKING:
    from pyinit.ctl.kinds import FoundInit
    from pyinit.ctl.status.file import Found

OK, NOT_READY, UNKNOWN = 0, 1, 3


def read(init: FoundInit, path: str = "") -> Found:
    """Return what the status file of ``init`` tells, at ``path`` or where its options say."""
    status_file = file.StatusFile(init, path)
    try:
        return status_file.read()
    finally:
        status_file.close()


def answer(init: FoundInit, path: str, names: list[str]) -> dict[str, Any]:
    """Return what the control socket would answer to ``status``.  Raises CommandError."""
    found = read(init, path)
    facts = found.facts
    if facts is None:
        raise CommandError(
            f"{found.path}: {found.problem}" if found.path else _no_file(found.problem)
        )
    if not facts.get("services"):
        raise CommandError(f"{found.path}: it lists no services")
    now_s = facts["uptime_s"] + max(found.age_s or 0.0, 0.0)
    known = {each["name"]: _row(each, now_s) for each in facts["services"]}
    for name in names:
        if name not in known:
            raise CommandError(f"there is no service '{name}'", UNKNOWN)
    rows = [known[name] for name in names or known]
    problem = supervisor_problem(facts)
    expected = [row for row in rows if names or row["state"] != "off"]
    ready = not problem and all(row["ready"] for row in expected)
    return {"code": OK if ready else NOT_READY, "services": rows, "problem": problem}


def _no_file(problem: str) -> str:
    return problem or "the init keeps no status file: expected --control PATH or --status-file PATH"


def supervisor_problem(facts: dict[str, Any]) -> str:
    """Return why what is told of services may not be so any more, or an empty string."""
    child = facts["child"]
    if facts["exit_code"] is not None or child is None or child["state"] == "ended":
        return "the supervisor has ended"
    if child["state"] != "running":
        return f"the supervisor is {child['state']}"
    return ""


def _row(each: dict[str, Any], now_s: float) -> dict[str, Any]:
    """Return a row as the control socket has it: without what there is not."""
    row = {key: each[key] for key in ("name", "state", "ready")}
    if each["type"] != "service":
        row["type"] = each["type"]
    if each["state"] == "up":
        row["up_s"] = round(max(now_s - each["since_s"], 0.0), 3)
    elif each["pid"] is None and each["starts"]:
        row["ended_s"] = round(max(now_s - each["since_s"], 0.0), 3)
    row |= {key: each[key] for key in ("pid", "exit_code", "signal") if each[key] is not None}
    if each["restarts"]:
        row["restarts"] = each["restarts"]
    return row


def summary(facts: dict[str, Any]) -> str:
    """Return all services in one line, those that are not ready first."""
    rows = sorted(facts["services"], key=lambda each: each["ready"] or each["state"] == "off")
    found = [words(each) for each in rows]
    problem = supervisor_problem(facts)
    return "; ".join([*([problem] if problem else []), ", ".join(found)])


def words(each: dict[str, Any]) -> str:
    """Return a service in a few words."""
    how = f"{each['name']} {each['state']}"
    if not each["ready"] and each["exit_code"] is not None:
        how += f" ({each['signal'] or each['exit_code']})"
    return f"{how} after {cause.plural(each['restarts'], 'restart')}" if each["restarts"] else how
