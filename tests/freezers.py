"""Cgroups by which a container can be frozen, where the machine lets the tests make any."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from tests import conftest
from tests.harness import until

if TYPE_CHECKING:
    from collections.abc import Iterator


def hierarchies() -> list[str]:
    """Return where a freezer can be had: version 1's, or a cgroup below the root of version 2.

    None in a container in which cgroups are read-only: nothing that CI could install.
    """
    return [
        path
        for path in ("/sys/fs/cgroup/freezer", "/sys/fs/cgroup/unified", "/sys/fs/cgroup")
        if os.access(f"{path}/cgroup.procs", os.W_OK)
    ]


@contextlib.contextmanager
def cgroup(hierarchy: str) -> Iterator[Path]:
    """Make a cgroup, and remove it once nobody is in it any more."""
    if not hierarchy:
        conftest.missing("root")
    directory = Path(hierarchy, f"pyinit-test-{os.getpid()}")
    directory.mkdir()
    try:
        yield directory
    finally:
        until(lambda: not (directory / "cgroup.procs").read_text(), "the cgroup is empty")
        directory.rmdir()
