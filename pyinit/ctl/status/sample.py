"""What the processes of a container use, by psutil, and how much of it between two looks."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, NamedTuple

import psutil

from pyinit.kernel import proc
from pyinit.namespaces import members

if TYPE_CHECKING:
    from collections.abc import Iterator

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")

# PROC_PID_INIT_INO of the kernel's include/linux/proc_ns.h: the PID namespace above all others,
# where kthreadd and its children are threads of the kernel.
_INITIAL = 0xEFFFFFFC
_KTHREADD = 2


class Use(NamedTuple):
    """A process and what it has used.

    ``numbers`` are those in our PID namespace and in each one down to its own, ``inner_pid``
    is that in the namespace of the init.  What may not be looked at is None.
    """

    pid: int
    numbers: list[int]
    inner_pid: int
    parent: int
    user: str | None
    uid: int | None
    state: str
    zombie: bool
    cpu_percent: float
    cpu_s: float
    rss_bytes: int
    threads: int
    age_s: float
    name: str
    command: list[str]


class Sampler:
    """Looks at the processes of ``init`` again and again.

    ``over_s`` is the time that the last percentages are of, None when they are of the whole
    life of each process.
    """

    def __init__(self, init: int) -> None:
        self.over_s: float | None = None
        self._init = init
        self._when: float | None = None
        # By number and start: numbers are used again.
        self._before: dict[tuple[int, int], float] = {}

    def look(self) -> list[Use]:
        """Return all processes."""
        now = time.monotonic()
        self.over_s = None if self._when is None else max(now - self._when, 0.001)
        self._when = now
        before, self._before = self._before, {}
        found = []
        with proc.Ours() as directory:
            if directory is None:
                return []
            for pid, numbers, level in _everybody(self._init):
                try:
                    found.append(self._use(directory, pid, numbers, level, before))
                except (OSError, psutil.Error):
                    continue  # it has ended
        return found

    def _use(
        self,
        directory: int,
        pid: int,
        numbers: list[int],
        level: int,
        before: dict[tuple[int, int], float],
    ) -> Use:
        line = proc.ProcessStat(pid, directory)
        process = psutil.Process(pid)
        with process.oneshot():
            times = process.cpu_times()
            cpu_s = times.user + times.system
            age_s = age_of(line.start)
            self._before[pid, line.start] = cpu_s
            used, over_s = cpu_s - before.get((pid, line.start), 0.0), self.over_s
            if over_s is None or (pid, line.start) not in before:
                used, over_s = cpu_s, age_s if over_s is None else min(age_s, over_s)
            uid = process.uids().effective
            return Use(
                pid=pid,
                numbers=numbers,
                inner_pid=numbers[level],
                parent=line.parent,
                user=process.username(),
                uid=uid,
                state=line.state,
                zombie=line.is_zombie,
                cpu_percent=round(100 * used / max(over_s, 1 / _TICKS_PER_S), 1),
                cpu_s=round(cpu_s, 2),
                rss_bytes=process.memory_info().rss,
                threads=line.threads,
                age_s=round(age_s, 2),
                name=process.name(),
                command=[] if line.is_zombie else process.cmdline(),
            )


def age_of(start_ticks: int) -> float:
    """Return how many seconds ago a process began, by a clock that nobody can set."""
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - start_ticks / _TICKS_PER_S)


def _everybody(init: int) -> Iterator[tuple[int, list[int], int]]:
    """Yield for each process its number here, at all levels, and the index of the init's level."""
    numbers = members.numbers_of(init)
    level = len(numbers) - 1
    if numbers[level] == 1 and level:
        yield from members.numbered(init)
        return
    for pid in _all_here() if numbers == [1] else _family(init):
        try:
            yield pid, members.numbers_of(pid), level
        except OSError:
            continue  # it has ended


def _family(init: int) -> list[int]:
    """Return an init that is not PID 1 and its descendants."""
    return [init, *(each.pid for each in psutil.Process(init).children(recursive=True))]


def _all_here() -> Iterator[int]:
    """Yield all of our own PID namespace, also those that have entered it, whose parent is outside.

    But not the threads of the kernel.
    """
    is_first = os.stat("/proc/self/ns/pid").st_ino == _INITIAL
    for pid in psutil.pids():
        try:
            if not is_first or (pid != _KTHREADD and psutil.Process(pid).ppid() != _KTHREADD):
                yield pid
        except psutil.Error:
            continue  # it has ended
