"""OOM kills as events: how many there were since the last look, and who seems to be among them.

Loaded for a record or ``--on-oom``, else when a child was killed by a SIGKILL that we did
not send.
"""

import _signal

from pyinit import events, oom

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# A PID, and the name if it is known.
Killed = tuple[int, "str | None"]


class Kills:
    """The OOM kills of a run, told to a log.

    To be made before the command is started: with ``late`` it has been, and the first
    kills that are told may be older.
    """

    def __init__(self, *, late: bool = False) -> None:
        self.counter = oom.Counter()
        self._is_late = late
        self._told = 0 if late else self.counter.read() or 0
        self._watch: oom.Watch | None = None

    def look(self, log: events.Log, killed: "Sequence[Killed]" = ()) -> bool:
        """Tell of the kills since the last look; return whether there were any.

        ``killed`` are children of ours who have died by a SIGKILL of somebody else since then.
        The kernel does not tell whom it has killed: that the first of them is among the
        victims is most likely.
        """
        total = self.counter.read() or 0
        new, self._told = total - self._told, total
        since = {"since": "the cgroup was made"} if self._is_late else {}
        self._is_late = False
        if new <= 0:
            return False
        fields: dict[str, object] = {"kills": new, "total": total}
        fields["cgroup_version"] = self.counter.version
        for pid, name in killed[:1]:
            fields["pid"] = pid
            if name is not None:
                fields["name"] = name
        log.emit(events.WARNING, "oom_kill", **fields, **since)
        return True

    def watch(self, log: events.Log) -> None:
        """From now on send this thread a SIGCHLD when there are new ones."""
        import _thread

        thread = _thread.get_ident()
        try:
            if self.counter.read() is None:
                raise FileNotFoundError(2, "the kernel counts none for a memory cgroup of our own")
            # To the thread: any other of a program with an init inside may take what comes to all.
            self._watch = oom.Watch(
                self.counter, lambda: _signal.pthread_kill(thread, _signal.SIGCHLD)
            )
        except (OSError, RuntimeError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            log.emit(
                events.WARNING,
                "oom_not_watched",
                reason=reason,
                effect="OOM kills are looked for when a child has ended",
            )

    def close(self) -> None:
        """End the watch."""
        if self._watch is not None:
            self._watch.close()
            self._watch = None
