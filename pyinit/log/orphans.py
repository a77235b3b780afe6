"""What is said of the orphans that are reaped, and kept of them for a report.

Loaded with the supervisor where somebody wants to know.  To reap is more: an orphan costs a
hundred times more to be told of than to be reaped, and a process that leaves one behind after
the other makes them faster than that.
"""

import posix

from pyinit import events, scope, signals, wstatus

try:
    # CPython's wait4() needs it, and would load it with the status in its hand, to be lost if
    # that fails.
    import resource
except ImportError:
    resource = None  # type: ignore[assignment]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyinit.supervisor import Supervisor

# What an orphan costs of whom a line is written, or whom only the record takes, in times of
# what it takes to reap one.
_COST = 125
_COST_KEPT = 8

# So many in a row are told of, and so many where there were more last time.
_MOST = 1000
_FEW = 16


class Orphans:
    """Reaps for ``supervisor``, and tells its log of each orphan in an event of ``level``.

    Those of a row that does not end, as one after the other ends, are counted only.
    """

    def __init__(self, supervisor: "Supervisor", level: int) -> None:
        self.name: str | None = None  # of the one who was reaped last, if it is known
        self._supervisor = supervisor
        self._log = supervisor.log
        self._level = level
        self._is_shown = level <= self._log.shown
        # Looking at each before it is reaped costs two more system calls.
        self._looks = self._is_shown
        self._most = _MOST
        self._told = 0
        self._untold = 0

    @property
    def cost(self) -> int:
        """What to reap the next one costs, in times of what it does where nothing is said."""
        if not self._is_shown:
            return _COST_KEPT
        return _COST if self._told < self._most else 1

    def reap_next(self) -> tuple[int, int]:
        """Reap the next child, and return what waitpid(2) does.  Raises ChildProcessError."""
        self.name = None
        try:
            pid, status = self._reap_told() if self._told < self._most else self._reap_untold()
        except ChildProcessError:
            self._end_row()
            raise
        if pid == 0:
            self._end_row()
        return pid, status

    def _reap_told(self) -> tuple[int, int]:
        name, pid = None, -1
        if self._looks:
            try:
                pid, name = self._look_at_next()
            except ChildProcessError:
                raise
            except Exception as error:
                self._looks = False  # to be reaped is more than to be named
                self._log.emit(events.ERROR, "internal_error", error=repr(error))
        self.name = name
        cpu_s = None
        if resource is None:
            pid, status = posix.waitpid(pid, scope.WAIT)
        else:
            pid, status, used = posix.wait4(pid, scope.WAIT)
            cpu_s = round(used.ru_utime + used.ru_stime, 6)
        if self._is_orphan(pid, status):
            self._told += self._is_shown
            fields = {"name": name, **_end(status), "cpu_s": cpu_s}
            self._log.emit(self._level, "orphan_reaped", pid=pid, **fields)
        return pid, status

    def _reap_untold(self) -> tuple[int, int]:
        pid, status = posix.waitpid(-1, scope.WAIT)
        if self._is_orphan(pid, status):
            self._untold += 1
            if self._log.record is not None:
                try:
                    self._log.record.take("orphan_reaped", _end(status), (0.0, 0.0))
                except Exception:
                    pass  # as in `Log.emit`
        return pid, status

    def _end_row(self) -> None:
        """Nobody else has ended."""
        if self._untold:
            self._log.emit(self._level, "orphans_not_told", count=self._untold)
            self._most = _FEW
        elif self._told:
            self._most = min(_MOST, 2 * self._most)
        self._told = self._untold = 0

    def _is_orphan(self, pid: int, status: int) -> bool:
        return bool(pid) and pid not in self._known() and not wstatus.is_alive(status)

    def _known(self) -> tuple[int, int]:
        """Return those of our children who are no orphans, or 0 for one that is not there."""
        init = self._supervisor
        return init.main if init.alive else 0, init.stop.hook if init.stop is not None else 0

    def _look_at_next(self) -> tuple[int, str | None]:
        """Return who is to be reaped next, or -1, and the name, which is known only until then.

        Where nobody has ended, only the main child's stop is of interest: a
        stopped orphan could be continued, or end, before it is waited for.
        """
        info = posix.waitid(posix.P_ALL, 0, scope.PEEK)
        if info is None:
            return self._known()[0] or -1, None
        if info.si_pid in self._known():
            return info.si_pid, None
        from pyinit.log import names

        return info.si_pid, names.name(info.si_pid)


def _end(status: int) -> dict[str, object]:
    """Return how a process has ended, as fields of an event."""
    number = status & 0x7F
    return {"signal": signals.name(number)} if number else {"exit_code": status >> 8}
