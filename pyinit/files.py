"""Files that are written for others while they may be read: whole, or not at all."""

from __future__ import annotations

import errno
import json
import os
import stat
import time
from typing import TYPE_CHECKING, Any

from pyinit.output import Sink, clean, take_signal_of

if TYPE_CHECKING:
    from collections.abc import Callable

_FLAGS = os.O_WRONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK

# A mount point cannot be replaced, nor a file in a directory that is not ours to change.
_IRREPLACEABLE = (errno.EBUSY, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG)

# A reader who has got the beginning is waited for so long, in seconds: half of it is no use.
_PATIENCE_S = 1.0

# As many as the kernel follows; see path_resolution(7).
_MOST_LINKS = 40

_CUT = "...\n"


def as_json(value: Any) -> str:
    """Return ``value`` as JSON in one line."""
    return json.dumps(clean(value), ensure_ascii=False) + "\n"


def cut(line: str, most: int) -> str:
    """Return ``line``, which ends with a newline, in ``most`` bytes."""
    data = line.encode("utf-8", "backslashreplace")
    if len(data) <= most:
        return line
    return data[: most - len(_CUT)].decode("utf-8", "ignore") + _CUT


def write(place: int | str, text: str) -> None:
    """Write ``text`` to a descriptor or a path.  Raises OSError.

    A regular file is replaced at once (rename(2)); a mount point, as Kubernetes makes of
    its log of terminations, a pipe or a device is written to, and waited for by nobody.
    """
    data = text.encode("utf-8", "backslashreplace")
    if isinstance(place, str):
        fd = descriptor_of(place)
        if fd is None:
            _write_file(place, data)
            return
        place = fd
    _write_to(place, data)


def _write_file(place: str, data: bytes) -> None:
    path = os.path.realpath(place)
    try:
        before = os.stat(place)
    except FileNotFoundError:
        _replace(path, data, None)
        return
    if not stat.S_ISREG(before.st_mode):
        _write_into(path, data, 0)
        return
    try:
        _replace(path, data, before)
    except OSError as error:
        if error.errno not in _IRREPLACEABLE:
            raise
        _write_into(path, data, os.O_TRUNC)


def append(path: str, text: str, most: int) -> None:
    """Write ``text`` to the end of a file, of which ``most`` bytes are read.  Raises OSError."""
    before = os.stat(path)
    if stat.S_ISREG(before.st_mode) and before.st_size:
        text = f"\n{text}"
    _write_into(path, cut(text, most).encode("utf-8", "backslashreplace"), os.O_APPEND)


def descriptor_of(path: str) -> int | None:
    """Return the descriptor that ``path`` stands for, as /dev/stdout does, or None.

    A file to which the standard output goes must not be replaced, and a socket cannot be
    opened; see proc(5).
    """
    directories = ("/dev/fd", "/proc/self/fd", f"/proc/{os.getpid()}/fd")
    for _ in range(_MOST_LINKS):
        directory, name = os.path.split(path)
        if directory in directories and name.isdecimal():
            return int(name)
        try:
            path = os.path.join(directory, os.readlink(path))
        except OSError:
            break
    return None


def _write_to(fd: int, data: bytes) -> None:
    sink = Sink(fd)
    try:
        _write_all(sink.send, fd, data)
    finally:
        if sink._fd != fd:
            os.close(sink._fd)


def _replace(path: str, data: bytes, before: os.stat_result | None) -> None:
    # Hidden, so that no collector of *.prom takes it for a file of its own.
    directory, name = os.path.split(path)
    draft = f"{directory}/.{name}.{os.getpid()}"
    fd = _create(draft)
    try:
        try:
            if before is not None:
                _resemble(fd, before)
            _write_all(_writer(fd), fd, data)
        finally:
            os.close(fd)
        os.replace(draft, path)
    except OSError:
        os.unlink(draft)
        raise


def _create(draft: str) -> int:
    """Create a file that nobody else has made, in place of what is left of a run that was killed.

    In a directory for everybody it could be a link, or a FIFO.
    """
    flags = _FLAGS | os.O_CREAT | os.O_EXCL
    try:
        return os.open(draft, flags, 0o644)
    except FileExistsError:
        os.unlink(draft)
        return os.open(draft, flags, 0o644)


def _resemble(fd: int, before: os.stat_result) -> None:
    """Give the new file mode and owner of the one that it replaces, as far as we may."""
    try:
        if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
            os.fchown(fd, before.st_uid, before.st_gid)
    except OSError:
        pass  # EPERM without CAP_CHOWN
    os.fchmod(fd, stat.S_IMODE(before.st_mode))


def _write_into(path: str, data: bytes, flags: int) -> None:
    try:
        fd = os.open(path, _FLAGS | flags)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        raise OSError(errno.ENXIO, "nobody reads it") from None  # a FIFO; see fifo(7)
    try:
        _write_all(_writer(fd), fd, data)
    finally:
        os.close(fd)


def _writer(fd: int) -> Callable[[bytes], int]:
    """Return what writes to ``fd``, which does not block, as `Sink.send` does."""

    def send(data: bytes) -> int:
        try:
            return os.write(fd, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            take_signal_of(error)
            raise

    return send


def _write_all(send: Callable[[bytes], int], fd: int, data: bytes) -> None:
    """Write all of ``data``; a reader is waited for in the middle only.  Raises OSError."""
    rest = data[send(data) :]
    deadline = time.monotonic() + _PATIENCE_S
    while rest:
        if len(rest) == len(data) or not _has_room(fd, deadline):
            raise BlockingIOError(errno.EAGAIN, "nobody reads it")
        rest = rest[send(rest) :]


def _has_room(fd: int, deadline: float) -> bool:
    remaining_ms = (deadline - time.monotonic()) * 1000
    if remaining_ms <= 0:
        return False
    import select  # a report of a run that went well does without it

    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(remaining_ms))
