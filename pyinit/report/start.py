"""What a record has to know of the moment before anybody was reaped."""

from __future__ import annotations

import posix
import resource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Start:
    """What was so when this was made: the parent, and what had been used by then.

    In a program that has run an init before, or was a shell's before its exec, others have
    been reaped already.
    """

    def __init__(self) -> None:
        self.parent = posix.getppid()
        self._before = _cpu()
        # Our own memory stands in the child's peak from before its exec(2).
        self._own_peak = max(map(_peak_bytes, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))

    def used(self) -> dict[str, Any]:
        """Return what those have used who were reaped since then."""
        user_s, system_s = _cpu()
        peak = _peak_bytes(resource.RUSAGE_CHILDREN)
        return {
            "cpu_user_s": round(user_s - self._before[0], 6),
            "cpu_system_s": round(system_s - self._before[1], 6),
            "peak_process_bytes": peak if peak > self._own_peak else None,
        }


def _cpu() -> tuple[float, float]:
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime, ended.ru_stime


def _peak_bytes(who: int) -> int:
    """Return the peak memory of a process, or of the largest child; see getrusage(2)."""
    return resource.getrusage(who).ru_maxrss * 1024  # KiB
