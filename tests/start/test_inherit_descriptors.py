"""The command has every open file descriptor that pyinit was given, and no other."""

from __future__ import annotations

import itertools
import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import harness
from tests.start.inheritance import FORK, in_turn_of_ways

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("namespaces")

STANDARD = (0, 1, 2)
CLOSED = [c for count in range(4) for c in itertools.combinations(STANDARD, count)]
Descriptors = dict[int, tuple[str, list[str]]]


def descriptors(pid: int) -> Descriptors:
    """Return what each descriptor of ``pid`` refers to, with offset and flags."""
    found = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")
            info = Path(f"/proc/{pid}/fdinfo/{name}").read_text().splitlines()
        except FileNotFoundError:
            continue  # closed meanwhile
        kept = [line for line in info if line.startswith(("pos", "flags"))]
        found[int(name)] = (target.partition(":")[0], kept)
    return found


def watch(
    init: tuple[str, ...], before: list[str], way: str, claim: Callable[[Descriptors], bool]
) -> Descriptors:
    """Look at the descriptors of a command that ``init`` starts until ``claim`` holds for them.

    A program has some open for a moment when it starts; what it was given stays.
    """
    mode = harness.SUBREAPER if way == harness.SUBREAPER else harness.PID1
    command = ["/bin/sleep", "1000"]
    with harness.Container(command, mode=mode, before=before, init=init) as container:
        pid = container.main_child() if init == harness.PYINIT else container.pid
        name = Path(f"/proc/{pid}/comm")
        harness.until(lambda: name.read_text() == "sleep\n", "it is sleep", container.process.pid)
        found: Descriptors = {}

        def holds() -> bool:
            found.clear()
            found.update(descriptors(pid))
            return claim(found)

        harness.until(holds, "only the descriptors given are open", container.process.pid)
        return found


@in_turn_of_ways("closed", CLOSED, ids=str)
def test_the_open_descriptors_are_those_given(closed: tuple[int, ...], way: str) -> None:
    """High numbers, offsets and flags, and whichever of 0, 1 and 2 are closed stay closed."""
    spec = {
        "open": {"3": "/dev/null", "7": "/proc", "64": "/dev/zero", "1023": __file__},
        "closed": closed,
        "ignored": [signal.SIGCHLD] if way == FORK else [],
    }
    before = harness.python("enter.py", json.dumps(spec))
    numbers = {0, 1, 2, 3, 7, 64, 1023} - set(closed)
    given = watch(("/usr/bin/env",), before, way, lambda found: found.keys() == numbers)
    assert watch(harness.PYINIT, before, way, lambda found: found == given)
