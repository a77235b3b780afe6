"""Draw docs/lifecycle.md from the table of transitions: ``python -m tests.draw_lifecycle``."""

from __future__ import annotations

from pathlib import Path

from pyinit.lifecycle import DONE, RUNNING, TRANSITIONS
from tests.stopping import real_programs

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

PROGRAMS = """\
## What programs lose

An entry script that starts a program without `exec` ends at once on TERM, and the program is a
leftover in the middle of its work. This table shows how much of its work does not come to its end.
The grace is 10 s. `tests/stopping/test_real_programs.py` sees it in the real programs.

{table}
tini ends with its child, and the kernel kills the rest. dumb-init sends TERM to all at once, and
then ends with its child too. `pyinit --leftovers all` sends TERM to all at once and waits.

- gunicorn and uvicorn need time, but no order: their workers end on TERM when they have answered.
- nginx drops its requests on TERM, in any order; QUIT is the signal that lets it finish. A shell
  around it can send that: `trap 'kill -QUIT "$!"' TERM; nginx -g 'daemon off;' & until wait; do :;
  done`. Without a script in between, `pyinit --rewrite TERM:QUIT -- nginx -g 'daemon off;'` does.
- All processes get TERM after half of the grace. Work that a parent still waits for is lost then:
  with the default grace of 5 s, Celery loses a task of 3 s that has just begun. So the grace has to
  be more than twice as long as the longest work.
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
    return f"{HEAD}\n{diagram()}\n{table()}\n{PROGRAMS.format(table=real_programs.table())}"


if __name__ == "__main__":
    DOCUMENT.write_text(draw(), encoding="utf-8")
