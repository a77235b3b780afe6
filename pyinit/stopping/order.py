"""The order in which leftovers are asked to end: parents before their children.

A parent ends its children in its own way, if it is let to: a master lets its workers finish, a
shell waits for its pipeline.  So only those are asked whom no living parent waits for: our own
children, whoever becomes one later, and those who have entered from outside.  See proc(5),
CONFIG_PROC_CHILDREN, and PR_SET_CHILD_SUBREAPER in prctl(2).
"""

import _signal
import posix

from pyinit import environment, scope
from pyinit.kernel import proc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# Looking for new children takes no more than this part of the time.
_SHARE = 0.2


class Order:
    """Our children, as they come; /proc is held open until `close`.

    ``asked`` are those whom somebody has asked already.  ``now`` is a clock, in seconds.
    ``group_asked`` is a process group that was sent TERM, and when, in clock ticks since the boot.
    """

    def __init__(
        self,
        asked: set[int],
        now: "Callable[[], float]",
        group_asked: tuple[int, int] | None = None,
    ) -> None:
        self._asked = asked
        self._now = now
        self._group_asked = group_asked
        self._ours = proc.Ours()
        self._directory = self._ours.__enter__()
        self._next_look = 0.0
        self._bypassed: list[proc.ProcessStat] = []  # who were asked before their parents ended

    def close(self) -> None:
        """Close /proc."""
        self._directory = None
        self._ours.__exit__()

    def is_open(self) -> bool:
        """Return whether there is a /proc that shows our PID namespace."""
        return self._directory is not None

    def many(self, most: int) -> set[int]:
        """Return our children if there are more than ``most``, and /proc shows all there are.

        Raises OSError.
        """
        if self._directory is None:
            return set()
        found = _children(self._directory)
        return found if len(found) > most and not _hides(self._directory) else set()

    def begin(self) -> tuple[list[proc.ProcessStat], set[int]]:
        """Return who has entered, and the children that are to be asked.

        Closed afterwards if no parent waits for somebody, or /proc does not tell.  Raises OSError.
        """
        try:
            entered, is_deep = self._find_entered()
            if is_deep or (self._group_asked is not None and self.is_open()):
                return entered, self.adopted()
        except BaseException:
            self.close()
            raise
        self.close()
        return [], set()

    def _find_entered(self) -> tuple[list[proc.ProcessStat], bool]:
        """Return those whose parent is outside, and whether a parent waits for somebody.

        No one is where /proc does not tell, or may not tell of all.  Raises OSError.
        """
        directory = self._directory
        if directory is None:
            return [], False
        own, ours = posix.getpid(), _children(directory)
        entered: list[proc.ProcessStat] = []
        is_deep = False
        for pid in set(proc.pids(directory)) - ours - {own}:
            try:
                process = proc.ProcessStat(pid, directory)
            except OSError:
                continue  # it has ended
            if own != 1:
                # Others than our descendants are there as well.
                if process.parent in ours:
                    return [], not _hides(directory)
            elif process.parent == 0:
                entered.append(process)
            else:
                is_deep = True
        return entered, is_deep and not _hides(directory)

    def still(self, processes: "Iterable[proc.ProcessStat]") -> set[int]:
        """Return those PIDs that mean the same process as before."""
        found: set[int] = set()
        for process in processes:
            try:
                if self._directory is not None:
                    now = proc.ProcessStat(process.pid, self._directory)
                    found.update([now.pid] if now.start == process.start else [])
            except OSError:
                pass  # it has ended
        return found

    def reached(self) -> set[int]:
        """Return who was in the process group that was asked, at that time.

        One who was forked within 10 ms counts as one who was not; and so do all where /proc does
        not tell, for to be asked twice is less than never.
        """
        found: set[int] = set()
        if self._directory is None or self._group_asked is None:
            return found
        group, ticks = self._group_asked
        try:
            listed = proc.pids(self._directory)
        except OSError:
            return found
        for pid in listed:
            try:
                start = proc.ProcessStat(pid, self._directory).start
                if posix.getpgid(pid) == group and start < ticks:
                    found.add(pid)
            except OSError:
                pass  # it has ended
        return found

    def bypassed(self, reached: "Iterable[int]" = ()) -> list[int]:
        """Return those who are to be asked although a parent lives, for it does not act on TERM.

        That is one who was asked, as those of ``reached`` were, and ignores TERM or has not taken
        it.  Whoever has taken it is let to end its children in its own way.  Raises OSError.
        """
        directory = self._directory
        if directory is None:
            return []
        asked = self._asked.union(reached)
        deaf: dict[int, bool] = {}
        for process in proc.snapshot(directory).values():
            parent = process.parent
            if parent not in asked or process.pid in asked or process.is_zombie:
                continue
            if parent not in deaf:
                deaf[parent] = _is_deaf(parent, directory)
            if deaf[parent]:
                self._bypassed.append(process)
        return [process.pid for process in self._bypassed]

    def still_bypassed(self) -> set[int]:
        """Return who of those is there."""
        return self.still(self._bypassed)

    def adopted(self) -> set[int]:
        """Return our children who were not asked yet; nobody where it is too early to look.

        Raises OSError.
        """
        began = self._now()
        if self._directory is None or began < self._next_look:
            return set()
        found = _children(self._directory) - self._asked
        if self._bypassed:
            known = found & self.still(self._bypassed)
            self._asked.update(known)
            found -= known
        took_s = self._now() - began
        self._next_look = began + took_s / _SHARE
        return found


def _is_deaf(pid: int, directory: int) -> bool:
    """Return whether a process that was sent TERM ignores it, or has not taken it; see proc(5)."""
    try:
        status = proc.read(f"{pid}/status", directory)
    except OSError:
        return False  # it has ended
    if scope.is_refused(pid):
        return True
    return any(
        proc.status_mask(status, field) >> _signal.SIGTERM - 1 & 1
        for field in (b"SigIgn", b"SigPnd", b"ShdPnd")
    )


def own_children() -> set[int]:
    """Return our children, ended ones too; nobody where /proc does not tell."""
    try:
        with proc.Ours() as directory:
            return set() if directory is None else _children(directory)
    except OSError:
        return set()


def _children(directory: int) -> set[int]:
    """Return our children, those of each thread, ended ones too.  Raises OSError."""
    own = posix.getpid()
    try:
        found: set[int] = set()
        for thread in _threads(directory):
            found.update(map(int, proc.read(f"{own}/task/{thread}/children", directory).split()))
    except FileNotFoundError:
        # A kernel without CONFIG_PROC_CHILDREN.
        return {p.pid for p in proc.snapshot(directory).values() if p.parent == own}
    return found


def _threads(directory: int) -> list[str]:
    fd = posix.open(f"{posix.getpid()}/task", environment.READ_ONLY, dir_fd=directory)
    try:
        return posix.listdir(fd)
    finally:
        posix.close(fd)


def _hides(directory: int) -> bool:
    """Return whether a /proc may show some processes only (hidepid).  Raises OSError."""
    return b"hidepid=" in proc.read("self/mountinfo", directory)
