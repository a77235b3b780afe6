"""Containers that come and go leave nothing of them behind."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest

from tests import harness
from tests.harness import DEADLINE_S
from tests.spawning import own_namespaces, spawn

pytestmark = pytest.mark.usefixtures("namespaces")


def shared() -> set[str]:
    """Return the mounts and cgroups there are, which others make and remove as well."""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    return {*mounts, *(place for place, _, _ in os.walk("/sys/fs/cgroup"))}


def held() -> dict[str, object]:
    """Return what a container could leave behind."""
    return {
        "children": harness.children(os.getpid()),
        "descriptors": sorted(os.listdir("/proc/self/fd")),
        "directories": sorted(os.listdir(tempfile.gettempdir())),
        "namespaces": own_namespaces(),
        "threads": threading.active_count(),
    }


@pytest.mark.parametrize("number", [30, pytest.param(200, marks=pytest.mark.long)])
def test_many_containers(number: int) -> None:
    """No process, descriptor, mount, cgroup, directory, namespace or thread."""
    with spawn(["true"]) as container:
        container.wait(DEADLINE_S)
    # Others use the directory as well.
    before = held() | {"directories": []}
    shared_before = shared()
    for count in range(number):
        pipe = subprocess.PIPE
        with spawn(["sh", "-c", "read -r _; exit 3"], stdin=pipe, terminal=False) as container:
            if count % 2:
                assert container.stdin is not None
                container.stdin.close()
                assert container.wait(DEADLINE_S).code == 3
    assert held() | {"directories": []} == before
    # What others have made goes again: what has been left here does not.
    harness.until(lambda: shared() <= shared_before, "there is no new mount and no new cgroup")
