"""Files that are written for others while they may be read: whole, or not at all."""

from __future__ import annotations

import errno
import json
import os
import stat
from typing import Any

from pyinit.output import Sink, clean, take_signal_of

_FLAGS = os.O_WRONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK


def as_json(value: Any) -> str:
    """Return ``value`` as JSON in one line."""
    return json.dumps(clean(value), ensure_ascii=False) + "\n"


def write(place: int | str, text: str) -> None:
    """Write ``text`` to a descriptor or a path.  Raises OSError.

    A regular file is replaced at once (rename(2)); a mount point, as Kubernetes makes of
    its log of terminations, a pipe or a device is written to, and waited for by nobody.
    """
    data = text.encode("utf-8", "backslashreplace")
    if isinstance(place, int):
        if Sink(place).send(data) < len(data):
            raise BlockingIOError(errno.EAGAIN, "nobody reads it")
        return
    try:
        is_regular = stat.S_ISREG(os.stat(place).st_mode)
    except FileNotFoundError:
        is_regular = True
    if not is_regular:
        _write_into(place, data, 0)
        return
    path = os.path.realpath(place)
    try:
        _replace(path, data)
    except OSError as error:
        # A mount point cannot be replaced, nor a file in a directory that is not ours to change.
        if error.errno not in (errno.EBUSY, errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        _write_into(path, data, os.O_TRUNC)


def _replace(path: str, data: bytes) -> None:
    # Hidden, so that no collector of *.prom takes it for a file of its own.
    directory, name = os.path.split(path)
    draft = f"{directory}/.{name}.{os.getpid()}"
    fd = os.open(draft, _FLAGS | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644)
    try:
        try:
            _write_all(fd, data)
        finally:
            os.close(fd)
        os.replace(draft, path)
    except OSError:
        os.unlink(draft)
        raise


def _write_into(path: str, data: bytes, flags: int) -> None:
    fd = os.open(path, _FLAGS | flags)
    try:
        _write_all(fd, data)
    finally:
        os.close(fd)


def _write_all(fd: int, data: bytes) -> None:
    """Write to a file that is never full for a while only.  Raises OSError."""
    while data:
        try:
            data = data[os.write(fd, data) :]
        except OSError as error:
            take_signal_of(error)
            raise
