"""Namespaces: which there are, whose a process is in, how to enter them; see namespaces(7).

A namespace is told from others by the inode of its file in /proc/PID/ns.
"""

from __future__ import annotations

import array
import contextlib
import errno
import fcntl
import os
from typing import TYPE_CHECKING, NamedTuple

from pyinit.kernel import pidfds, proc
from pyinit.namespaces import enter as entering
from pyinit.namespaces.kinds import KINDS, NamespaceError, why_refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pyinit.api.types import Words

__all__ = ["Namespace", "NamespaceError", "enter", "namespaces_of"]

# Of ioctl_ns(2).
NS_GET_USERNS = 0xB701
NS_GET_PARENT = 0xB702
NS_GET_NSTYPE = 0xB703
NS_GET_OWNER_UID = 0xB704


class Namespace(NamedTuple):
    """One namespace; two with the same device and inode are the same."""

    kind: str
    inode: int
    device: int

    def __str__(self) -> str:
        """Return it as readlink(2) of /proc/PID/ns shows it."""
        return f"{KINDS[self.kind][1]}:[{self.inode}]"


def checked(names: Iterable[str]) -> list[str]:
    """Return the kinds in ``names``, in the order in which they are to be entered.

    Raises TypeError, ValueError.
    """
    if isinstance(names, str):
        raise TypeError(
            "namespaces: expected a set of words such as {'pid', 'mount'}, "
            f"not the string '{names}'"
        )
    wanted = set(names)
    for name in sorted(wanted - KINDS.keys()):
        raise ValueError(
            f"'{name}' is not a kind of namespace: expected some of {', '.join(KINDS)}"
        )
    return [name for name in KINDS if name in wanted]


def namespaces_of(pid: int = 0) -> dict[str, Namespace]:
    """Return the namespaces that process ``pid`` is in, by kind; the default is this process.

    A zombie has left all but its user and PID namespaces, and kinds that the kernel
    does not know are left out.  Raises ProcessLookupError, PermissionError (looking
    takes the right to trace the process, ptrace(2)) or FileNotFoundError (no /proc, or
    one that numbers processes in another way than we do).
    """
    if pid and not proc.is_ours():
        raise _no_proc()
    who = str(pid) if pid else "self"
    found = {}
    for kind, (_, name) in KINDS.items():
        try:
            info = os.stat(f"/proc/{who}/ns/{name}")
        except FileNotFoundError:
            continue
        except PermissionError:
            raise PermissionError(
                errno.EACCES,
                f"the namespaces of process {who} cannot be seen: that needs the right to trace "
                "it, as its user and root have in most cases (ptrace(2))",
            ) from None
        found[kind] = Namespace(kind, info.st_ino, info.st_dev)
    # Asked last, so that one that ends meanwhile does not seem to be in fewer than it was.
    if not os.path.exists(f"/proc/{who}"):
        raise ProcessLookupError(errno.ESRCH, f"there is no process {pid}") if pid else _no_proc()
    return found


def _no_proc() -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, "there is no /proc here of our own PID namespace")


def differing(pid: int) -> list[str]:
    """Return the kinds in which process ``pid`` is in another namespace than this process.

    Raises as `namespaces_of`.
    """
    own = namespaces_of()
    return [kind for kind, each in namespaces_of(pid).items() if own.get(kind) != each]


def enter(pid: int, namespaces: Words[str] | None = None) -> None:
    """Enter namespaces of process ``pid``: all that differ from our own, or those named.

    Either all of them are entered or none; before Linux 5.8 some may have been.  For a PID
    namespace that counts for the children that come after it, we stay in our own; a user,
    mount or time namespace can be entered with one thread only.  Raises `NamespaceError`,
    ValueError and as `namespaces_of`; see setns(2).
    """
    chosen = None if namespaces is None else checked(namespaces)
    own = namespaces_of()
    target = open_process(pid)
    try:
        others = namespaces_of(pid)
        wanted = others if chosen is None else chosen
        names = [kind for kind in wanted if own.get(kind) != others.get(kind)]
        if names:
            entering.enter(target, pid, names)
    finally:
        os.close(target)


def open_process(pid: int) -> int:
    """Return a pidfd of ``pid``; pidfd_open(2).  Raises ProcessLookupError, NamespaceError."""
    try:
        return pidfds.pidfd_open(pid, 0)
    except ProcessLookupError:
        raise ProcessLookupError(errno.ESRCH, f"there is no process {pid}") from None
    except OSError as error:
        number = error.errno or errno.EINVAL
        raise NamespaceError("pidfd_open", number, why_refused(number)) from None


@contextlib.contextmanager
def opened(path: str, expected: Namespace) -> Iterator[int]:
    """Open the file of a namespace, wherever it is.  Raises OSError, also if it is another file.

    Those whom we look at may change what ``path`` leads to, and to open a device or a
    FIFO has effects; O_PATH has none.
    """
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        info = os.fstat(place)
        if (info.st_ino, info.st_dev) != (expected.inode, expected.device):
            raise FileNotFoundError(errno.ENOENT, f"{path} is not {expected}")
        fd = os.open(f"/proc/self/fd/{place}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(place)
    try:
        yield fd
    finally:
        os.close(fd)


def of_descriptor(fd: int) -> Namespace:
    """Return which namespace a descriptor is of.  Raises OSError, KeyError: of an unknown kind."""
    flag = fcntl.ioctl(fd, NS_GET_NSTYPE)
    info = os.fstat(fd)
    return Namespace(_KINDS_BY_FLAG[flag], info.st_ino, info.st_dev)


_KINDS_BY_FLAG = {flag: kind for kind, (flag, _) in KINDS.items()}


def parent_of(fd: int) -> int | None:
    """Return a new descriptor of the namespace above that of ``fd``; see ioctl_ns(2).

    None for kinds that are not nested (all but PID and user namespaces), and for one
    that is above our own, which the kernel does not show.  Raises OSError.
    """
    return _related(fd, NS_GET_PARENT)


def owner_of(fd: int) -> int | None:
    """Return a new descriptor of the user namespace that the namespace of ``fd`` belongs to.

    None for one that is above our own.  Raises OSError.
    """
    return _related(fd, NS_GET_USERNS)


def _related(fd: int, request: int) -> int | None:
    try:
        return int(fcntl.ioctl(fd, request))
    except OSError as error:
        if error.errno in (errno.EPERM, errno.EINVAL):
            return None
        raise


def owner_uid_of(fd: int) -> int:
    """Return who made the user namespace of ``fd``, as we number users.  Raises OSError."""
    uid = array.array("I", [0])
    fcntl.ioctl(fd, NS_GET_OWNER_UID, uid)
    return uid[0]
