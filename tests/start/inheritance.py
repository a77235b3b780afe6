"""What a command is like under pyinit, and what it is like without: for comparing the two."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests import harness
from tests.cases import in_turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Spec = dict[str, Any]

# The ways in which a command is started: as PID 1 by posix_spawn(3); as PID 1 by fork(2), for
# which an ignored SIGCHLD is one of the reasons; and by fork(2) with a parent-death signal.
SPAWN = "spawn"
FORK = "fork"
WAYS = (SPAWN, FORK, harness.SUBREAPER)
each_way = pytest.mark.parametrize("way", WAYS)


def in_turn_of_ways(
    names: str | tuple[str, ...],
    cases: Iterable[Any],
    *,
    ids: Callable[[Any], object] | None = None,
) -> pytest.MarkDecorator:
    """Parametrize a test: each of ``cases`` in one of the ways in turn, the first one in all."""
    return in_turn(names, cases, ids=ids, over="way", values=WAYS)


def entry(spec: Spec, way: str) -> list[str]:
    """Return the program that makes of itself what ``spec`` says and then starts the rest."""
    if way == FORK:
        spec = {**spec, "ignored": [*spec.get("ignored", []), int(signal.SIGCHLD)]}
    return harness.python("enter.py", json.dumps(spec))


def under_pyinit(command: Sequence[str | bytes], spec: Spec, way: str, **options: Any) -> bytes:
    """Return what ``command`` writes when a pyinit starts it that is as ``spec`` says."""
    mode = harness.SUBREAPER if way == harness.SUBREAPER else harness.PID1
    before = [*options.pop("before", ()), *entry(spec, way)]
    code, out, err = harness.run(command, mode=mode, before=before, **options)
    assert (code, err) == (0, "")
    return os.fsencode(out)


def without(
    command: Sequence[str | bytes],
    spec: Spec,
    way: str,
    before: Sequence[str] = (),
    init: Sequence[str] = ("/usr/bin/env",),
) -> bytes:
    """Return what ``command`` writes in the place of pyinit, with ``init`` before it."""
    done = subprocess.run(
        [*harness.UNSHARE, *before, *entry(spec, way), *init, "--", *command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        timeout=harness.DEADLINE_S,
    )
    assert done.stderr == b""
    return done.stdout


def assert_same(command: Sequence[str | bytes], spec: Spec, way: str, **options: Any) -> bytes:
    """Assert that ``command`` writes the same under pyinit and without it; return that."""
    given = without(command, spec, way, **options)
    assert under_pyinit(command, spec, way, **options) == given
    return given
