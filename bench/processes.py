"""What the kernel counts of a process: memory, processor time, context switches; see proc(5)."""

from __future__ import annotations

import os
import time
from pathlib import Path

from bench.container import DEADLINE_S, MeasureError

# A process that sleeps and uses no processor time in so many looks is at rest.
_LOOKS = 6
_BETWEEN_LOOKS_S = 0.01

# The processes that the workload is made of, not the init.
_COMMANDS = frozenset(("sh", "dash", "bash", "sleep"))

HAS_SCHEDSTAT = Path("/proc/self/schedstat").exists()


def run_time_ns(pid: int) -> int:
    """Return the processor time that ``pid`` has used, in nanoseconds.

    By /proc/PID/schedstat, which needs a kernel with CONFIG_SCHED_INFO; else by
    the clock ticks of /proc/PID/stat, which are too coarse for few events.
    """
    if HAS_SCHEDSTAT:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
    ticks = sum(int(word) for word in _stat(pid)[11:13])
    return ticks * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def settle(pid: int) -> int:
    """Wait until ``pid`` is at rest, and return the processor time it has used, in ns."""
    deadline = time.monotonic() + DEADLINE_S
    seen, quiet = -1, 0
    while quiet < _LOOKS:
        if time.monotonic() > deadline:
            raise MeasureError(f"it is not at rest after {DEADLINE_S} s")
        now = run_time_ns(pid)
        quiet = quiet + 1 if now == seen and _stat(pid)[0] == "S" else 0
        seen = now
        time.sleep(_BETWEEN_LOOKS_S)
    return seen


def init_processes(pid: int) -> list[int]:
    """Return ``pid`` and those of its descendants that are part of the init.

    A supervisor may have more processes than one; its command is not counted.
    """
    found = [pid]
    for each in found:  # which grows while it is walked
        children = Path(f"/proc/{each}/task/{each}/children").read_text().split()
        found += [int(child) for child in children if _name(int(child)) not in _COMMANDS]
    return found


def _name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def memory_kib(pid: int, *, alone: bool = False) -> dict[str, float]:
    """Return resident and private memory of the init at ``pid``, in KiB.

    Private is what no other process maps: the price of one more such init.
    ``alone`` leaves out further processes, where a command's cannot be told apart.
    """
    resident = private = 0
    for each in [pid] if alone else init_processes(pid):
        for line in Path(f"/proc/{each}/smaps_rollup").read_text().splitlines():
            name, _, value = line.partition(":")
            if name == "Rss":
                resident += int(value.split()[0])
            elif name in ("Private_Clean", "Private_Dirty"):
                private += int(value.split()[0])
    return {"resident": resident, "private": private}


def proportional_kib(pid: int) -> float:
    """Return the memory of ``pid`` and of all below it, in KiB, what is shared counted once.

    By Pss of /proc/PID/smaps_rollup, which divides each page among those who map it.
    """
    found = [pid]
    total = 0
    for each in found:  # which grows while it is walked
        found += map(int, Path(f"/proc/{each}/task/{each}/children").read_text().split())
        for line in Path(f"/proc/{each}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total


def context_switches(pid: int) -> int:
    """Return how often the init at ``pid``, all its threads, has been switched away from."""
    total = 0
    for each in init_processes(pid):
        for status in Path(f"/proc/{each}/task").glob("*/status"):
            for line in status.read_text().splitlines():
                if "ctxt_switches:" in line:
                    total += int(line.split()[1])
    return total
