"""Who is left and how to reach them: the PID namespace, or the descendants when not PID 1.

`Namespace` needs no /proc: kill(-1) reaches exactly the namespace and those
nested in it, and no fork escapes it.  `Descendants` finds its processes in
/proc, believes it only if it shows this PID namespace, and has the kernel
confirm each of them before it is signalled.
"""

import _signal
import posix

from pyinit.environment import read_all

# Answers of `left`.
NOBODY = 0
CHILDREN = 1  # their end will send SIGCHLD
OUTSIDERS = 2  # entered by setns(2): their parent is outside, so they have to be asked after

# The largest PID there can be; see /proc/sys/kernel/pid_max in proc(5).
PID_MAX_LIMIT = 4_194_304
_WALL = 0x40000000  # also those whose end does not send SIGCHLD; see waitpid(2)
_MOST_LOOKS = 8


class Process:
    """One line of /proc/PID/stat: state is a letter, start counts clock ticks since boot."""

    __slots__ = ("parent", "pid", "start", "state", "threads")

    def __init__(self, pid: int) -> None:
        """Read it.  Raises OSError when there is no such process."""
        # The name may hold spaces and parentheses: the fields begin after the last one.
        fields = read_all(f"/proc/{pid}/stat").rpartition(b")")[2].split()
        self.pid = pid
        self.state = fields[0].decode()
        self.parent = int(fields[1])
        self.threads = int(fields[17])
        self.start = int(fields[19])

    @property
    def is_zombie(self) -> bool:
        """Whether it has ended, all its threads with it, and waits to be reaped."""
        return self.state in "ZX" and self.threads <= 1


def proc_is_ours() -> bool:
    """Return whether /proc shows the PID namespace of this process.

    NSpid lists its number in each namespace from that of /proc inwards, so
    another's /proc shows several, or does not show us; see proc(5).
    """
    try:
        status = read_all("/proc/self/status")
        link = posix.readlink("/proc/self")
    except OSError:
        return False
    line = status.partition(b"\nNSpid:")[2].partition(b"\n")[0].split()
    return len(line) <= 1 and link == str(posix.getpid())


def _snapshot() -> dict[int, Process]:
    """Return every process that /proc shows, by PID."""
    table = {}
    for name in posix.listdir("/proc"):
        if name.isdecimal():
            try:
                table[int(name)] = Process(int(name))
            except OSError:
                continue  # it ended meanwhile, or is hidden from us
    return table


def has_children() -> bool:
    """Return whether this process has any child, ended or not; waitid(2) knows without /proc."""
    try:
        posix.waitid(posix.P_ALL, 0, posix.WEXITED | posix.WNOHANG | posix.WNOWAIT | _WALL)
    except ChildProcessError:
        return False
    return True


class Namespace:
    """All processes of the PID namespace whose init this process is."""

    def left(self) -> int:
        """Return whether anybody is left: NOBODY, CHILDREN or OUTSIDERS."""
        if has_children():
            return CHILDREN
        try:
            posix.kill(-1, 0)
        except ProcessLookupError:
            return NOBODY
        except OSError:
            pass  # EPERM: somebody is there whom we may not signal
        return OUTSIDERS if self.leftovers() or not proc_is_ours() else NOBODY

    def signal(self, number: int) -> None:
        """Send signal ``number`` to everybody; see kill(2).  No error: they may be gone."""
        try:
            posix.kill(-1, number)
        except OSError:
            pass  # ESRCH: nobody left; EPERM: all of them under users we may not signal

    def leftovers(self) -> list[Process]:
        """Return who is left and no zombie, as far as /proc tells."""
        if not proc_is_ours():
            return []
        table = _snapshot()
        table.pop(posix.getpid(), None)
        return [process for process in table.values() if not process.is_zombie]


class Descendants:
    """All descendants of this process, a child subreaper."""

    def left(self) -> int:
        """Return NOBODY or CHILDREN: a descendant's line leads to a child of ours."""
        return CHILDREN if has_children() else NOBODY

    def signal(self, number: int) -> None:
        """Send signal ``number`` to every descendant.  No error: they may be gone.

        Looks again, for they may be forking, until a look finds nobody new; but
        not for ever, since what was killed has to be reaped as well.
        """
        reached: set[tuple[int, int]] = set()
        for _ in range(_MOST_LOOKS):
            family = self._family()
            if not family and has_children():
                for pid in _children_without_proc():
                    _kill(pid, number)
                return
            new = [p for p in family if not p.is_zombie and (p.pid, p.start) not in reached]
            for process in new:
                reached.add((process.pid, process.start))
                _send(process, number)
            if not new:
                return

    def leftovers(self) -> list[Process]:
        """Return the descendants that are no zombies, as far as /proc tells, parents first."""
        return [process for process in self._family() if not process.is_zombie]

    def _family(self) -> list[Process]:
        if not proc_is_ours():
            return []
        children: dict[int, list[Process]] = {}
        for process in _snapshot().values():
            children.setdefault(process.parent, []).append(process)
        found = children.get(posix.getpid(), [])
        for process in found:  # which grows while it is walked
            # A child is never older than its parent: a number used anew shows by that.
            found += [p for p in children.get(process.pid, ()) if p.start >= process.start]
        return found


def _send(process: Process, number: int) -> None:
    """Signal ``process`` if it still is the one that was found."""
    if process.parent == posix.getpid():
        # Our own child: only we reap it, so its number cannot have been used anew.
        _kill(process.pid, number)
        return
    try:
        fd = posix.pidfd_open(process.pid, 0)
    except OSError:
        return  # ESRCH: it ended
    try:
        if Process(process.pid).start == process.start:
            _signal.pidfd_send_signal(fd, number)
    except OSError:
        pass  # it ended, or is under a user whom we may not signal
    finally:
        posix.close(fd)


def _kill(pid: int, number: int) -> None:
    try:
        posix.kill(pid, number)
    except OSError:
        pass  # EPERM: a set-user-ID program; ESRCH cannot be, as long as it is not reaped


def _children_without_proc() -> list[int]:
    """Return the PIDs of our children by asking the kernel after one number after the other.

    For when /proc is missing, of another namespace, or hides them.  Their own
    children become ours when they end, and are found the next time.  Numbers
    are given out in turn, so those from ours to that of a new process come
    first; all 4 million take seconds.
    """
    own = posix.getpid()
    newest = _newest_pid()
    return _ours_among(range(own + 1, newest)) or _ours_among(range(2, PID_MAX_LIMIT))


def _newest_pid() -> int:
    try:
        pid = posix.fork()
    except OSError:
        return 0
    if pid == 0:
        posix._exit(0)
    posix.waitpid(pid, 0)
    return pid


def _ours_among(numbers: range) -> list[int]:
    found = []
    for pid in numbers:
        try:
            posix.waitid(posix.P_PID, pid, posix.WEXITED | posix.WNOHANG | posix.WNOWAIT | _WALL)
        except ChildProcessError:
            continue
        found.append(pid)
    return found
