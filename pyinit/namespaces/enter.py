"""Entering namespaces of a process: all that are named, or none; see setns(2)."""

import errno
import posix

from pyinit import linux
from pyinit.kernel import pidfds
from pyinit.namespaces import kinds


def enter(target: int, pid: int, names: list[str]) -> None:
    """Enter the namespaces of those kinds of the process that ``target``, a pidfd, is open on.

    ``pid`` is its number.  One call judges each by what we may before it: after the user namespace
    those that belong to an outer one could no longer be entered.  Before Linux 5.8 it takes
    several, and those before one that fails have been entered then.  Raises NamespaceError.
    """
    try:
        linux.setns(target, kinds.flags_of(names))
    except OSError as error:
        number = error.errno or errno.EINVAL
        if number == errno.EINVAL and not _takes_pidfds():
            _enter_one_by_one(target, pid, names)
            return
        raise _refusal(pid, names, number) from None


def _refusal(pid: int, names: list[str], number: int) -> kinds.NamespaceError:
    call = f"setns({kinds.words(names)}) to process {pid}"
    reason = kinds.why_not_entered(_blamed(names, number), number)
    return kinds.NamespaceError(call, number, reason)


def _blamed(names: list[str], number: int) -> str:
    """Return which of the kinds setns(2) has refused: it does not say."""
    for kind in ("user", "mount") if _has_threads() else ("pid",):
        if number == errno.EINVAL and kind in names:
            return kind
    return "time" if number == errno.EUSERS else names[0]


def _has_threads() -> bool:
    return len(posix.listdir("/proc/self/task")) > 1


def _takes_pidfds() -> bool:
    """Return whether setns(2) takes a pidfd: then our own is refused for no other reason."""
    own = pidfds.pidfd_open(posix.getpid(), 0)
    try:
        linux.setns(own, kinds.flags_of(["uts"]))
    except OSError as error:
        return error.errno != errno.EINVAL
    finally:
        posix.close(own)
    return True


def _enter_one_by_one(target: int, pid: int, names: list[str]) -> None:
    """Enter first what we may as we are, then the user namespace, then what its root may."""
    opened: dict[str, int] = {}
    try:
        _open_each(target, pid, names, opened)
        waits = "user" in names
        later = [k for k in names if k == "user" or not _may_enter(pid, k, opened[k], waits=waits)]
        for kind in later:
            _may_enter(pid, kind, opened[kind], waits=False)
    finally:
        for fd in opened.values():
            posix.close(fd)


def _open_each(target: int, pid: int, names: list[str], opened: dict[str, int]) -> None:
    """Put descriptors of the namespaces into ``opened``.  Raises NamespaceError."""
    try:
        for kind in names:
            path = f"/proc/{pid}/ns/{kinds.KINDS[kind][1]}"
            opened[kind] = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
        # What was opened is that of the process that was meant, if it still lives.
        pidfds.pidfd_send_signal(target, 0)
    except OSError as error:
        # Of a zombie there are but few.
        number = errno.ESRCH if error.errno == errno.ENOENT else error.errno or errno.EINVAL
        raise _refusal(pid, names, number) from None


def _may_enter(pid: int, kind: str, fd: int, *, waits: bool) -> bool:
    """Enter a namespace; return False when it is not permitted and ``waits`` for later."""
    try:
        linux.setns(fd, kinds.KINDS[kind][0])
    except OSError as error:
        number = error.errno or errno.EINVAL
        if waits and number == errno.EPERM:
            return False
        raise _refusal(pid, [kind], number) from None
    return True
