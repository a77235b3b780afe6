"""Following a path once, and over nothing that others can have put there to steer us.

A file of ours may lie in a directory of the user that the command runs as, who can leave a
symbolic link to any file in its place, now or for the next run.
"""

from __future__ import annotations

import errno
import os
import stat

from pyinit import environment

_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC

# As many as the kernel follows; see path_resolution(7).
_MOST_LINKS = 40

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class Place:
    """A name in a directory, which is open (O_PATH in open(2)) as ``fd``; ``path`` is its path.

    ``is_fixed`` says that nobody but root and we can have put this directory there.
    """

    __slots__ = ("fd", "is_fixed", "name", "path")

    def __init__(self, fd: int, name: str, path: str, *, is_fixed: bool) -> None:
        self.fd = fd
        self.name = name
        self.path = path
        self.is_fixed = is_fixed


def find(path: str) -> Place | int:
    """Return where ``path`` leads: a file, there or not, or a descriptor of ours.

    A link to a descriptor, as /dev/stdout is one, is that descriptor: a file to which the
    standard output goes must not be replaced, and a socket cannot be opened; see proc(5).
    Raises OSError, with a text for people.
    """
    way = _Way(path)
    try:
        while way.left:
            number = way.descriptor()
            if number is not None:
                return number
            name = way.step()
            if name:
                fd = above_standard(os.dup(way.fd))
                return Place(fd, name, way.path, is_fixed=way.is_fixed)
    finally:
        os.close(way.fd)
    raise IsADirectoryError(errno.EISDIR, "it is a directory")


def above_standard(fd: int) -> int:
    """Return ``fd``, or in its stead one above 2, where a standard descriptor was closed.

    The command would take the place of the other one.  Raises OSError, with ``fd`` closed.
    """
    if fd > 2:
        return fd
    import fcntl

    try:
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
    finally:
        os.close(fd)


class _Way:
    """A walk from directory to directory, as the kernel does it; see path_resolution(7).

    ``fd`` is the directory that was reached, by ``path``; ``left`` are the names from there on.
    """

    def __init__(self, path: str) -> None:
        self.left = _names(path)
        self.path = "" if path.startswith("/") else "."
        self.is_fixed = True
        self._links = 0
        self.fd = os.open(self.path or "/", _DIRECTORY)

    def descriptor(self) -> int | None:
        """Return the descriptor that the rest stands for, by its path: there may be no /proc."""
        *names, last = self.left
        directories = ("/dev/fd", "/proc/self/fd", f"/proc/{os.getpid()}/fd")
        is_one = last.isdecimal() and "/".join([self.path, *names]) in directories
        return int(last) if is_one else None

    def step(self) -> str:
        """Go to the next name; return it if it is that of the file.  Raises OSError."""
        name = self.left.pop(0)
        try:
            fd = os.open(name, _LOOK, dir_fd=self.fd)
        except FileNotFoundError:
            if not self.left and name != "..":
                return name
            text = f"there is no directory '{self.path}/{name}'"
            raise FileNotFoundError(errno.ENOENT, text) from None
        try:
            found = os.fstat(fd)
            if stat.S_ISLNK(found.st_mode):
                self._follow(name, fd, found)
            elif self.left or stat.S_ISDIR(found.st_mode):
                self._enter(name, fd, found)
            else:
                return name
        finally:
            os.close(fd)
        return ""

    def _enter(self, name: str, fd: int, found: os.stat_result) -> None:
        directory = os.fstat(self.fd)
        # In a sticky directory nobody moves those of others; see inode(7).
        sticky = directory.st_mode & stat.S_ISVTX and is_trusted(found.st_uid)
        is_fixed = is_ours_alone(directory) or (sticky and is_trusted(directory.st_uid))
        self.is_fixed = self.is_fixed and bool(is_fixed)
        is_back = name == ".." and not self.path.startswith(".")
        self.path = self.path.rpartition("/")[0] if is_back else f"{self.path}/{name}"
        os.dup2(fd, self.fd, inheritable=False)

    def _follow(self, name: str, fd: int, link: os.stat_result) -> None:
        """Go on where a link leads.  Raises OSError.

        Who may write to its directory can move others' links there, or make hard links to them.
        As root we believe none there, else those that are our own: nobody gains by them.
        """
        target = os.readlink("", dir_fd=fd)  # of the link that is open; see readlink(2)
        self._links += 1
        if self._links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        is_own = link.st_uid == os.geteuid() != 0 and link.st_nlink == 1
        if not is_own and not is_ours_alone(os.fstat(self.fd)):
            text = f"'{self.path}/{name}' is a symbolic link, and others may write to its directory"
            raise PermissionError(errno.EPERM, text)
        self.left[:0] = _names(target)
        if target.startswith("/"):
            root = os.open("/", _DIRECTORY)
            os.dup2(root, self.fd, inheritable=False)
            os.close(root)
            self.path = ""


def _names(path: str) -> list[str]:
    return [name for name in path.split("/") if name not in ("", ".")]


def is_ours_alone(directory: os.stat_result) -> bool:
    """Return whether nobody but root and we can change what is in a directory."""
    return not directory.st_mode & _OTHERS_WRITE and is_trusted(directory.st_uid)


def is_trusted(uid: int) -> bool:
    """Return whether that is root or we, or somebody who is nobody in this user namespace.

    All users of outside look like the overflow user (user_namespaces(7)): nobody in here can
    be one of them.
    """
    return uid in (0, os.geteuid()) or not _is_mapped(uid)


def _is_mapped(uid: int) -> bool:
    """Return whether there is such a user in this user namespace, also where /proc is missing."""
    try:
        words = [int(word) for word in environment.read_all("/proc/self/uid_map").split()]
    except OSError:
        return True
    return any(
        first <= uid < first + count for first, count in zip(words[::3], words[2::3], strict=True)
    )
