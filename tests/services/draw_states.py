"""Draw docs/services-states.md from the table of transitions."""

from __future__ import annotations

from pathlib import Path

from pyinit.services.machine import DONE, DOWN, FAILED, OFF, TRANSITIONS, WAITING

DOCUMENT = Path(__file__).parents[2] / "docs" / "services-states.md"

HEAD = """\
# The states of a service

A service waits until every service in its `after` is ready, and every task there has ended with
success. Then it starts, and it is up when it is ready; a task is done when it has ended with
success. A job is up during a run, and idle between two runs. A service with
`autostart = false` is off until an operator starts it; the container does not wait for it, and can
end without it.

An end has two steps. First the process ends, and the other processes of its session get TERM and
CONT, and KILL at the stop-timeout. When no process is left, the supervisor decides what follows: in
the table these are the events that begin with "all gone".

- **A stop was asked for**, by the operator or by the container's stop: the service is down.
- **Success** is exit code 0, or a code or signal that the key `success` names. The key `on-success`
  has the answer.
- **Failure** is everything else, also a start that has timed out. The key `on-failure` has the
  answer.

The answers:

- **stop**: the container stops, and this service is the cause.
- **restart**: the service is started again after a delay, unless `restart-limit` is used up; then
  `give-up` says what follows. The delay doubles with each restart. When the
  service has been up for the longest delay, the next delay is the first one again.
- **ignore**: the service is done, or failed. A service that waits for a
  failed one does not start.

The container's stop goes through the services in reverse order: a service is stopped when all
services after it are done, failed or down. A second stop signal stops all services at the same
time; a third one kills them.
An operator's request has no effect once the container's stop has begun.

The diagram and the table are drawn from `TRANSITIONS` in `pyinit/services/machine.py`, by
`python -m tests.services.draw_states`.
"""


def diagram() -> str:
    """Return the diagram: one arrow for each pair of states, with the events that go along it."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for (state, event), (following, _) in TRANSITIONS.items():
        arrows.setdefault((state, following), []).append(event.replace("`", ""))
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {WAITING}", f"    [*] --> {OFF}"]
    for (state, following), events in arrows.items():
        lines.append(f"    {state} --> {following}: {'<br/>'.join(events)}")
    ends = [f"    {state} --> [*]" for state in (DONE, FAILED, DOWN)]
    return "\n".join([*lines, *ends, "```", ""])


def table() -> str:
    """Return the table, in the order of the source."""
    lines = ["| state | event | what happens | next |", "| --- | --- | --- | --- |"]
    for (state, event), (following, actions) in TRANSITIONS.items():
        lines.append(f"| {state} | {event} | {'; '.join(actions) or 'nothing'} | {following} |")
    return "\n".join([*lines, ""])


def draw() -> str:
    """Return the document."""
    return f"{HEAD}\n{diagram()}\n{table()}"


if __name__ == "__main__":
    DOCUMENT.write_text(draw(), encoding="utf-8")
