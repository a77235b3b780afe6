"""Processes as /proc shows them; it is believed only if it shows our PID namespace; see proc(5)."""

import posix

from pyinit import environment

# Errors that say nothing about a process or about /proc, and may not come the next time: no
# descriptor, no memory, a disk in trouble.  What is not there or not ours to see gives others.
# EMFILE, ENFILE, ENOMEM, EIO, EAGAIN, EINTR: the same on every architecture, and to import
# `errno` takes 0.12 ms.
_PASSING = (24, 23, 12, 5, 11, 4)
_ENOENT = 2


class ProcessStat:
    """One line of /proc/PID/stat: state is a letter, start counts clock ticks since boot.

    ``comm`` is the name that the kernel keeps, cut to 15 bytes.
    """

    __slots__ = ("comm", "parent", "pid", "start", "state", "threads")

    def __init__(self, pid: int, directory: int) -> None:
        """Read it below ``directory``, a descriptor of /proc.  Raises OSError: no such process."""
        self.comm, fields = stat_fields(read(f"{pid}/stat", directory))
        self.pid = pid
        try:
            self.state = fields[0].decode()
            self.parent = int(fields[1])
            self.threads = int(fields[17])
            self.start = int(fields[19])
        except (ValueError, IndexError):
            raise OSError(_ENOENT, "no line of /proc/PID/stat") from None

    @property
    def is_zombie(self) -> bool:
        """Whether it has ended, all its threads with it, and waits to be reaped."""
        return self.state in "ZX" and self.threads <= 1


def stat_fields(line: bytes) -> tuple[bytes, list[bytes]]:
    """Return the name in a line of /proc/PID/stat, and the fields from the third, the state, on."""
    # The name may hold spaces and parentheses: the fields begin after the last one.
    head, _, tail = line.rpartition(b")")
    return head.partition(b"(")[2], tail.split()


def status_field(text: bytes, name: bytes) -> bytes:
    """Return what the text of /proc/PID/status says of a field, nothing where it lacks it."""
    return text.partition(b"\n" + name + b":")[2].partition(b"\n")[0].strip()


def status_mask(text: bytes, name: bytes) -> int:
    """Return a field of /proc/PID/status that is a set of signals or capabilities, as bits."""
    return int(status_field(text, name) or b"0", 16)


def numbers(text: bytes) -> list[int]:
    """Return the numbers of a process from the namespace of /proc down to its own.

    NSpid in the text of /proc/PID/status; none before Linux 4.1.
    """
    return [int(word) for word in status_field(text, b"NSpid").split()]


def read(path: str, directory: int) -> bytes:
    """Return what the file ``path`` below ``directory``, a descriptor, holds.  Raises OSError."""
    return environment.read_all(path, directory)


class Real:
    """/proc, for a ``with`` statement: a descriptor, or None unless it is the kernel's.

    Held open, so that what was believed is what is read, whatever somebody
    mounts over it meanwhile.  ``has_failed`` says of None that it may be had the next time.
    """

    __slots__ = ("_fd", "has_failed")

    def __enter__(self) -> int | None:
        """Open it."""
        self._fd = -1
        self.has_failed = False
        try:
            self._fd = posix.open("/proc", posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC)
            return self._fd if self._is_believed() else None
        except OSError as error:
            self.has_failed = is_passing(error)
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
    return len(numbers(read("self/status", directory))) <= 1


def is_ours() -> bool:
    """Return whether /proc shows the PID namespace of this process."""
    with Ours() as directory:
        return directory is not None


def is_passing(error: OSError) -> bool:
    """Return whether what failed with ``error`` may succeed the next time."""
    return error.errno in _PASSING


def snapshot(directory: int, missed: list[int] | None = None) -> dict[int, ProcessStat]:
    """Return every process that /proc shows, by PID.  Raises OSError: it cannot be listed.

    ``missed`` gets the PIDs of those who could not be read now, but may be the next time.
    """
    table = {}
    for pid in pids(directory):
        try:
            table[pid] = ProcessStat(pid, directory)
        except OSError as error:
            # ESRCH, ENOENT: it ended meanwhile; EPERM: it is hidden from us.
            if missed is not None and is_passing(error):
                missed.append(pid)
    return table


def pids(directory: int) -> list[int]:
    """Return the PIDs that /proc lists, each of 7 digits at most; see pid_max in proc(5).

    Raises OSError.
    """
    return [int(name) for name in posix.listdir(directory) if name.isdecimal() and len(name) <= 7]
