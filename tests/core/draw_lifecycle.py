"""Draw docs/lifecycle.md from the table of transitions: ``python -m tests.draw_lifecycle``."""

from __future__ import annotations

from pathlib import Path

from pyinit.lifecycle import DONE, RUNNING, TRANSITIONS

DOCUMENT = Path(__file__).parents[2] / "docs" / "lifecycle.md"

HEAD = """\
# The life of a container under pyinit

Drawn from the table `TRANSITIONS` in `pyinit/lifecycle.py` by `python -m tests.draw_lifecycle`;
a test keeps the two the same.

The main child is the command that pyinit started, leftovers are the processes that live on after
it. A stop signal is SIGTERM, SIGINT or SIGQUIT, or one of those in `--stop-signals`; any later
one, however long after the first, cuts short what pyinit is waiting for.

**The drain** (`--drain`) holds the first stop signal back, so that load balancers can stop sending
requests first. All other signals are relayed meanwhile. The drain ends after its time, with a
second stop signal, or when the main child ends; a `--pre-stop` command starts with the drain and
is killed with it. At its end pyinit relays the signal that it held back, and the second stop
signal if that is another one.

**The plan** (`--escalate`, `--stop-timeout`) is for a main child that does not end on its stop
signal. Its times count from the moment at which that was relayed, so they come on top of the
drain's. Further stop signals are relayed and change nothing about it. It ends with the
main child; the grace governs leftovers. Without a plan pyinit waits for the main child without a
limit.

**The teardown** (`--grace`, `--leftovers`) ends the leftovers, parents before their children. A
parent can end its children in its own way: a master lets its workers finish their jobs, a shell
waits for its pipeline. So pyinit sends TERM first to its own children, and to processes that
entered the namespace from outside. When a parent ends, its children become pyinit's children, and
get TERM then. When half of the grace is over, all other leftovers get TERM too, because their
parents do not act. At the end of the grace all get KILL. Processes that just end on TERM end as
early as if all got TERM at once. All get TERM at once with `--leftovers all`, when all leftovers
are children of pyinit, and when /proc is missing, shows another namespace or hides processes
(`hidepid`). A subreaper without /proc reaches its own children only, so it keeps the order in any
case. With `--group`, members of the main child's group that got TERM with it do not get TERM
again.
"""


def diagram() -> str:
    """Return the diagram: one arrow for each pair of states, with the events that go along it."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for (state, event), (following, _) in TRANSITIONS.items():
        arrows.setdefault((state, following), []).append(event)
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {RUNNING}"]
    for (state, following), events in arrows.items():
        lines.append(f"    {state} --> {following}: {'<br/>'.join(events)}")
    return "\n".join([*lines, f"    {DONE} --> [*]", "```", ""])


def table() -> str:
    """Return the table, in the order of the source."""
    lines = ["| state | event | what happens | next |", "| --- | --- | --- | --- |"]
    for (state, event), (following, actions) in TRANSITIONS.items():
        lines.append(f"| {state} | {event} | {'; '.join(actions) or 'nothing'} | {following} |")
    return "\n".join([*lines, f"| {DONE} | anything | nothing | {DONE} |", ""])


def draw() -> str:
    """Return the document."""
    return f"{HEAD}\n{diagram()}\n{table()}"


if __name__ == "__main__":
    DOCUMENT.write_text(draw(), encoding="utf-8")
