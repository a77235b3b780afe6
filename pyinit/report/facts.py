"""What is known of a run, as a report has it; docs/report.md says what each field is."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# So many different senders are told apart; what comes from others is counted together.
MOST_SENDERS = 100


class Facts:
    """The facts that events tell of; the notes in `pyinit.report.registry` change them.

    ``end_signal`` is the name of the signal that ends all at once, if there is one.
    """

    def __init__(self, end_signal: str | None = None) -> None:
        self.end_signal = end_signal
        self.role: str | None = None
        self.child: dict[str, Any] | None = None
        self.stop: dict[str, Any] | None = None
        self.awaited: dict[str, Any] | None = None
        self.teardown: dict[str, Any] | None = None
        self.orphans = {"reaped": 0, "killed": 0, "failed": 0}
        self.signals_dropped = 0
        self.oom_kills = 0
        self._signals: dict[tuple[object, ...], dict[str, Any]] = {}
        self._relayed: dict[str, str] = {}  # what was made of each signal

    def count_orphans(self, status: int, count: int) -> None:
        """Count orphans that have ended with a wait status."""
        number = status & 0x7F
        self.orphans["reaped"] += count
        self.orphans["killed"] += count if number else 0
        self.orphans["failed"] += count if not number and status else 0
        if self.teardown is not None:
            self.teardown["reaped"] += count

    def change_child(self, **fields: object) -> None:
        """Note something of the command, if there is one."""
        if self.child is not None:
            self.child |= fields

    def count_signal(self, signal: str, sender: Mapping[str, Any], at: float | None) -> None:
        """Count a signal, which came ``at`` so many seconds after the start, if that is known."""
        key = (signal, sender["origin"], sender["sender_name"], sender["sender_uid"])
        if key not in self._signals and len(self._signals) >= MOST_SENDERS:
            key = (signal, sender["origin"], None, None)
            sender = {**sender, "sender_name": None, "sender_uid": None, "sender_pid": None}
        # The last one last, whose PID it is then.
        count = self._signals.pop(key, {"count": 0})["count"]
        self._signals[key] = {"signal": signal, "count": count + 1, **sender, "last_s": at}

    def begin_stop(self, signal: str, sender: Mapping[str, Any], at: float) -> None:
        """Note the first stop signal."""
        self.stop = {
            "signal": signal,
            **sender,
            "at_s": at,
            "count": 1,
            "drain_s": 0.0,
            "relayed_as": None,
            "relayed_after_s": None,
            "took_s": None,
            "escalated": [],
        }

    def note_relay(self, received: str, relayed: str, at: float) -> None:
        """Note what the command got for a signal."""
        self._relayed[received] = relayed
        stop = self.stop
        if stop is not None and stop["relayed_as"] is None and received == stop["signal"]:
            stop |= {"relayed_as": relayed, "relayed_after_s": round(at - stop["at_s"], 6)}

    def note_ignored(self, received: str) -> None:
        """Note that nothing came of a signal; one that is a stop does not end the wait then."""
        stop = self.stop
        if self.awaited is not None and stop is not None and received == stop["signal"]:
            stop["dropped"] = True

    def escalate(self, signal: str, after_s: float) -> None:
        """Note a step of the plan of a stop."""
        if self.stop is not None:
            self.stop["escalated"].append({"signal": signal, "after_s": after_s})

    def begin_teardown(self, leftovers: list[str], count: int | None, grace_s: float) -> None:
        """Note who lives on after the command; ``count`` is None where nobody has counted."""
        self.teardown = {
            "leftovers": leftovers,
            "count": count,
            "grace_s": grace_s,
            "killed": [],
            "kills": 0,
            "reaped": 0,
            "blocked": [],
            "took_s": None,
        }

    def known(self) -> dict[str, Any]:
        """Return the facts as the fields of a report."""
        return {
            "role": self.role,
            "child": self.child,
            "stop": self.stop,
            "awaited": self.awaited,
            "teardown": self.teardown,
            "signals": [
                each | {"relayed_as": self._relayed.get(each["signal"])}
                for each in self._signals.values()
            ],
            "signals_dropped": self.signals_dropped,
            "orphans": self.orphans,
            "oom_kills": self.oom_kills,
        }
