"""The ways to run pyinit whose system calls are made to fail."""

from __future__ import annotations

from typing import NamedTuple

from fuzz.container import PID1, SUBREAPER


class Way(NamedTuple):
    """One way: options, the signal on which the command ends, and what is around it."""

    options: tuple[str, ...] = ()
    ends_on: str = "TERM"
    mode: str = PID1
    has_terminal: bool = False
    needs_users: bool = False  # others than the one that this user namespace has


WAYS = {
    "plain": Way(),
    "-v": Way(("-v",)),
    "-w": Way(("-w",)),
    "report": Way(("--report", "{directory}/report")),
    "status-file": Way(("--status-file", "{directory}/status")),
    # The command ignores TERM, so the plan's INT is what ends it.
    "plan": Way(("--drain", "0.1", "--pre-stop", "true", "--escalate", "INT@0.1"), ends_on="INT"),
    "user": Way(("--user", "1000:1000"), needs_users=True),
    "terminal": Way(has_terminal=True),
    "subreaper": Way(mode=SUBREAPER),
}


def has_users() -> bool:
    """Return whether there is more than one user here; see user_namespaces(7)."""
    with open("/proc/self/uid_map", encoding="ascii") as file:
        return int(file.read().split()[2]) > 1
