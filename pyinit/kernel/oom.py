"""Whom the kernel has killed for want of memory: what the memory cgroup counts; see cgroups(7).

Loaded when somebody was killed, or all that happens is recorded.  The files are described
in the kernel's Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst.
"""

import posix

from pyinit import environment
from pyinit.kernel import cgroups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# Version 1 tells of a shortage, and only then somebody is killed, here or elsewhere
# below the same limit: the counter is looked at for a second or two.
_FIRST_PAUSE_MS = 1
_LAST_PAUSE_MS = 1024

_BEFORE_WAKE_MS = 10

# While a process that was killed gives its memory back, the kernel can kill another one that
# asks for a page just then: an init was, with 11 of 64 MiB in use (2 of 160 times in which it
# looked at once).  So the thread sleeps at first, and touches no page for that which it has not
# had before.
_BEFORE_LOOK_MS = 25

_WANTED = ("memory", cgroups.UNIFIED)
# By version of cgroups.
_COUNTER = {1: "memory.oom_control", 2: "memory.events"}
_PEAK = {1: "memory.max_usage_in_bytes", 2: "memory.peak"}


class Counter:
    """The OOM kills in the memory cgroup of process ``pid``, or of this process.

    ``directory`` is that of the cgroup, and ``version`` 1 or 2; they are "" and 0 when
    there is none of its own: no cgroup file system is mounted, or it is the kernel's
    root, in which nobody's container is.  Version 2 counts the cgroups below as well,
    version 1 does not.
    """

    __slots__ = ("directory", "version")

    def __init__(self, pid: int | None = None) -> None:
        """Find the cgroup; raises nothing."""
        self.directory = ""
        self.version = 0
        try:
            found = cgroups.by_controller(pid, _WANTED)
        except (OSError, ValueError, IndexError):
            return  # no /proc, or one that hides it
        # Of a hybrid, where both are mounted, the controller is in one of the two.
        self._is_in(found.get("memory"), 1)
        if not self.version:
            self._is_in(found.get(cgroups.UNIFIED), 2)

    def _is_in(self, directory: str | None, version: int) -> None:
        if directory is None or not _is_there(f"{directory}/{_COUNTER[version]}"):
            return  # version 2: the root, or the controller is not enabled for this cgroup
        if version == 1 and _is_there(f"{directory}/release_agent"):
            return  # the kernel's root, and not that of a cgroup namespace: only there it is
        self.directory = directory
        self.version = version

    def read(self) -> int | None:
        """Return the kills since the cgroup was made, or None when the kernel does not tell."""
        if not self.version:
            return None
        try:
            return _kills(environment.read_all(self.path))
        except (OSError, ValueError):
            return None  # there is none, or it is gone

    @property
    def path(self) -> str:
        """The file that counts."""
        return f"{self.directory}/{_COUNTER.get(self.version, '')}"

    def peak_bytes(self) -> int | None:
        """Return the most memory that was in use at a time, or None when the kernel does not tell.

        Version 2 does since Linux 5.19.
        """
        if not self.version:
            return None
        try:
            return int(environment.read_all(f"{self.directory}/{_PEAK.get(self.version, '')}"))
        except (OSError, ValueError):
            return None


def counter_of(directory: str) -> Counter:
    """Return the counter of the cgroup with this directory."""
    counter = object.__new__(Counter)
    counter.directory = directory
    named = _COUNTER.items()
    counter.version = next((each for each, name in named if _is_there(f"{directory}/{name}")), 0)
    return counter


class Watch:
    """Calls ``wake`` whenever ``counter`` has risen, from a thread that sleeps until then.

    The thread has the signal mask of the one that makes it.  Version 1 tells nothing where
    the whole machine was short of memory, and not the cgroup.
    """

    def __init__(self, counter: Counter, wake: "Callable[[], None]") -> None:
        """Begin.

        Raises OSError: with version 1 it takes the right to write to the cgroup; RuntimeError:
        no thread can be started.
        """
        import _thread
        import select  # not in the thread: a fork while it imports would leave the lock held

        self._counter = counter
        self._wake = wake
        self._fds: list[int] = []
        self._ended = _thread.allocate_lock()
        self._ended.acquire()
        try:
            self._end = self._opened(posix.eventfd(0, posix.EFD_CLOEXEC))
            self._source = self._opened(posix.open(counter.path, environment.READ_ONLY))
            told_by = select.POLLPRI
            if counter.version == 1:
                self._source = self._registered(self._source)
                told_by = select.POLLIN
            self._at_end, self._told = select.poll(), select.poll()
            self._at_end.register(self._end, select.POLLIN)
            self._told.register(self._end, select.POLLIN)
            self._told.register(self._source, told_by)
            self._last = counter.read() or 0
            _thread.start_new_thread(self._run, ())
        except BaseException:
            self._close()
            raise

    def close(self) -> None:
        """End the thread, and return when it has ended.

        Only then its descriptors are closed: it may have ended before, when the cgroup was removed.
        """
        if self._fds:
            posix.eventfd_write(self._end, 1)
            self._ended.acquire()
            self._close()

    def _opened(self, fd: int) -> int:
        self._fds.append(fd)
        return fd

    def _registered(self, file: int) -> int:
        """Return a descriptor that can be read when memory is short.  Raises OSError."""
        told = self._opened(posix.eventfd(0, posix.EFD_CLOEXEC))
        flags = posix.O_WRONLY | posix.O_CLOEXEC
        control = posix.open(f"{self._counter.directory}/cgroup.event_control", flags)
        try:
            posix.write(control, b"%d %d" % (told, file))
        finally:
            posix.close(control)
        return told

    def _run(self) -> None:
        try:
            step = self._change
            if self._counter.version == 1:
                step = self._shortage
                posix.eventfd_write(self._source, 1)
                self._shortage(own=1)  # for its pages
            while step():
                pass
        except BaseException:
            pass  # the cgroup is gone, and with it whoever was in it
        finally:
            self._ended.release()

    def _shortage(self, own: int = 0) -> bool:
        """Wait until version 1 tells, and then for a kill; return False at the end.

        ``own`` times we have told ourselves, which is no shortage.
        """
        if self._is_over():
            return False
        told = posix.eventfd_read(self._source)
        if self._at_end.poll(_BEFORE_LOOK_MS):
            return False
        pause_ms = _FIRST_PAUSE_MS
        while told > own and not self._has_risen() and pause_ms <= _LAST_PAUSE_MS:
            if self._at_end.poll(pause_ms):
                return False
            pause_ms *= 2
        return True

    def _change(self) -> bool:
        """Wait until version 2 tells; return False at the end."""
        # A change since this read is told, also one from before poll(2).
        posix.pread(self._source, 4096, 0)
        self._has_risen()
        return not self._is_over()

    def _is_over(self) -> bool:
        """Wait for the end or a word from the kernel; return whether it is the end."""
        return self._end in [fd for fd, _ in self._told.poll()]

    def _has_risen(self) -> bool:
        kills = self._counter.read() or 0
        if kills <= self._last:
            return False
        self._last = kills
        # The kernel counts first, and kills then: whoever looks is to find it done.
        self._at_end.poll(_BEFORE_WAKE_MS)
        self._wake()
        return True

    def _close(self) -> None:
        while self._fds:
            posix.close(self._fds.pop())


def _is_there(path: str) -> bool:
    return posix.access(path, posix.F_OK)


def _kills(text: bytes) -> int | None:
    for line in text.splitlines():
        word, _, number = line.partition(b" ")
        if word == b"oom_kill":
            return int(number)
    return None  # both versions count since Linux 4.13
