"""Who is left and how to reach them: the PID namespace, or the descendants when not PID 1.

`Namespace` needs no /proc: kill(-1) reaches exactly the namespace and those
nested in it, and no fork escapes it.  `Descendants` finds its processes in
/proc, believes it only if it shows this PID namespace, and has the kernel
confirm each of them before it is signalled.
"""

import _signal
import posix

# Answers of `left`.
NOBODY = 0
CHILDREN = 1  # their end will send SIGCHLD
OUTSIDERS = 2  # entered by setns(2): their parent is outside, so they have to be asked after

# The largest PID there can be; see /proc/sys/kernel/pid_max in proc(5).
PID_MAX_LIMIT = 4_194_304
_WALL = 0x40000000  # also those not made by fork(2); see waitpid(2)
_PEEK = posix.WEXITED | posix.WNOHANG | posix.WNOWAIT
_MOST_LOOKS = 8
_MOST_SWEEPS = 100


class Process:
    """One line of /proc/PID/stat: state is a letter, start counts clock ticks since boot."""

    __slots__ = ("parent", "pid", "start", "state", "threads")

    def __init__(self, pid: int, proc: int) -> None:
        """Read it below ``proc``, a descriptor of /proc.  Raises OSError: no such process."""
        fd = posix.open(f"{pid}/stat", posix.O_RDONLY | posix.O_CLOEXEC, dir_fd=proc)
        try:
            line = posix.read(fd, 4096)
        finally:
            posix.close(fd)
        # The name may hold spaces and parentheses: the fields begin after the last one.
        fields = line.rpartition(b")")[2].split()
        self.pid = pid
        self.state = fields[0].decode()
        self.parent = int(fields[1])
        self.threads = int(fields[17])
        self.start = int(fields[19])

    @property
    def is_zombie(self) -> bool:
        """Whether it has ended, all its threads with it, and waits to be reaped."""
        return self.state in "ZX" and self.threads <= 1


def _read(path: str, proc: int) -> bytes:
    fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC, dir_fd=proc)
    try:
        blocks = []
        while block := posix.read(fd, 65536):
            blocks.append(block)
        return b"".join(blocks)
    finally:
        posix.close(fd)


class Proc:
    """/proc, for a ``with`` statement: a descriptor, or None unless it shows our PID namespace.

    Held open, so that what was believed is what is read, whatever somebody
    mounts over it meanwhile.
    """

    __slots__ = ("_fd",)

    def __enter__(self) -> int | None:
        """Open it."""
        self._fd = -1
        try:
            self._fd = posix.open("/proc", posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC)
            return self._fd if _shows_us(self._fd) else None
        except OSError:
            return None

    def __exit__(self, *_: object) -> None:
        """Close it."""
        if self._fd >= 0:
            posix.close(self._fd)


def _shows_us(proc: int) -> bool:
    """Return whether this /proc numbers processes as we do.  Raises OSError: it does not.

    NSpid lists our number in each namespace from that of /proc inwards, so
    another's /proc shows several, or does not show us; see proc(5).
    """
    if posix.readlink("self", dir_fd=proc) != str(posix.getpid()):
        return False
    line = _read("self/status", proc).partition(b"\nNSpid:")[2].partition(b"\n")[0]
    return len(line.split()) <= 1


def proc_is_ours() -> bool:
    """Return whether /proc shows the PID namespace of this process."""
    with Proc() as proc:
        return proc is not None


def _snapshot(proc: int) -> dict[int, Process]:
    """Return every process that /proc shows, by PID."""
    table = {}
    for name in posix.listdir(proc):
        if name.isdecimal():
            try:
                table[int(name)] = Process(int(name), proc)
            except OSError:
                continue  # it ended meanwhile, or is hidden from us
    return table


def _has_children() -> bool:
    """Return whether this process has any child, ended or not; waitid(2) knows without /proc."""
    try:
        posix.waitid(posix.P_ALL, 0, _PEEK | _WALL)
    except ChildProcessError:
        return False
    return True


def _all_children_live() -> bool:
    """Return whether this process has children, and none that could be reaped now."""
    try:
        return posix.waitid(posix.P_ALL, 0, _PEEK | _WALL) is None
    except ChildProcessError:
        return False


class Namespace:
    """All processes of the PID namespace whose init this process is."""

    def left(self) -> int:
        """Return whether anybody is left: NOBODY, CHILDREN or OUTSIDERS."""
        if _has_children():
            return CHILDREN
        try:
            posix.kill(-1, 0)
        except ProcessLookupError:
            return NOBODY
        except OSError:
            pass  # EPERM: somebody is there whom we may not signal
        # A zombie of an outside parent answers too, but is nobody to wait for.
        others = self.everybody()
        return NOBODY if others and all(process.is_zombie for process in others) else OUTSIDERS

    def signal(self, *numbers: int) -> None:
        """Send signals to everybody, one after the other; see kill(2).

        No error: they may be gone.
        """
        for number in numbers:
            try:
                posix.kill(-1, number)
            except OSError:
                pass  # ESRCH: nobody left; EPERM: all of them under users we may not signal

    def everybody(self) -> list[Process]:
        """Return all but this process, zombies too, as far as /proc tells."""
        with Proc() as proc:
            if proc is None:
                return []
            table = _snapshot(proc)
        table.pop(posix.getpid(), None)
        return list(table.values())

    def leftovers(self) -> list[Process]:
        """Return who is left and no zombie, as far as /proc tells."""
        return [process for process in self.everybody() if not process.is_zombie]


