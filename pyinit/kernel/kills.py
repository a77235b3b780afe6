"""OOM kills as events: how many there were since the last look, and who seems to be among them.

Loaded for a record or ``--on-oom``, else when a child was killed by a SIGKILL that we did
not send.
"""

import _signal
import posix

from pyinit.kernel import oom, proc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pyinit import events

# PF_EXITING and PF_SIGNALED, of the flags in /proc/PID/stat.
_ENDS = 0x404

# A PID, and the name if it is known.
Killed = tuple[int, "str | None"]


class Kills:
    """The OOM kills of a run, told to a log.

    To be made before the command is started: with ``late`` it has been, and the first
    kills that are told may be older.
    """

    def __init__(self, *, late: bool = False) -> None:
        self.counter = oom.Counter()
        before = None if late else self.counter.read()
        self._is_late = before is None
        self._told = before or 0
        self._watch: oom.Watch | None = None

    def report_new_kills(
        self, log: "events.Log", killed: "Sequence[Killed]" = (), known: "Iterable[int]" = ()
    ) -> bool:
        """Tell of the kills since the last look; return whether there were any.

        ``killed`` are children of ours who have died by a SIGKILL of somebody else since then.
        The kernel does not tell whom it has killed: that the first of them is among the
        victims is most likely.  Where one of ``known`` is about to end it may be the one, and its
        end is waited for: it has SIGCHLD sent.
        """
        total = self.counter.read()
        if total is None:
            return False  # no descriptor is left, perhaps: the next look tells
        if total > self._told and not killed and any(map(_is_ending, known)):
            return False
        since = {"since": "the cgroup was made"} if self._is_late else {}
        self._is_late = False
        if total <= self._told:
            return False
        new, self._told = total - self._told, total
        fields: dict[str, object] = {"kills": new, "total": total}
        fields["cgroup_version"] = self.counter.version
        for pid, name in killed[:1]:
            fields["pid"] = pid
            if name is not None:
                fields["name"] = name
        from pyinit import events  # not before the command is started

        log.emit(events.WARNING, "oom_kill", **fields, **since)
        return True

    def watch(self, log: "events.Log", send: "Callable[[int], None]") -> None:
        """From now on ``send`` us a SIGCHLD when there are new ones."""
        try:
            if self.counter.read() is None:
                raise FileNotFoundError(
                    2, "the kernel counts no OOM kills for a memory cgroup of this container"
                )
            self._watch = oom.Watch(self.counter, lambda: send(_signal.SIGCHLD))
        except (OSError, RuntimeError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            from pyinit import events

            log.emit(
                events.WARNING,
                "oom_not_watched",
                reason=reason,
                effect="pyinit looks for OOM kills when a child has ended",
            )

    def close(self) -> None:
        """End the watch."""
        if self._watch is not None:
            self._watch.close()
            self._watch = None


def stop_once(
    may_stop: "Callable[[], bool]", numbers: frozenset[int], send: "Callable[[int], None]"
) -> "Callable[[], None]":
    """Return what sends us a stop signal, one of ``numbers``, the first time that it may."""
    has_stopped = False

    def stop() -> None:
        nonlocal has_stopped
        if has_stopped or not may_stop():
            return
        has_stopped = True
        # Like all that we are sent it is blocked, and waits to be taken.
        plain = _signal.SIGTERM in numbers or not numbers
        send(_signal.SIGTERM if plain else min(numbers))

    return stop


def to_us(*, has_process: bool) -> "Callable[[int], None]":
    """Return what sends this thread a signal: in a program another thread may take one of ours.

    Where the init ``has_process`` to itself nobody does, and the C library may not know the
    thread's number: after a clone(2) by number (`pyinit.linux.fork_sibling`) musl takes us for our
    parent, also in raise(3), and whoever has that number here would get the signal.
    """
    if has_process:
        return lambda number: posix.kill(posix.getpid(), number)
    import _thread

    thread = _thread.get_ident()
    return lambda number: _signal.pthread_kill(thread, number)


def _is_ending(pid: int) -> bool:
    """Return whether a process has been killed, or has called _exit(2), as far as /proc tells."""
    with proc.Ours() as directory:
        if directory is None:
            return False
        try:
            _, fields = proc.stat_fields(proc.read(f"{pid}/stat", directory))
            status = proc.read(f"{pid}/status", directory)
        except OSError:
            return False
    pending = proc.status_mask(status, b"SigPnd") | proc.status_mask(status, b"ShdPnd")
    return bool(int(fields[6]) & _ENDS or pending >> (_signal.SIGKILL - 1) & 1)
