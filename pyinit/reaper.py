"""Who has ended, and what is said of it; see wait(2).

Children that somebody has to do with are in the table ``known``; all others are orphans.
"""

import posix

from pyinit import events, signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pyinit.kernel.kills import Killed, Kills
    from pyinit.log.orphans import Orphans

    # Called with the PID and the wait status: of an end, a stop or a continuation.
    OnChange = Callable[[int, int], None]

# So many are reaped before whatever else is due, which takes some 3 microseconds each.
MOST = 1000
_LONG = 125  # for as many counts a known child: there is more to be done

# The low bits of a wait status of which more has to be done than to count it: a stop or a
# continuation, and the SIGKILL that may have been the OOM killer's.
_LOOKED_AT = (signals.STOPPED, signals.KILLED)

# So many turns are for those who have ended with the main child.
_MOST_TURNS_AT_END = 200


class Reaper:
    """Reaps whoever has ended, and tells those who want to know.

    ``known`` are the children that are no orphans, by PID.  ``is_behind`` says that there may be
    more to be reaped than one turn of the loop may.  ``signalled`` are children that were sent
    SIGTERM: whoever is reaped is taken out, for the number can be used anew then.
    """

    def __init__(self, log: events.Log, kills: "Kills | None" = None) -> None:
        self.log = log
        self.known: dict[int, OnChange] = {}
        self.is_behind = False
        self.has_killed = False  # by SIGKILL; whoever dies by one else may be the OOM killer's
        self.signalled: set[int] = set()
        # How the next one is reaped where orphans are told of; see `pyinit.log.orphans`.
        self.orphans: Orphans | None = None
        self.on_oom: Callable[[], None] | None = None  # after the kernel has killed somebody
        self.kills = kills
        self._killed: list[Killed] = []  # since OOM kills were looked for
        self._room = MOST  # for children to be reaped in this turn

    def begin_turn(self) -> None:
        """Let as many be reaped as one turn of the loop may."""
        self._room = MOST

    def reap(self) -> int:
        """Reap those who have ended, and tell of the changes of those who are known.

        Return how many of them there were.  There may be more where ``is_behind`` says so.
        """
        found = self._reap_all()
        if self._killed or self.on_oom is not None:
            self.log.guard(self.look_for_oom)
        return found

    def _reap_all(self) -> int:
        """Reap as many as this turn may, and return how many there were."""
        orphans, known, signalled = self.orphans, self.known, self.signalled
        is_plain = orphans is None and self.log.counted is None
        counted = {} if orphans is not None or self.log.counted is None else self.log.counted
        found, room = 0, self._room
        self.is_behind = True
        while room > 0:
            try:
                if orphans is not None:
                    pid, status = orphans.reap_next(known)
                elif is_plain and not signalled:
                    passed, pid, status = _reap_plain(known, room)
                    found += passed
                    room -= passed
                else:
                    pid, status = posix.waitpid(-1, signals.WAIT)
            except ChildProcessError:
                self.ask_after_known()
                pid, status = 0, 0
            except BaseException:
                self.ask_after_known()
                raise
            if pid == 0:
                self.is_behind = False
                break
            found += 1
            room -= 1 if orphans is None else orphans.cost
            if status & 0xFF == signals.STOPPED and self._is_released(pid, status):
                continue
            if pid in known or signals.is_alive(status):
                room -= _LONG
                self.tell_of(pid, status)
                continue
            signalled.discard(pid)
            counted[status] = counted.get(status, 0) + 1
            if status == signals.KILLED and not self._killed and not self.has_killed:
                # One is enough to look for OOM kills; there may be thousands.
                self._killed.append((pid, orphans.name if orphans is not None else None))
        self._room = room
        return found

    def tell_of(self, pid: int, status: int) -> None:
        """Tell of a change of a known child; nobody is told that an orphan was stopped."""
        on_change = self.known.get(pid)
        if on_change is None:
            return
        if not signals.is_alive(status):
            del self.known[pid]
        on_change(pid, status)

    def ask_after_known(self) -> None:
        """Take known children for ended that cannot be waited for.

        Their status has gone with a failure on the way from the kernel to us (no memory), or to
        another thread of the program around us.
        """
        for pid in tuple(self.known):
            try:
                found, status = posix.waitpid(pid, signals.WAIT)
            except ChildProcessError:
                self.tell_of(pid, signals.LOST)
                code = signals.exit_code(signals.LOST)
                self.log.emit(events.ERROR, "child_status_lost", pid=pid, exit_code=code)
            else:
                if found:
                    self.tell_of(pid, status)

    def catch_up(self) -> None:
        """Reap those who have ended by now, for they are nobody to be ended."""
        for _ in range(_MOST_TURNS_AT_END):
            if not self.is_behind:
                break
            self.begin_turn()
            self.reap()

    def _is_released(self, tid: int, status: int) -> bool:
        """Return whether ptrace(2), not job control, had stopped a thread, which goes on now."""
        number = signals.stop_signal(status)
        try:
            from pyinit.kernel import job

            released = job.release_tracee(tid, number)
        except Exception as error:
            # The status is in our hand: taken for a stop of job control it is not lost.
            self.log.emit(events.ERROR, "internal_error", error=repr(error))
            return False
        if released and self.log.level >= events.DEBUG:
            self.log.emit(events.DEBUG, "tracee_released", pid=tid, signal=signals.name(number))
        return released

    def note_kill(self, pid: int, name: str | None) -> None:
        """Keep in mind that a known child was killed, perhaps by the OOM killer."""
        if not self.has_killed:
            self._killed.insert(0, (pid, name))  # its end matters most

    def look_for_oom(self) -> None:
        """Tell of OOM kills, and of the first one to whoever wants to know."""
        killed, self._killed = self._killed, []
        if self.kills is None:
            from pyinit.kernel import kills

            self.kills = kills.Kills(late=True)
        if self.kills.report_new_kills(self.log, killed, self.known) and self.on_oom is not None:
            self.on_oom()

    def end(self) -> None:
        """Tell of the OOM kills that have not been told of, and watch for no more."""
        if self.kills is not None:
            self.kills.close()
            self.kills.report_new_kills(self.log, self._killed)


def _reap_plain(known: "dict[int, OnChange]", room: int) -> tuple[int, int, int]:
    """Reap up to ``room`` who have ended, until there is one to be looked at.

    Return how many others there were, and PID and wait status of the last one.  There may be
    thousands, of whom nothing is to be said: this is what an orphan costs.
    """
    wait, flags = posix.waitpid, signals.WAIT
    passed = pid = status = 0
    for passed in range(room):  # noqa: B007 - it is returned
        pid, status = wait(-1, flags)
        if not pid or pid in known or status & 0x7F in _LOOKED_AT:
            break
    return passed, pid, status
