"""A limit of processor time, by the cpu controller of cgroup v1 (cgroups(7)): cpu.cfs_quota_us."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTROLLER = Path("/sys/fs/cgroup/cpu")
_PERIOD_US = 100_000  # the kernel's default, and what container runtimes set


def is_available() -> bool:
    """Return whether we may make such a group."""
    return (CONTROLLER / "cgroup.procs").exists() and os.access(CONTROLLER, os.W_OK)


@contextmanager
def limited(millicores: int) -> Iterator[Path]:
    """Yield a group whose processes have so many thousandths of one processor.

    Raises OSError.  The kernel takes no less than 1 ms for a period: 10 millicores.
    """
    group = Path(tempfile.mkdtemp(prefix="bench", dir=CONTROLLER))
    try:
        (group / "cpu.cfs_period_us").write_text(str(_PERIOD_US))
        (group / "cpu.cfs_quota_us").write_text(str(millicores * _PERIOD_US // 1000))
        yield group
    finally:
        group.rmdir()
