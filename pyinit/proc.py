"""Processes as /proc shows them; it is believed only if it shows our PID namespace; see proc(5)."""

import posix

from pyinit import environment


class Process:
    """One line of /proc/PID/stat: state is a letter, start counts clock ticks since boot."""

    __slots__ = ("parent", "pid", "start", "state", "threads")

    def __init__(self, pid: int, directory: int) -> None:
        """Read it below ``directory``, a descriptor of /proc.  Raises OSError: no such process."""
        line = read(f"{pid}/stat", directory)
        # The name may hold spaces and parentheses: the fields begin after the last one.
        fields = line.rpartition(b")")[2].split()
        self.pid = pid
        self.state = fields[0].decode()
        self.parent = int(fields[1])
        self.threads = int(fields[17])
        self.start = int(fields[19])

    @property
    def is_zombie(self) -> bool:
        """Whether it has ended, all its threads with it, and waits to be reaped."""
        return self.state in "ZX" and self.threads <= 1


def read(path: str, directory: int) -> bytes:
    """Return what the file ``path`` below ``directory``, a descriptor, holds.  Raises OSError."""
    return environment.read_all(path, directory)


class Real:
    """/proc, for a ``with`` statement: a descriptor, or None unless it is the kernel's.

    Held open, so that what was believed is what is read, whatever somebody
    mounts over it meanwhile.
    """

    __slots__ = ("_fd",)

    def __enter__(self) -> int | None:
        """Open it."""
        self._fd = -1
        try:
            self._fd = posix.open("/proc", posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC)
            return self._fd if self._is_believed() else None
        except OSError:
            return None

    def __exit__(self, *_: object) -> None:
        """Close it."""
        if self._fd >= 0:
            posix.close(self._fd)

    def _is_believed(self) -> bool:
        return _is_kernels(self._fd)


class Ours(Real):
    """/proc, for a ``with`` statement: a descriptor, or None unless it shows our PID namespace."""

    __slots__ = ()

    def _is_believed(self) -> bool:
        return super()._is_believed() and _shows_us(self._fd)


def _is_kernels(directory: int) -> bool:
    """Return whether this /proc is the kernel's, and not a directory of an image.

    Its link for a pipe of ours leads to that pipe, which has no name anywhere; see proc(5).
    Raises OSError: it does not.
    """
    try:
        fd, other = posix.pipe2(posix.O_CLOEXEC)
    except OSError:
        return True  # no descriptor is left: then it cannot be asked
    try:
        own, found = posix.fstat(fd), posix.stat(f"self/fd/{fd}", dir_fd=directory)
        return (own.st_dev, own.st_ino) == (found.st_dev, found.st_ino)
    finally:
        posix.close(fd)
        posix.close(other)


def _shows_us(directory: int) -> bool:
    """Return whether this /proc numbers processes as we do.  Raises OSError: it does not.

    NSpid lists our number in each namespace from that of /proc inwards, so
    another's /proc shows several, or does not show us; see proc(5).
    """
    if posix.readlink("self", dir_fd=directory) != str(posix.getpid()):
        return False
    line = read("self/status", directory).partition(b"\nNSpid:")[2].partition(b"\n")[0]
    return len(line.split()) <= 1


def is_ours() -> bool:
    """Return whether /proc shows the PID namespace of this process."""
    with Ours() as directory:
        return directory is not None


def snapshot(directory: int) -> dict[int, Process]:
    """Return every process that /proc shows, by PID."""
    table = {}
    for name in posix.listdir(directory):
        if name.isdecimal():
            try:
                table[int(name)] = Process(int(name), directory)
            except OSError:
                continue  # it ended meanwhile, or is hidden from us
    return table
