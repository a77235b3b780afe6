"""Who is in a PID namespace, seen from outside of it; see pid_namespaces(7)."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pyinit import namespaces

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psutil


class Member(NamedTuple):
    """A process of a container: ``process`` is psutil's view of it from here.

    ``pid`` is its number here, ``inner_pid`` that in the container.
    """

    process: psutil.Process
    pid: int
    inner_pid: int


def of(pid: int) -> Iterator[Member]:
    """Yield who is in the PID namespace of ``pid`` and in those below it, ``pid`` too.

    Where that is our own namespace: ``pid`` and its descendants.
    """
    import psutil

    for outer, numbers, level in numbered(pid):
        try:
            yield Member(psutil.Process(outer), outer, numbers[level])
        except psutil.NoSuchProcess:
            continue


def pids(pid: int) -> list[int]:
    """Return the numbers of those whom `of` yields."""
    return [outer for outer, _, _ in numbered(pid)]


def numbered(pid: int) -> Iterator[tuple[int, list[int], int]]:
    """Yield for each its number here, at all levels, and the index of the level of ``pid``."""
    wanted = os.stat(f"/proc/{pid}/ns/pid").st_ino
    level = len(numbers_of(pid)) - 1
    if wanted == os.stat("/proc/self/ns/pid").st_ino:
        yield from _family(pid, level)
        return
    for name in os.listdir("/proc"):
        if not name.isdecimal():
            continue
        try:
            numbers = numbers_of(int(name))
            if len(numbers) > level and _inode_at(int(name), len(numbers) - 1 - level) == wanted:
                yield int(name), numbers, level
        except (OSError, KeyError):
            continue  # it has ended, or is another user's


def _family(pid: int, level: int) -> Iterator[tuple[int, list[int], int]]:
    import psutil

    try:
        below = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        below = []
    for each in (pid, *(process.pid for process in below)):
        try:
            yield each, numbers_of(each), level
        except OSError:
            continue  # it has ended


def numbers_of(pid: int) -> list[int]:
    """Return the numbers of a process from our PID namespace down to its own.

    NSpid in /proc/PID/status; see proc(5).  Raises OSError.
    """
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("NSpid:"):
            return [int(word) for word in line.split()[1:]]
    return [pid]


def _inode_at(pid: int, up: int) -> int:
    """Return the inode of the PID namespace ``up`` levels above that of ``pid``."""
    fd = os.open(f"/proc/{pid}/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    try:
        for _ in range(up):
            parent = namespaces.parent_of(fd)
            if parent is None:
                raise PermissionError(errno.EPERM, f"process {pid} is not below our PID namespace")
            os.close(fd)
            fd = parent
        return os.fstat(fd).st_ino
    finally:
        os.close(fd)
