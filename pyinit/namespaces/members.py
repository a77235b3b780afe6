"""Who is in a PID namespace, seen from outside of it; see pid_namespaces(7)."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, NamedTuple

from pyinit import environment
from pyinit.kernel import proc
from pyinit.namespaces import found

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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


def processes_of(pid: int) -> list[Member]:
    """Return the processes of the PID namespace of ``pid`` and those below it, ``pid`` too.

    Where that is our own namespace: ``pid`` and its descendants.  Raises OSError; see
    pid_namespaces(7).
    """
    return list(of(pid))


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
    found: set[int] = set()
    hidden: dict[int, list[int]] = {}
    for each in [int(name) for name in os.listdir("/proc") if name.isdecimal()]:
        try:
            numbers = numbers_of(each)
            if len(numbers) <= level:
                continue
            hidden[each] = numbers
            is_member = _inode_at(each, len(numbers) - 1 - level) == wanted
        except PermissionError:
            continue  # another user's, or it has itself hidden, as one that has entered
        except (OSError, KeyError):
            hidden.pop(each, None)
            continue  # it has ended
        del hidden[each]
        if is_member:
            found.add(each)
            yield each, numbers, level
    for each in _kin(found, hidden):
        yield each, hidden[each], level


def _kin(found: set[int], hidden: Iterable[int]) -> list[int]:
    """Return which of ``hidden`` are parent or child, at any remove, of one that was found.

    A child is in its parent's PID namespace or in one below; so, of two at or below the level
    of a namespace, both are below it or neither is; see pid_namespaces(7).
    """
    if not hidden:
        return []
    parents = {}
    for each in (*found, *hidden):
        try:
            parents[each] = int(proc.status_field(_status(each), b"PPid"))
        except OSError:
            continue  # it has ended
    kin: set[int] = set()
    while True:
        known = found | kin
        above = {parents[each] for each in known & parents.keys()}
        more = {
            each
            for each in hidden
            if each not in kin and (each in above or parents.get(each) in known)
        }
        if not more:
            return sorted(kin)
        kin |= more


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
    """Return the numbers of a process from our PID namespace down to its own.  Raises OSError."""
    return proc.numbers(_status(pid)) or [pid]


def _status(pid: int) -> bytes:
    return environment.read_all(f"/proc/{pid}/status")


def _inode_at(pid: int, up: int) -> int:
    """Return the inode of the PID namespace ``up`` levels above that of ``pid``."""
    fd = os.open(f"/proc/{pid}/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    try:
        for _ in range(up):
            parent = found.parent_of(fd)
            if parent is None:
                raise PermissionError(errno.EPERM, f"process {pid} is not below our PID namespace")
            os.close(fd)
            fd = parent
        return os.fstat(fd).st_ino
    finally:
        os.close(fd)
