"""Files as a process sees them: beneath its root, whatever links are there.

A container's own links, absolute ones and those with ``..``, must not lead to files
of the outside.  openat2(2) with RESOLVE_IN_ROOT does this too, from Linux 5.6 on and where no
filter forbids it.
"""

from __future__ import annotations

import errno
import os
import stat

# Where the kernel gives up too; see path_resolution(7).
_MOST_LINKS = 40
_PLACE = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class Place:
    """A directory and a name in it: what ``path`` is to process ``pid``.

    It stays what it is when the process, and its namespace with it, has ended.
    """

    def __init__(self, pid: int, path: str) -> None:
        """Go there.  Raises OSError."""
        self.name = ""
        self._directory = -1
        self._root = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            start = f"/proc/{pid}/" + ("root" if path.startswith("/") else "cwd")
            self._directory = os.open(start, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            self._walk(path)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the directories."""
        for fd in (self._directory, self._root):
            if fd >= 0:
                os.close(fd)
        self._directory = self._root = -1

    def read(self, most: int) -> bytes:
        """Return up to ``most`` bytes of the file.  Raises OSError."""
        fd = os.open(self.name, _PLACE, dir_fd=self._directory)
        try:
            # To open a FIFO or a device has effects.
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise OSError(errno.EINVAL, "it is not a regular file")
            # Without O_NONBLOCK one who holds a lease on it, see fcntl(2), keeps us for 45 s.
            own = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(own, "rb") as file:
                return file.read(most)
        finally:
            os.close(fd)

    def _walk(self, path: str) -> None:
        left = _components(path)
        links = 0
        while left:
            name = left.pop(0)
            if name == "..":
                self._ascend()
                continue
            try:
                fd = os.open(name, _PLACE, dir_fd=self._directory)
            except FileNotFoundError:
                if left:
                    raise
                self.name = name  # it may come
                return
            mode = os.fstat(fd).st_mode
            if stat.S_ISLNK(mode):
                links += 1
                target = self._followed(fd)
                if links > _MOST_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                if target.startswith("/"):
                    self._move(os.dup(self._root))
                left[:0] = _components(target)
            elif left:
                self._move(fd)  # opening what is below fails where it is no directory
            else:
                os.close(fd)
                self.name = name
                return
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))

    @staticmethod
    def _followed(fd: int) -> str:
        try:
            return os.readlink("", dir_fd=fd)  # of the link that is open; see readlink(2)
        finally:
            os.close(fd)

    def _ascend(self) -> None:
        """Go to the parent; that of the root is the root."""
        if not os.path.samestat(os.fstat(self._directory), os.fstat(self._root)):
            self._move(os.open("..", _PLACE | os.O_DIRECTORY, dir_fd=self._directory))

    def _move(self, fd: int) -> None:
        os.close(self._directory)
        self._directory = fd


def _components(path: str) -> list[str]:
    return [name for name in path.split("/") if name not in ("", ".")]
