"""What is said of the orphans that are reaped, where a line is written of each.

Loaded with the supervisor where somebody wants to know.  To reap is more: an orphan costs a
hundred times more to be told of than to be reaped, and a process that leaves one behind after
the other makes them faster than that.
"""

import posix

from pyinit import events, signals

try:
    # CPython's wait4() needs it, and would load it with the status in its hand, to be lost if
    # that fails.
    import resource
except ImportError:
    resource = None  # type: ignore[assignment]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

# What an orphan costs of whom a line is written, in times of what it takes to reap one.
_COST = 125

# So many in a row are told of, and so many where there were more last time.
_MOST = 1000
_FEW = 16


class Orphans:
    """Reaps, and tells ``log`` of each orphan in an event of ``level``.

    Those of a row that does not end, as one after the other ends, are counted only.
    """

    def __init__(self, log: events.Log, level: int) -> None:
        self.name: str | None = None  # of the one who was reaped last, if it is known
        self._log = log
        self._level = level
        self._looks = True  # before it is reaped, which costs two more system calls
        self._most = _MOST
        self._told = 0
        self._untold = 0

    @property
    def cost(self) -> int:
        """What to reap the next one costs, in times of what it does where nothing is said."""
        return _COST if self._told < self._most else 1

    def reap_next(self, known: "Collection[int]") -> tuple[int, int]:
        """Reap the next child, and return what waitpid(2) does.  Raises ChildProcessError.

        Those of ``known`` are no orphans.
        """
        self.name = None
        is_told = self._told < self._most
        try:
            pid, status = self._reap_told(known) if is_told else self._reap_untold(known)
        except ChildProcessError:
            self._end_row()
            raise
        if pid == 0:
            self._end_row()
        return pid, status

    def _reap_told(self, known: "Collection[int]") -> tuple[int, int]:
        name, pid = None, -1
        if self._looks:
            try:
                pid, name = _look_at_next(known)
            except ChildProcessError:
                raise
            except Exception as error:
                self._looks = False  # to be reaped is more than to be named
                self._log.emit(events.ERROR, "internal_error", error=repr(error))
        if pid == 0:
            return 0, 0
        self.name = name
        cpu_s = None
        if resource is None:
            pid, status = posix.waitpid(pid, signals.WAIT)
        else:
            pid, status, used = posix.wait4(pid, signals.WAIT)
            cpu_s = round(used.ru_utime + used.ru_stime, 6)
        if _is_orphan(pid, status, known):
            self._told += 1
            fields = {"name": name, **_end(status), "cpu_s": cpu_s}
            self._log.emit(self._level, "orphan_reaped", pid=pid, **fields)
        return pid, status

    def _reap_untold(self, known: "Collection[int]") -> tuple[int, int]:
        pid, status = posix.waitpid(-1, signals.WAIT)
        if _is_orphan(pid, status, known):
            self._untold += 1
            if (counted := self._log.counted) is not None:
                counted[status] = counted.get(status, 0) + 1
        return pid, status

    def _end_row(self) -> None:
        """Nobody else has ended."""
        if self._untold:
            self._log.emit(self._level, "orphans_not_told", count=self._untold)
            self._most = _FEW
        elif self._told:
            self._most = min(_MOST, 2 * self._most)
        self._told = self._untold = 0


def _is_orphan(pid: int, status: int, known: "Collection[int]") -> bool:
    return bool(pid) and pid not in known and not signals.is_alive(status)


def _look_at_next(known: "Collection[int]") -> tuple[int, str | None]:
    """Return who is to be reaped next, or 0, and the name, which is known only until then.

    Where nobody has ended, or was stopped by ptrace(2), only changes of those who are known are
    of interest: an orphan could end meanwhile, and would be reaped without its name.
    """
    info = posix.waitid(posix.P_ALL, 0, signals.PEEK)
    if info is None:
        return next(filter(_has_changed, known), 0), None
    if info.si_pid in known:
        return info.si_pid, None
    from pyinit.log import names

    return info.si_pid, names.name(info.si_pid)


def _has_changed(pid: int) -> bool:
    """Return whether a child was stopped or continued."""
    return posix.waitid(posix.P_PID, pid, signals.PEEK_AT_CHANGE) is not None


def _end(status: int) -> dict[str, object]:
    """Return how a process has ended, as fields of an event."""
    number = status & 0x7F
    return {"signal": signals.name(number)} if number else {"exit_code": status >> 8}
