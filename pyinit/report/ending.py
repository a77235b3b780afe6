"""Why a quiet run has ended badly, from the little that was noted in passing.

Loaded at such an end alone.  The facts are those of a report, as far as they are known.
"""

from __future__ import annotations

import posix
import time

from pyinit import signals
from pyinit.log import senders
from pyinit.report import cause, registry
from pyinit.report.facts import Facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _signal
    from typing import Any

    from pyinit.child import Child
    from pyinit.events import Log
    from pyinit.inbox import Inbox
    from pyinit.settings import Settings

    Step = tuple[float, str, dict[str, object]]


class _Story:
    """What has happened, told after the end."""

    def __init__(self, log: Log) -> None:
        self.facts = Facts()
        self._started = log.started[1]

    def at(self, moment: float) -> float:
        """Return the seconds from the start to a time of time.monotonic()."""
        return round(moment - self._started, 6)

    def tell(self, event: str, moment: float, **fields: object) -> None:
        """Have the facts take note of an event."""
        note = registry.EVENTS[event].note
        if note is not None:
            note(self.facts, self.at(moment), **fields)


def explain(
    settings: Settings, log: Log, main: Child, inbox: Inbox, exit_code: int
) -> dict[str, object]:
    """Return what is to be said of the end, as fields of an event."""
    story = _Story(log)
    ended = main.ended[1] if main.ended is not None else time.monotonic()
    stop = _stop(settings, log, main, inbox)
    notes = [(when[1], event, fields) for _, event, fields, when in log.explaining]
    child: list[Step] = []
    if main.pid:
        story.tell("child_started", log.started[1], pid=main.pid)
        _tell_of_signals(story, settings, main)
        child.append((ended, "child_exited", _child(main)))
    # What a stop was for depends on whether the command had ended: it can be for the others.
    if stop and stop[0][0] > ended:
        waits = [note for note in notes if note[1] == "leftovers_awaited"]
        steps = [*child, *waits, *stop, *(note for note in notes if note not in waits)]
    else:
        steps = [*stop, *notes, *child]
    for moment, event, fields in steps:
        story.tell(event, moment, **fields)
    facts: dict[str, Any] = {
        "command": settings.command,
        "parent": _parent(settings),
        "exit_code": exit_code,
        "uptime_s": story.at(time.monotonic()),
        "usage": None,
        **story.facts.known(),
    }
    facts["cause"] = why = cause.cause(facts)
    summary = cause.summary(facts)
    return {"uptime_s": facts["uptime_s"], "cause": why, "summary": summary}


def _parent(settings: Settings) -> dict[str, Any]:
    number, parent = settings.parent_death_signal, settings.parent
    return {
        "pid": parent or None,
        "ended": bool(parent) and posix.getppid() != parent,
        "death_signal": signals.name(number) if number else None,
    }


def _stop(settings: Settings, log: Log, main: Child, inbox: Inbox) -> list[Step]:
    """Return the first stop signal, and what came of it at once."""
    if inbox.first_stop is None:
        return []
    info, when, sender = inbox.first_stop
    sender = sender or _sender(info)
    name = signals.name(info.si_signo)
    made = settings.rewrite.get(info.si_signo, info.si_signo)
    was_held = any(event == "signal_relayed" for _, event, _, _ in log.explaining)
    steps: list[Step] = [(when[1], "signal_received", {"signal": name, "stop": True, **sender})]
    if not made:
        steps.append((when[1], "signal_ignored", {"received": name}))
    elif info.si_signo in main.relayed and not was_held:
        steps.append((when[1], "signal_relayed", {"signal": signals.name(made), "received": name}))
    return steps


def _tell_of_signals(story: _Story, settings: Settings, main: Child) -> None:
    """Tell of a signal that was relayed to it and has ended it."""
    number = main.status & 0x7F
    for received, info in main.relayed.items():
        if number and settings.rewrite.get(received, received) == number:
            name, made = signals.name(received), signals.name(number)
            story.facts.count_signal(name, _sender(info), None)
            story.facts.note_relay(name, made, 0.0)


def _child(main: Child) -> dict[str, object]:
    """Return how it has ended."""
    number = main.status & 0x7F
    return {
        "exit_code": signals.exit_code(main.status),
        "signal": signals.name(number) if number else None,
        "core_dumped": bool(main.status & 0x80),
    }


def _sender(info: _signal.struct_siginfo) -> dict[str, object]:
    return senders.describe_sender(info, is_init=posix.getpid() == 1)
