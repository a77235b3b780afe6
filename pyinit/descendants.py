"""All descendants of a process that is not PID 1, and how to reach each and nobody else.

They are found in /proc, and the kernel has to confirm each of them before it is
signalled.
"""

import _signal
import posix

from pyinit import proc, scope

# The largest PID there can be; see /proc/sys/kernel/pid_max in proc(5).
PID_MAX_LIMIT = 4_194_304
_MOST_LOOKS = 8
_MOST_SWEEPS = 100


def signal(*numbers: int) -> None:
    """Send signals to every descendant, one after the other.  No error: they may be gone.

    Looks again, for they may be forking, until a look finds nobody new; but
    not for ever, since what was killed has to be reaped as well.
    """
    reached: set[int] = set()
    with proc.Ours() as directory:
        if directory is not None:
            for _ in range(_MOST_LOOKS):
                if not _signal_new(_family(directory), reached, numbers, directory):
                    break
            _signal_children(reached, numbers, directory)
    if not reached and _all_children_live():
        for pid in _children_without_proc():
            _kill(pid, numbers)


def everybody() -> list[proc.Process]:
    """Return the descendants, zombies too, as far as /proc tells, parents first."""
    with proc.Ours() as directory:
        return [] if directory is None else _family(directory)


def _family(directory: int) -> list[proc.Process]:
    """Return our descendants, parents first."""
    children: dict[int, list[proc.Process]] = {}
    for process in proc.snapshot(directory).values():
        children.setdefault(process.parent, []).append(process)
    found = children.get(posix.getpid(), [])
    for process in found:  # which grows while it is walked
        # A child is never older than its parent: a number used anew shows by that.
        found += [p for p in children.get(process.pid, ()) if p.start >= process.start]
    return found


def _signal_new(
    family: list[proc.Process],
    reached: set[int],
    numbers: tuple[int, ...],
    directory: int,
) -> bool:
    """Signal those of ``family`` who are not in ``reached``, and add them; return if any."""
    new = [p for p in family if not p.is_zombie and p.pid not in reached]
    for process in new:
        reached.add(process.pid)
        _send(process, numbers, directory)
    return bool(new)


def _send(process: proc.Process, numbers: tuple[int, ...], directory: int) -> None:
    """Signal ``process`` if it still is the one that was found."""
    if process.parent == posix.getpid() and _is_child(process.pid):
        _kill(process.pid, numbers)
        return
    try:
        fd = posix.pidfd_open(process.pid, 0)
    except OSError:
        return  # ESRCH: it ended
    try:
        if proc.Process(process.pid, directory).start == process.start:
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
        posix.waitid(posix.P_PID, pid, scope.PEEK)
    except ChildProcessError:
        return False
    return True


def _signal_children(reached: set[int], numbers: tuple[int, ...], directory: int) -> None:
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
            new = {int(word) for word in proc.read(path, directory).split()} - reached
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


def _all_children_live() -> bool:
    """Return whether this process has children, and none that could be reaped now."""
    try:
        return posix.waitid(posix.P_ALL, 0, scope.PEEK) is None
    except ChildProcessError:
        return False
