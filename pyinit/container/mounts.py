"""The mounts that a container finds: binds, /proc, the root; see mount(2), pivot_root(2)."""

import errno
import posix

from pyinit import environment, linux
from pyinit.container.caller_socket import StageError
from pyinit.namespaces import kinds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Of mount(2).
_MS_RDONLY = 0x1
_MS_NOSUID = 0x2
_MS_NODEV = 0x4
_MS_NOEXEC = 0x8
_MS_REMOUNT = 0x20
_MS_BIND = 0x1000
_MS_REC = 0x4000
_MS_PRIVATE = 0x40000
# Flags that statvfs(3) and mount(2) write alike: nosuid, nodev, noexec, noatime, nodiratime.
_KEPT = 0xC0E


def make_private() -> None:
    """Let no mount from here on be seen outside, nor one from outside here.  Raises StageError."""
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE, "mount(none, /)")


def furnish(order: "dict[str, Any]") -> None:
    """Bind what is to be bound, mount /proc, and change the root.  Raises StageError."""
    new = "" if order["enter"] else order["root"]
    if new:
        _mount(new, new, None, _MS_BIND | _MS_REC, f"mount({new}, {new})")
    for source, target, read_only in order["binds"]:
        _mount_below(new, source, target, None, _MS_BIND | _MS_REC)
        if read_only:
            _make_read_only(new, target)
    if order["mount_proc"]:
        _mount_below(new, "proc", "/proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    if new:
        try:
            posix.chdir(new)
            # The old root lies over the new one then, and is taken off it.
            linux.pivot_root(b".", b".")
            linux.detach(b".")
            posix.chdir("/")
        except OSError as error:
            reason = kinds.why_refused(error.errno or 0)
            raise StageError(f"pivot_root({new})", error, reason) from None


def _mount_below(new: str, source: str, target: str, kind: str | None, flags: int) -> None:
    """Mount at ``target`` of the root ``new``.  Raises StageError."""
    call = f"mount({source}, {target})"
    with _Place(new, target, call) as place:
        _mount(source, place, kind, flags, call)


def _make_read_only(new: str, target: str) -> None:
    """Let nobody write to a bind mount, nor to those that came with it.  Raises StageError."""
    call = f"mount_setattr({target})"
    # Looked for once more: it is another directory since something is mounted there.
    with _Place(new, target, call) as place:
        try:
            linux.make_read_only(environment.encode(place))
        except OSError as error:
            if error.errno != errno.ENOSYS:
                reason = kinds.why_refused(error.errno or 0)
                raise StageError(call, error, reason) from None
            # Linux before 5.12 can do no more than this one.
            kept = posix.statvfs(place).f_flag & _KEPT
            flags = _MS_REMOUNT | _MS_BIND | _MS_RDONLY | kept
            _mount(None, place, None, flags, f"mount(none, {target})")


class _Place:
    """A path by which we reach ``target`` of the root ``new``; use it in a ``with`` statement.

    Its symbolic links, `..` too, lead to where they lead for the command, and so never out of
    that root.  openat2(2) with RESOLVE_IN_ROOT does the same, but not before Linux 5.6 nor under
    every filter; to mount at what was found takes our /proc either way.
    """

    def __init__(self, new: str, target: str, call: str) -> None:
        self._path = target
        self._fd = -1
        if new:
            self._fd = _open_below(new, target, call)
            self._path = f"/proc/self/fd/{self._fd}"

    def __enter__(self) -> str:
        return self._path

    def __exit__(self, *_: object) -> None:
        if self._fd >= 0:
            posix.close(self._fd)


def _open_below(new: str, target: str, call: str) -> int:
    old = posix.open("/", posix.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC)
    try:
        posix.chroot(new)
        try:
            return posix.open(target, posix.O_PATH | posix.O_CLOEXEC)
        except OSError as error:
            reason = f"there is no {target} in {new}" if error.errno == errno.ENOENT else ""
            raise StageError(call, error, reason) from None
        finally:
            posix.fchdir(old)
            posix.chroot(".")
    except OSError as error:
        raise StageError(f"chroot({new})", error) from None
    finally:
        posix.close(old)


def _mount(source: str | None, target: str, kind: str | None, flags: int, call: str) -> None:
    given = [None if word is None else environment.encode(word) for word in (source, kind)]
    try:
        linux.mount(given[0], environment.encode(target), given[1], flags)
    except OSError as error:
        reason = ""
        if error.errno == errno.EPERM and kind == "proc":
            reason = (
                "the kernel refuses a new /proc that shows more than the present one, which has "
                "covered parts: use mount_proc=False"
            )
        elif error.errno == errno.ENOENT:
            missing = source if kind is None and source and not _is_there(source) else target
            reason = f"there is no {missing}"
        elif error.errno in {errno.EPERM, errno.EACCES, errno.ENOSYS}:
            reason = kinds.why_refused(error.errno)
        raise StageError(call, error, reason) from None


def _is_there(path: str) -> bool:
    try:
        posix.stat(path)
    except OSError:
        return False
    return True
