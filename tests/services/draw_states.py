"""Draw docs/services-states.md from the table of transitions."""

from __future__ import annotations

from pathlib import Path

from pyinit.services.machine import DONE, DOWN, FAILED, TRANSITIONS, WAITING

DOCUMENT = Path(__file__).parents[2] / "docs" / "services-states.md"

HEAD = """\
# The states of a service

Drawn from the table `TRANSITIONS` in `pyinit/services/machine.py` by
`python -m tests.services.draw_states`; a test keeps the two the same.

A service waits until all that its key `after` names are ready (services) or have ended with
success (tasks). It is started then, and is up when it says that it is ready; a task is done when
it has ended with success. A job is up while a run goes on, and idle between two runs.

An end has two steps. The process ends; then what is left of its session gets TERM and CONT, and
KILL at the stop-timeout. Only when nobody is left it is decided what the end leads to: the events
that begin with "all gone" are that decision.

- **A stop was asked for**, by the operator or by the container's stop: the service is down.
- **Success** is exit code 0, or a code or signal that the key `success` names. `on-success` says
  what follows. All else is failure, and so is a start that has timed out. `on-failure` says what
  follows.
- **stop**: the container stops, and this service is the cause.
- **restart**: the service is started again after a delay, unless `restart-limit` is used up; then
  `give-up` says what follows. The delay doubles with each restart, and begins anew after an end
  that came when the service had been up for the longest delay.
- **ignore**: the service is done, or failed. Who waits for a service that has failed will not
  start.

The container's stop goes through the services in reverse order: a service is stopped when all that
come after it are done, failed or down. A second stop signal stops all at once; a third one kills.
An operator's request changes nothing once the container stops.
"""


def diagram() -> str:
    """Return the diagram: one arrow for each pair of states, with the events that go along it."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for (state, event), (following, _) in TRANSITIONS.items():
        arrows.setdefault((state, following), []).append(event.replace("`", ""))
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {WAITING}"]
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