class Descendants:
    """All descendants of this process, a child subreaper."""

    def left(self) -> int:
        """Return NOBODY or CHILDREN: a descendant's line leads to a child of ours."""
        return CHILDREN if _has_children() else NOBODY

    def signal(self, *numbers: int) -> None:
        """Send signals to every descendant, one after the other.  No error: they may be gone.

        Looks again, for they may be forking, until a look finds nobody new; but
        not for ever, since what was killed has to be reaped as well.
        """
        reached: set[int] = set()
        with Proc() as proc:
            if proc is not None:
                for _ in range(_MOST_LOOKS):
                    if not _signal_new(_family(proc), reached, numbers, proc):
                        break
                _signal_children(reached, numbers, proc)
        if not reached and _all_children_live():
            for pid in _children_without_proc():
                _kill(pid, numbers)

    def everybody(self) -> list[Process]:
        """Return the descendants, zombies too, as far as /proc tells, parents first."""
        with Proc() as proc:
            return [] if proc is None else _family(proc)

    def leftovers(self) -> list[Process]:
        """Return the descendants that are no zombies, as far as /proc tells, parents first."""
        return [process for process in self.everybody() if not process.is_zombie]


def _family(proc: int) -> list[Process]:
    """Return our descendants, parents first."""
    children: dict[int, list[Process]] = {}
    for process in _snapshot(proc).values():
        children.setdefault(process.parent, []).append(process)
    found = children.get(posix.getpid(), [])
    for process in found:  # which grows while it is walked
        # A child is never older than its parent: a number used anew shows by that.
        found += [p for p in children.get(process.pid, ()) if p.start >= process.start]
    return found


def _signal_new(
    family: list[Process], reached: set[int], numbers: tuple[int, ...], proc: int
) -> bool:
    """Signal those of ``family`` who are not in ``reached``, and add them; return if any."""
    new = [p for p in family if not p.is_zombie and p.pid not in reached]
    for process in new:
        reached.add(process.pid)
        _send(process, numbers, proc)
    return bool(new)


def _send(process: Process, numbers: tuple[int, ...], proc: int) -> None:
    """Signal ``process`` if it still is the one that was found."""
    if process.parent == posix.getpid() and _is_child(process.pid):
        _kill(process.pid, numbers)
        return
    try:
        fd = posix.pidfd_open(process.pid, 0)
    except OSError:
        return  # ESRCH: it ended
    try:
        if Process(process.pid, proc).start == process.start:
            for number in numbers:
                _signal.pidfd_send_signal(fd, number)
    except OSError:
        pass  # it ended, or is under a user whom we may not signal
    finally:
        posix.close(fd)


def _kill(pid: int, numbers: tuple[int, ...]) -> None:
    """Signal a child: only we reap it, so its number cannot have been used anew."""
    for number in numbers:
        try:
            posix.kill(pid, number)
        except OSError:
            pass  # EPERM: a set-user-ID program; ESRCH cannot be, as long as it is not reaped


def _is_child(pid: int) -> bool:
    try:
        posix.waitid(posix.P_PID, pid, _PEEK | _WALL)
    except ChildProcessError:
        return False
    return True


def _signal_children(reached: set[int], numbers: tuple[int, ...], proc: int) -> None:
    """Signal our children who are not in ``reached``, and add them.

    Those whom /proc hides (hidepid) stand in /proc/PID/task/TID/children all the
    same, where the kernel has it.  It is also read in no time: SIGKILL is sent on
    to whoever becomes our child by it, for a process that forks and ends, and
    its child too, and so on, is gone whenever all of /proc has been read.
    """
    own = posix.getpid()
    path = f"{own}/task/{own}/children"
    sweeps = _MOST_SWEEPS if _signal.SIGKILL in numbers else 1
    for _ in range(sweeps):
        try:
            new = {int(word) for word in _read(path, proc).split()} - reached
        except OSError:
            break
        if not new:
            break
        for pid in new:
            if _is_child(pid):
                _kill(pid, numbers)
        reached |= new


def _children_without_proc() -> list[int]:
    """Return the PIDs of our children by asking the kernel after one number after the other.

    For when /proc is missing, of another namespace, or hides them.  Their own
    children become ours when they end, and are found the next time.  Numbers
    are given out in turn, so those from ours to that of a new process come
    first; all 4 million take seconds.
    """
    own = posix.getpid()
    newest = _newest_pid()
    near = range(own + 1 if newest > own else 2, newest)
    return [*filter(_is_child, near)] or [*filter(_is_child, range(2, PID_MAX_LIMIT))]


def _newest_pid() -> int:
    try:
        pid = posix.fork()
    except OSError:
        return 0
    if pid == 0:
        posix._exit(0)
    posix.waitpid(pid, 0)
    return pid
