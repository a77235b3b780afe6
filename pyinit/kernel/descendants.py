"""All descendants of a process that is not PID 1, and how to reach each and nobody else.

They are found in /proc, and the kernel has to confirm each of them before it is
signalled.  Without /proc it can be asked for children only, one number after the other.
"""

import _signal
import errno
import posix

from pyinit import environment, signals
from pyinit.kernel import pidfds, proc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# The largest PID there can be, and one more; see /proc/sys/kernel/pid_max in proc(5).
PID_MAX_LIMIT = 4_194_304
_MOST_LOOKS = 8
_MOST_SWEEPS = 100
# So many numbers are asked for in a row, 1.5 µs each: signals and deadlines come in between.
# At first it is the few, and where a child was found, whose own children often have the next ones.
_FEW = 256
_MOST = 16_384
# What fails so often counts as what cannot be had.
_MOST_FAILURES = 10


class Sending:
    """Signals on their way to every descendant, one after the other, and once each.

    No error where one is gone.  ``found`` are the PIDs of children that were found before,
    for when there is no /proc.  ``but`` are children who are not to be signalled.
    """

    def __init__(
        self, numbers: tuple[int, ...], found: "Iterable[int]" = (), but: "Iterable[int]" = ()
    ) -> None:
        self.numbers = numbers
        # By PID; None: not seen in /proc.
        self.reached: dict[int, proc.ProcessStat | None] = dict.fromkeys(but)
        self.ended: set[int] = set()  # those of them that had before, which /proc tells else
        self.is_refused = False  # by one whom we may not signal
        self._found = found
        self._failures = 0
        self._candidates: _Numbers | None = None
        self._place = 0  # among them
        self._slice = _FEW

    def go_on(self) -> bool:
        """Signal those who can be reached now, and return whether nobody else is to be.

        Otherwise something failed that may succeed the next time, or there are numbers left
        to be asked for.
        """
        if self._candidates is None:
            if not self._has_used_proc() and self._failures < _MOST_FAILURES:
                self._failures += 1
                return False
            if self.reached:
                return True
        try:
            if posix.waitid(posix.P_ALL, 0, signals.PEEK) is not None:
                return False  # the children of one who waits to be reaped are ours already
        except ChildProcessError:
            return True
        except OSError:
            pass  # a filter, seccomp(2), that does not know it
        return self._has_asked_for_all()

    def found(self) -> list[int]:
        """Return the PIDs of those who were reached without /proc."""
        return [pid for pid, process in self.reached.items() if process is None]

    def _has_used_proc(self) -> bool:
        """Signal those whom /proc shows; return whether nothing failed on the way.

        Looks again, for they may be forking, until a look finds nobody new; but
        not for ever, since what was killed has to be reaped as well.
        """
        ours = proc.Ours()
        missed: list[int] = []
        with ours as directory:
            if directory is None:
                return not ours.has_failed
            try:
                for _ in range(_MOST_LOOKS):
                    if not self._signal_new(_family(directory, missed), directory, missed):
                        break
                self._signal_children(directory)
            except OSError as error:
                return not proc.is_passing(error)
        return not missed

    def _signal_new(
        self, family: list[proc.ProcessStat], directory: int, missed: list[int]
    ) -> bool:
        """Signal those of ``family`` who were not reached before; return if there are any.

        ``missed`` gets those where that failed for now.
        """
        new = [p for p in family if not p.is_zombie and p.pid not in self.reached]
        for process in new:
            try:
                self._send(process, directory)
            except OSError as error:
                if proc.is_passing(error):
                    missed.append(process.pid)
                    continue
            self.reached[process.pid] = process
        return bool(new)

    def _send(self, process: proc.ProcessStat, directory: int) -> None:
        """Signal ``process`` if it still is the one that was found.

        Raises OSError: it is gone, or could not be looked at.
        """
        if process.parent == posix.getpid():
            if _is_child(process.pid):
                self._kill(process.pid)
            return
        try:
            fd = pidfds.pidfd_open(process.pid, 0)
        except OSError as error:
            if error.errno not in (errno.ENOSYS, errno.EPERM):
                raise
            # An old kernel or a filter: what it takes to mistake another one for it is that
            # the numbers are used up once between two system calls.
            if proc.ProcessStat(process.pid, directory).start == process.start:
                self._kill(process.pid)
            return
        try:
            if proc.ProcessStat(process.pid, directory).start == process.start:
                for number in self.numbers:
                    pidfds.pidfd_send_signal(fd, number)
        except PermissionError:
            self.is_refused = True
        finally:
            posix.close(fd)

    def _kill(self, pid: int) -> None:
        """Signal a child: only we reap it, so its number cannot have been used anew."""
        for number in self.numbers:
            try:
                posix.kill(pid, number)
            except PermissionError:
                self.is_refused = True  # as by a set-user-ID program
            except OSError:
                pass  # ESRCH: one that is no child, and has ended

    def _signal_children(self, directory: int) -> None:
        """Signal our children who were not reached before.  Raises OSError.

        Those whom /proc hides (hidepid) stand in /proc/PID/task/TID/children all the
        same, where the kernel has it.  It is also read in no time: SIGKILL is sent on
        to whoever becomes our child by it, for a process that forks and ends, and
        its child too, and so on, is gone whenever all of /proc has been read.
        """
        own = posix.getpid()
        path = f"{own}/task/{own}/children"
        sweeps = _MOST_SWEEPS if _signal.SIGKILL in self.numbers else 1
        seen = set(self.reached)
        for _ in range(sweeps):
            words = proc.read(path, directory).split()
            new = {int(word) for word in words if word.isdigit()} - seen
            if not new:
                break
            for pid in new:
                self._kill_child(pid)
            seen |= new

    def _kill_child(self, pid: int) -> bool:
        """Signal process ``pid`` if it is a child of ours, and return whether it is."""
        if not _is_child(pid):
            return False
        if _has_ended(pid):
            self.ended.add(pid)
        self._kill(pid)
        self.reached[pid] = None
        return True

    def _has_asked_for_all(self) -> bool:
        """Ask the kernel for the next numbers, and signal our children among them.

        For when /proc is missing, of another namespace, or hides them.  Return
        whether there are no more numbers.
        """
        if self._candidates is None:
            self._candidates = _Numbers()
            for pid in self._found:
                self._kill_child(pid)
        self._go_back(self._candidates)
        end = self._place + self._slice
        self._slice = min(2 * self._slice, _MOST)
        for place, pid in self._candidates.part(self._place, end):
            if place >= end:
                break
            if pid not in self.reached and self._kill_child(pid):
                end = min(end, place + _FEW)
                self._slice = _FEW
        self._place = end
        return self._place >= len(self._candidates)

    def _go_back(self, candidates: "_Numbers") -> None:
        """Ask again from those on who have been reaped: their own children are ours now."""
        for pid in [pid for pid in self.reached if not _is_child(pid)]:
            self._place = min(self._place, candidates.place(pid))
            self._slice = _FEW
            del self.reached[pid]


