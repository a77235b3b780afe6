"""What is expected of each runtime: docs/runtimes.md shows it, test_matrix.py sees that it is so.

``python -m tests.runtimes.matrix`` writes the table into the page.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from tests import container_runtimes
from tests.harness import ROOT

if TYPE_CHECKING:
    from tests.container_runtimes import Runtime

PAGE = ROOT / "docs" / "runtimes.md"
BEGIN, END = "<!-- matrix -->\n", "<!-- end of matrix -->\n"


class Column(NamedTuple):
    """One thing that is tried: the method of `Observer`, and what is seen where all is well."""

    heading: str
    method: str
    expected: str
    meaning: str


COLUMNS = (
    Column(
        "exit codes",
        "exit_codes",
        "7, 127, 137",
        "of `exit 7`, of a command that is not there, of one killed by KILL",
    ),
    Column(
        "stop",
        "term",
        "TERM, 0",
        "the runtime's own stop: the command gets TERM and ends with 0",
    ),
    Column("INT", "interrupt", "INT, 0", "the same where the runtime is told to stop by INT"),
    Column(
        "exec",
        "orphans",
        "4, orphan's parent: 1, reaped, orphan: TERM, 0",
        "a command of the runtime's exec ends with 4 and leaves two daemons: process 1 reaps the "
        "first, the second gets TERM before the container ends",
    ),
    Column("pause", "pause", "TERM, 0", "paused and continued, then stopped"),
    Column(
        "terminal",
        "terminal",
        "^C, 3",
        "the command has the foreground of the terminal, and ^C reaches it",
    ),
    Column(
        "OOM",
        "out_of_memory",
        "137, told",
        "the kernel kills the command in a full memory cgroup: 137, and pyinit logs `oom_kill`",
    ),
    Column("read-only", "read_only", "read-only, 7", "the root is read-only"),
    Column("user", "user", "TERM, 0", "process 1 and the command are another user's, and stop"),
    Column(
        "no caps",
        "no_capabilities",
        "TERM, 0",
        "process 1 and the command have no capability, and stop",
    ),
    Column(
        "pids",
        "pids",
        "all saved, 0",
        "the command forks up to the limit and is stopped; everything it leaves gets TERM and time",
    ),
)


class No(NamedTuple):
    """It is not tried, and why."""

    why: str


class But(NamedTuple):
    """Something else is seen, and why."""

    seen: str
    why: str


NO_PAUSE = No("the runtime has no pause")
NO_CGROUPS = No("not on this machine: with version 1 of cgroups an ordinary user gets none")
NO_COUNTER = But(
    "137, not told", "unshare(1) mounts no /sys/fs/cgroup, so pyinit cannot read the kernel's count"
)
ALWAYS_0 = "lxc-start ends with 0, whatever process 1 ends with"
LXC_TERMINAL = (
    "lxc-start gives process 1 a terminal that no session has: "
    "`setsid --wait --ctty COMMAND` takes it"
)

# What differs from the columns' own.
EXCEPTIONS: dict[tuple[str, str], No | But] = {
    ("bubblewrap", "pause"): NO_PAUSE,
    ("systemd-nspawn", "pause"): NO_PAUSE,
    ("unshare", "pause"): NO_PAUSE,
    ("unshare --user", "pause"): NO_PAUSE,
    ("podman rootless", "pause"): NO_CGROUPS,
    ("podman rootless", "OOM"): NO_CGROUPS,
    ("podman rootless", "pids"): NO_CGROUPS,
    ("unshare --user", "user"): No("one user alone is mapped into its user namespace"),
    ("unshare", "OOM"): NO_COUNTER,
    ("unshare --user", "OOM"): NO_COUNTER,
    ("lxc", "exit codes"): But("0, 0, 0", ALWAYS_0),
    ("lxc", "terminal"): But("^C, 0", LXC_TERMINAL),
    ("lxc", "OOM"): But("0, told", ALWAYS_0),
    ("lxc", "read-only"): But("read-only, 0", ALWAYS_0),
}


def expected(runtime: type[Runtime]) -> dict[str, str]:
    """Return what is to be seen under a runtime, by the columns that are tried there."""
    found = {}
    for column in COLUMNS:
        exception = EXCEPTIONS.get((runtime.name, column.heading))
        if not isinstance(exception, No):
            found[column.heading] = exception.seen if exception else column.expected
    return found


def table() -> str:
    """Return the part of the page that is made here."""
    reasons: list[str] = []
    headings = [column.heading for column in COLUMNS]
    rows = [["runtime", *headings], ["---"] * (len(headings) + 1)]
    for runtime in container_runtimes.ALL:
        rows.append([f"`{runtime.name}`"])
        for heading in headings:
            exception = EXCEPTIONS.get((runtime.name, heading))
            if exception is None:
                rows[-1].append("yes")
                continue
            if exception.why not in reasons:
                reasons.append(exception.why)
            text = exception.seen if isinstance(exception, But) else "-"
            rows[-1].append(f"{text} ({reasons.index(exception.why) + 1})")
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    notes = [f"{number}. {why}" for number, why in enumerate(reasons, 1)]
    meanings = ["| column | `yes` says that this was seen |", "| --- | --- |"]
    meanings += [f"| {each.heading} | {each.meaning} |" for each in COLUMNS]
    return "\n".join([*lines, "", *notes, "", *meanings, ""])


def page() -> str:
    """Return docs/runtimes.md as it should be."""
    text = PAGE.read_text("utf-8")
    pattern = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    return pattern.sub(lambda _: f"{BEGIN}\n{table()}\n{END}", text)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
