"""The namespaces that an init is born into: made anew, or entered; see unshare(2), setns(2)."""

import posix

from pyinit import linux
from pyinit.container.caller_socket import StageError
from pyinit.container.mounts import make_private
from pyinit.kernel import pidfds
from pyinit.namespaces import kinds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyinit.container.caller_socket import CallerSocket


def make(names: list[str], order: "dict[str, Any]", caller: "CallerSocket") -> None:
    """Make new namespaces.  Raises StageError."""
    if "user" in names:
        _unshare(["user"])
        caller.say("map")
        if not caller.listen():
            posix._exit(1)
        _become_root()
        # A change of user has hidden /proc/PID from our own user.
        linux.set_dumpable()
    _unshare([name for name in names if name != "user"])
    for clock, offset in order["time_offsets"]:
        try:
            seconds, fraction = divmod(offset, 1)
            # Of less than nothing, such as -1e-20, the fraction is 1.0; see divmod().
            line = f"{clock} {int(seconds)} {min(int(fraction * 1e9), 999_999_999)}"
            write("/proc/self/timens_offsets", line)
        except OSError as error:
            raise StageError("writing /proc/self/timens_offsets", error) from None
    if "mount" in names:
        make_private()


def _unshare(names: list[str]) -> None:
    if not names:
        return
    try:
        linux.unshare(kinds.flags_of(names))
    except OSError as error:
        call = f"unshare({kinds.words(names)})"
        reason = kinds.why_not_made(names, error.errno or 0)
        raise StageError(call, error, reason) from None


def _become_root() -> None:
    """Be user and group 0 of the user namespace, if it has them."""
    for change, arguments in (
        (posix.setgroups, ([],)),
        (posix.setresgid, (0, 0, 0)),
        (posix.setresuid, (0, 0, 0)),
    ):
        try:
            change(*arguments)
        except OSError:
            pass  # not mapped, or setgroups is denied (user_namespaces(7))


def enter(order: "dict[str, Any]") -> None:
    """Enter the namespaces, the root and so on of a process.  Raises StageError."""
    pid, target = order["enter"], order["pidfd"]
    root = -1
    try:
        if order["root"]:
            flags = posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC
            root = posix.open(f"/proc/{pid}/root", flags)
        # What was opened is that of the process that was meant, if it still lives.
        pidfds.pidfd_send_signal(target, 0)
    except OSError as error:
        # Of a zombie there is no root.
        reason = "it has ended" if error.errno in {2, 3} else ""
        raise StageError(f"looking at process {pid}", error, reason) from None
    if order["namespaces"]:
        from pyinit.namespaces import enter as entering

        try:
            entering.enter(target, pid, order["namespaces"])
        except kinds.NamespaceError as error:
            raise StageError(error.call, error, error.reason) from None
    posix.close(target)
    if "user" in order["namespaces"]:
        _become_root()
    if root >= 0:
        try:
            posix.fchdir(root)
            posix.chroot(".")
            posix.close(root)
        except OSError as error:
            raise StageError(f"chroot(/proc/{pid}/root)", error) from None


def write(path: str, text: str) -> None:
    """Write a file of the kernel's in one write(2).  Raises OSError."""
    fd = posix.open(path, posix.O_WRONLY | posix.O_CLOEXEC)
    try:
        posix.write(fd, text.encode())
    finally:
        posix.close(fd)
