"""The kinds of namespaces: names, flags, files, and why they cannot be had; see namespaces(7)."""

import errno
import posix

from pyinit.environment import decode, read_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# Kind: flag of clone(2) and file in /proc/PID/ns.  In the order in which they are to be
# entered: whoever is root in the user namespace may enter those that belong to it.
KINDS = {
    "user": (0x10000000, "user"),
    "cgroup": (0x02000000, "cgroup"),
    "ipc": (0x08000000, "ipc"),
    "uts": (0x04000000, "uts"),
    "net": (0x40000000, "net"),
    "pid": (0x20000000, "pid"),
    "time": (0x00000080, "time"),
    "mount": (0x00020000, "mnt"),
}


class NamespaceError(OSError):
    """A system call on namespaces failed; the text names it and the reason.

    ``call`` is the system call, such as ``unshare(CLONE_NEWUSER)``.
    """

    __module__ = "pyinit"

    def __init__(self, call: str, number: int, reason: str) -> None:
        super().__init__(number, f"{call}: {errno.errorcode.get(number, number)}; {reason}")
        self.call = call
        self.reason = reason

    def __reduce__(self) -> "tuple[type[NamespaceError], tuple[str, int | None, str]]":
        """Say how to make it anew, for pickle and so for other processes."""
        return type(self), (self.call, self.errno, self.reason)

    def __str__(self) -> str:
        """Return the text without the number in front of it."""
        return str(self.strerror)


def flags_of(names: "Iterable[str]") -> int:
    """Return the flags of clone(2) for kinds of namespaces."""
    flags = 0
    for name in names:
        flags |= KINDS[name][0]
    return flags


def words(names: "Iterable[str]") -> str:
    """Return the flags of clone(2) in words, for messages."""
    special = {"mount": "NS"}
    return "|".join(f"CLONE_NEW{special.get(name, name.upper())}" for name in names)


def why_not_entered(kind: str, number: int) -> str:
    """Return why setns(2) to a namespace of ``kind`` failed with errno ``number``."""
    if number == errno.EPERM:
        return (
            "it needs CAP_SYS_ADMIN in the user namespace that the namespace belongs to, and here"
        ) + _or_a_filter()
    if number == errno.EINVAL and kind == "pid":
        return "only a PID namespace below our own can be entered"
    if number == errno.EINVAL and kind == "user":
        return "with more than one thread, or into one's own user namespace, it cannot be done"
    if (kind, number) in (("mount", errno.EINVAL), ("time", errno.EUSERS)):
        return "with more than one thread it cannot be done"
    if number == errno.ESRCH:
        return "it has ended"
    return why_refused(number)


def why_not_made(names: "Iterable[str]", number: int) -> str:
    """Return why unshare(2) of ``names`` failed with errno ``number``."""
    kinds = list(names)
    if number == errno.ENOSPC:
        full = [f"user.max_{KINDS[kind][1]}_namespaces" for kind in kinds]
        return f"too many namespaces, or too deep: see the limits {', '.join(full)}"
    if number == errno.EINVAL:
        return "this kernel does not have all of these kinds of namespaces"
    if number == errno.EPERM and "user" in kinds:
        for path, value, name in _SWITCHES:
            if _holds(path, value):
                return f"unprivileged user namespaces are switched off by {name}"
        forbids = f"{_FILTER}, a chroot" if _status("Seccomp") == _BY_FILTER else "a chroot"
        return (
            f"{forbids} or a security module forbids user namespaces, or our user has no number "
            "in our user namespace"
        )
    if number == errno.EPERM and not _is_capable():
        wanted = "it needs CAP_SYS_ADMIN, which a new user namespace gives: add 'user'"
        return wanted + _or_a_filter()
    return why_refused(number)


def why_refused(number: int) -> str:
    """Return why a system call failed with errno ``number`` that we had the right to."""
    if number == errno.EPERM and _status("Seccomp") == _BY_FILTER:
        return f"{_FILTER} forbids it"
    if number in (errno.EPERM, errno.EACCES):
        return f"{posix.strerror(number)}, as by a security module"
    if number == errno.ENOSYS:
        hidden = f", or {_FILTER} hides it" if _status("Seccomp") == _BY_FILTER else ""
        return f"this kernel does not have the system call{hidden}"
    return posix.strerror(number)


# As the profile of docker and podman does for whoever has no CAP_SYS_ADMIN.
_FILTER = "a filter of the container runtime (seccomp(2))"
_BY_FILTER = "2"
_CAP_SYS_ADMIN = 21


def _or_a_filter() -> str:
    return f"; {_FILTER} may forbid it as well" if _status("Seccomp") == _BY_FILTER else ""


def _is_capable() -> bool:
    """Return whether we have CAP_SYS_ADMIN in our user namespace."""
    return bool(int(_status("CapEff") or "0", 16) >> _CAP_SYS_ADMIN & 1)


def _status(field: str) -> str:
    """Return a field of /proc/self/status, or nothing where there is none."""
    from pyinit.kernel import proc

    try:
        return decode(proc.status_field(read_all("/proc/self/status"), field.encode()))
    except OSError:
        return ""


_SWITCHES = (
    (
        "/proc/sys/kernel/unprivileged_userns_clone",
        "0",
        "kernel.unprivileged_userns_clone",
    ),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "kernel.apparmor_restrict_unprivileged_userns",
    ),
)


def _holds(path: str, value: str) -> bool:
    try:
        return read_all(path).strip() == value.encode()
    except OSError:
        return False
