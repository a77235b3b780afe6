"""All namespaces that can be seen: who is in them, what keeps them, how they are related.

By processes (/proc/PID/ns), their threads, their descriptors, the mounts that they
see (nsfs in /proc/PID/mountinfo), and what lies above any of these (ioctl_ns(2)).
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from pyinit.namespaces import found as namespaces
from pyinit.namespaces.found import Namespace
from pyinit.namespaces.kinds import KINDS

_KINDS_BY_FILE = {file: kind for kind, (_, file) in KINDS.items()}
_LINK = re.compile(r"([a-z]+):\[(\d+)\]")
# Of mountinfo: an octal escape stands for a blank, a newline or a backslash; see proc(5).
_ESCAPE = re.compile(rb"\\([0-7]{3})")

CHILDREN = ("pid", "time")


class Holder(NamedTuple):
    """What keeps a namespace beside its members: ``how`` is fd, mount, thread or children.

    ``what`` is the descriptor, the mount point or the thread of process ``pid``;
    ``children`` is the namespace in which the next child will be (unshare(2)).
    """

    pid: int
    how: str
    what: str


class Relatives(NamedTuple):
    """What is around a namespace; None is what the kernel does not tell us.

    ``parent`` is that of a PID or user namespace, ``owner`` the user namespace that it
    belongs to.  ``owner_uid`` is who made that one, or a user namespace itself.
    """

    parent: Namespace | None = None
    owner: Namespace | None = None
    owner_uid: int | None = None


class Survey:
    """What was found; ``unseen`` counts the processes that may not be looked at."""

    def __init__(self) -> None:
        self.members: dict[Namespace, list[int]] = {}
        self.holders: dict[Namespace, list[Holder]] = {}
        self.relatives: dict[Namespace, Relatives] = {}
        self.unseen = 0
        self._device = os.stat("/proc/self/ns/user").st_dev

    def look(self) -> None:
        """Look at every process."""
        for pid in pids():
            self._look_at(pid)

    def all(self) -> set[Namespace]:
        """Return every namespace, also those that only others below them tell of."""
        return {*self.members, *self.holders, *self.relatives}

    def _look_at(self, pid: int) -> None:
        try:
            found = namespaces.namespaces_of(pid)
        except PermissionError:
            self.unseen += 1
            return
        except OSError:
            return  # it has ended
        for kind, each in found.items():
            self.members.setdefault(each, []).append(pid)
            self.learn(each, f"/proc/{pid}/ns/{KINDS[kind][1]}")
        mount = found.get("mount")
        first = mount is not None and self.members[mount][0] == pid
        for look in (self._children, self._threads, self._descriptors):
            try:
                look(pid, found)
            except OSError:
                continue  # it has ended, or its descriptors may not be looked at
        if first:
            self._mounts(pid)

    def _children(self, pid: int, found: dict[str, Namespace]) -> None:
        for kind in CHILDREN:
            path = f"/proc/{pid}/ns/{kind}_for_children"
            try:
                each = self._at(kind, path)
            except FileNotFoundError:
                continue  # no such kind, a zombie, or nobody is in it yet
            if each != found.get(kind):
                self._hold(each, Holder(pid, "children", ""), path)

    def _threads(self, pid: int, found: dict[str, Namespace]) -> None:
        """Look for threads which are elsewhere than their process, as unshare(2) allows."""
        told = set(found.values())
        for tid in os.listdir(f"/proc/{pid}/task"):
            if int(tid) == pid:
                continue
            for kind, (_, file) in KINDS.items():
                path = f"/proc/{pid}/task/{tid}/ns/{file}"
                try:
                    each = self._at(kind, path)
                except OSError:
                    continue  # it has ended
                if each not in told:
                    told.add(each)
                    self._hold(each, Holder(pid, "thread", tid), path)

    def _descriptors(self, pid: int, _: dict[str, Namespace]) -> None:
        told = set()
        for fd in os.listdir(f"/proc/{pid}/fd"):
            path = f"/proc/{pid}/fd/{fd}"
            try:
                each = self._named(os.readlink(path))
            except OSError:
                continue  # it was closed
            if each is not None and each not in told:
                told.add(each)
                self._hold(each, Holder(pid, "fd", fd), path)

    def _mounts(self, pid: int) -> None:
        """Look for namespaces that are mounted on a file, as `ip netns` does; once a namespace."""
        try:
            with open(f"/proc/{pid}/mountinfo", "rb") as file:
                lines = file.read().splitlines()
        except OSError:
            return  # it has ended
        for line in lines:
            fields = line.split()
            if b" - nsfs " not in line or len(fields) < 5:
                continue
            each = self._named(fields[3].decode())
            if each is not None:
                point = os.fsdecode(_ESCAPE.sub(_unescaped, fields[4]))
                self._hold(each, Holder(pid, "mount", point), f"/proc/{pid}/root{point}")

    def _at(self, kind: str, path: str) -> Namespace:
        info = os.stat(path)
        return Namespace(kind, info.st_ino, info.st_dev)

    def _named(self, name: str) -> Namespace | None:
        """Return the namespace of a name such as ``net:[4026531840]``, which only nsfs has."""
        match = _LINK.fullmatch(name)
        if match is None or match[1] not in _KINDS_BY_FILE:
            return None
        return Namespace(_KINDS_BY_FILE[match[1]], int(match[2]), self._device)

    def _hold(self, each: Namespace, holder: Holder, path: str) -> None:
        self.holders.setdefault(each, []).append(holder)
        self.learn(each, path)

    def learn(self, each: Namespace, path: str) -> None:
        """Find out what is around a namespace; what cannot be opened now may be by another way."""
        if each in self.relatives:
            return
        try:
            with namespaces.opened(path, each) as fd:
                self._relate(fd)
        except (OSError, KeyError):
            pass  # it has ended, or is covered by another mount

    def _relate(self, fd: int) -> Namespace:
        """Note what is around the namespace of ``fd``, and around that, up to our own level."""
        each = namespaces.of_descriptor(fd)
        if each not in self.relatives:
            parent = self._related(namespaces.parent_of(fd))
            owner = self._related(namespaces.owner_of(fd))
            if each.kind == "user":
                uid: int | None = namespaces.owner_uid_of(fd)
            else:
                uid = self.relatives[owner].owner_uid if owner else None
            self.relatives[each] = Relatives(parent, owner, uid)
        return each

    def _related(self, fd: int | None) -> Namespace | None:
        if fd is None:
            return None
        try:
            return self._relate(fd)
        finally:
            os.close(fd)


def _unescaped(match: re.Match[bytes]) -> bytes:
    return bytes([int(match[1], 8)])


def pids() -> list[int]:
    """Return the numbers of all processes that /proc shows."""
    return sorted(int(name) for name in os.listdir("/proc") if name.isdecimal())
