"""A memory cgroup of a test's own, with so little that tests/programs/hog.py is killed in it."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.harness import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HIERARCHY = Path("/sys/fs/cgroup/memory")
# Version 2, where it is mounted; without the controller, which is in the other one.
UNIFIED = Path("/sys/fs/cgroup/unified")
# Enough for a few interpreters: theirs are some ten.
LIMIT_BYTES = 64 << 20


def can_be_had() -> bool:
    """Return whether cgroups can be made here, and those of version 1 have the controller.

    Else the tests of that are left out also of what is run as root: in a container cgroups
    are read-only, and many a system has version 2 alone.
    """
    return all(os.access(path / "cgroup.procs", os.W_OK) for path in (HIERARCHY, UNIFIED))


@contextlib.contextmanager
def cgroup(hierarchy: Path = HIERARCHY, limit_bytes: int = LIMIT_BYTES) -> Iterator[Path]:
    """Make one, and remove it once nobody is in it any more."""
    from tests import conftest  # which asks `can_be_had`

    if os.geteuid() != 0:
        conftest.missing("root")
    # One of a run that was killed can be there still, and the PID be that of this run.
    directory = Path(tempfile.mkdtemp(prefix="pyinit-test-", dir=hierarchy))
    try:
        if hierarchy == HIERARCHY:
            (directory / "memory.limit_in_bytes").write_text(str(limit_bytes))
        yield directory
    finally:
        until(lambda: not (directory / "cgroup.procs").read_text(), "the cgroup is empty")
        directory.rmdir()


def joining(directory: Path) -> Callable[[], object]:
    """Return what a new process does to be in the cgroup, as its ``preexec``."""
    return lambda: (directory / "cgroup.procs").write_text("0")
