"""Draw docs/lifecycle.md from the table of transitions.

``python -m tests.core.draw_lifecycle`` writes it.
"""

from __future__ import annotations

from pathlib import Path

from pyinit.lifecycle import DONE, RUNNING, TRANSITIONS
from tests.stopping import real_programs

DOCUMENT = Path(__file__).parents[2] / "docs" / "lifecycle.md"

HEAD = """\
# The life of a container under pyinit

The main child is the command that pyinit started. Leftovers are the processes that live on after
it. A stop signal is SIGTERM, SIGINT or SIGQUIT, or one of those in `--stop-signals`. Each later
stop signal, however long after the first, cuts short the drain or the grace.

**The drain** (`--drain`) holds the first stop signal back, so that load balancers can stop sending
requests first. Meanwhile pyinit relays all other signals. The drain ends after its time, with a
second stop signal, or when the main child ends. A `--pre-stop` command starts with the drain, and
pyinit kills it at the end of the drain. Then pyinit relays the signal that it held back, and the
second stop signal if that is another one.

**The wait** (`--wait-all`) is for a command that starts a daemon and ends. Then pyinit waits until
its last child has ended. It does not wait for processes that entered from outside. The first stop
signal ends the wait, at the end of the drain if there is one, and the teardown follows. One that
`--rewrite` drops does not: only a step of the plan or another stop signal does. If the stop
signal came before the main child's end, there is no wait. Other signals are relayed to those
children of pyinit that catch, block or ignore them, which pyinit reads in /proc. So a daemon that
reads its configuration again on HUP gets HUP, and no process ends by a signal that it does not
expect.
Signals of a terminal, such as WINCH, are not relayed. pyinit has the terminal again, so ^C is a
stop signal. The exit code is always that of the command. pyinit sends TERM only; a daemon that
needs another signal can be stopped by `--pre-stop`, as with `--drain 30 --pre-stop 'nginx -s
quit'`: the drain ends early when the last child has ended. The pre-stop command is one of them, so
that `service nginx stop` can do its last steps after the end of nginx.

**The plan** (`--escalate`, `--stop-timeout`) is for a main child that does not end on its stop
signal. Its times count from the relay of that signal, so they come after the drain. pyinit relays
further stop signals, and they do not change the plan. The plan ends with the main child; then the
grace begins. Without a plan pyinit waits for the main child without a limit.

**The teardown** (`--grace`, `--leftovers`) ends the leftovers, parents before their children. A
parent can end its children in its own way: a master lets its workers finish their jobs, a shell
waits for its pipeline. So pyinit sends TERM first to its own children, and to processes that
entered the namespace from outside. When a parent ends, its children become pyinit's children, and
get TERM then. When half of the grace is over, pyinit also sends TERM to processes whose parent does
not act on it. Such a parent ignores TERM, or has not taken it (SigIgn, SigPnd and ShdPnd of
/proc/PID/status), because a tracer has stopped it for example, or pyinit may not signal it. pyinit
expects a parent that has taken TERM to end its children itself. 1 s before the end of the grace all
other leftovers get TERM, because their parents take too long. At the end of the grace all get KILL.
The order costs no time with processes that end on TERM. If more than 16 children are left, they get
TERM before pyinit lists the other processes. All get TERM at once with `--leftovers all`, when all
leftovers are children of pyinit, and when /proc is missing, shows another namespace or hides
processes (`hidepid`). A subreaper without /proc reaches its own children only, so it
always keeps the order. With `--group`, members of the main child's group that got TERM with it, as
a stop or as its end, do not get TERM again; with `--leftovers all` all processes get it.

The diagram and the table are drawn from `TRANSITIONS` in `pyinit/lifecycle.py`, by
`python -m tests.core.draw_lifecycle`.
"""

PROGRAMS = """\
## What programs lose

An entry script that starts a program without `exec` ends at once on TERM, and the program is a
leftover in the middle of its work. This table shows how much of its work is lost. The grace is
the default, 5 s. `tests/stopping/test_real_programs.py` measures it with the real programs.

{table}
tini ends with its child, and the kernel kills the rest. dumb-init sends TERM to all at once, and
then ends with its child too. `pyinit --leftovers all` sends TERM to all at once and waits.

- gunicorn and uvicorn need time, but no order: their workers end on TERM when they have answered.
- nginx drops its requests on TERM, in any order; QUIT is the signal that lets it finish. A shell
  around it can send QUIT: `trap 'kill -QUIT "$!"' TERM; nginx -g 'daemon off;' & until wait; do :;
  done`. Without a script in between, use `pyinit --rewrite TERM:QUIT -- nginx -g 'daemon off;'`.
- All processes get TERM 1 s before the end of the grace. So work is safe only if the grace is at
  least 1 s longer than the work takes.
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