class _Numbers:
    """All numbers that a child of ours can have, the likely ones first.

    Numbers are given out in turn, so those from ours to that of a new process come first. Where
    they have begun anew since our start, at 300, the new one's is mostly the lower.
    """

    def __init__(self) -> None:
        own, newest = posix.getpid(), _newest_pid()
        after = range(max(own, newest) + 1, PID_MAX_LIMIT)
        before = range(2, min(own, newest))
        between = range(min(own, newest) + 1, max(own, newest))
        self._ranges = (between, after, before) if newest > own else (before, after, between)

    def __len__(self) -> int:
        return sum(map(len, self._ranges))

    def place(self, pid: int) -> int:
        """Return the place of a number."""
        begin = 0
        for numbers in self._ranges:
            if pid in numbers:
                return begin + numbers.index(pid)
            begin += len(numbers)
        return 0

    def part(self, start: int, end: int) -> "Iterator[tuple[int, int]]":
        """Return the numbers from place ``start`` to ``end``, each with its place."""
        begin = 0
        for numbers in self._ranges:
            places = range(max(start, begin), min(end, begin + len(numbers)))
            for place in places:
                yield place, numbers[place - begin]
            begin += len(numbers)


def everybody() -> list[proc.ProcessStat]:
    """Return the descendants, zombies too, as far as /proc tells, parents first.

    Raises OSError.
    """
    with proc.Ours() as directory:
        return [] if directory is None else _family(directory)


def _family(directory: int, missed: list[int] | None = None) -> list[proc.ProcessStat]:
    """Return our descendants, parents first; see `pyinit.kernel.proc.snapshot`.  Raises OSError."""
    children: dict[int, list[proc.ProcessStat]] = {}
    for process in proc.snapshot(directory, missed).values():
        children.setdefault(process.parent, []).append(process)
    found = children.get(posix.getpid(), [])
    for process in found:  # which grows while it is walked
        # A child is never older than its parent: a number used anew shows by that.
        found += [p for p in children.get(process.pid, ()) if p.start >= process.start]
    return found


def _is_child(pid: int) -> bool:
    try:
        posix.waitid(posix.P_PID, pid, signals.PEEK)
    except ChildProcessError:
        return False
    except OSError:
        return _is_live_child(pid)
    return True


def _has_ended(pid: int) -> bool:
    """Return whether process ``pid``, a child of ours, is a zombie."""
    try:
        return posix.waitid(posix.P_PID, pid, signals.PEEK) is not None
    except OSError:
        return False  # a filter, seccomp(2), with which `_is_child` has found it alive


def _is_live_child(pid: int) -> bool:
    """Return the same where a filter, seccomp(2), does not know waitid(2); reaps an ended one."""
    try:
        return posix.waitpid(pid, signals.REAP) == (0, 0)
    except OSError:
        return False


def _newest_pid() -> int:
    if environment.fork_would_wait():
        return 1
    try:
        pid = posix.fork()
    except OSError:
        return 1
    if pid == 0:
        posix._exit(0)
    posix.waitpid(pid, 0)
    return pid
