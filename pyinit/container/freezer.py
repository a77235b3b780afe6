"""Stopping a whole container for a while: by a cgroup of its own, else by signals.

A frozen cgroup is not noticed by those in it; STOP is seen by their parents, and CONT
continues also those who were stopped before.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pyinit.kernel import cgroups
from pyinit.kernel.clock import Clock
from pyinit.namespaces import members

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sized

# The kernel freezes at once, unless somebody is in D state.
_BOUND_S = 10.0
_POLL_S = 0.005


def freeze(pid: int) -> str:
    """Freeze the PID namespace of ``pid`` and those below it; return by what.

    Raises OSError, TimeoutError.
    """
    directory = own_cgroup(pid)
    if directory is not None:
        return _switch(directory, frozen=True)
    seen: set[int] = set()
    # Until nobody is new: who was not stopped yet could fork.
    while new := [each for each in _init_first(pid) if each not in seen]:
        seen.update(new)
        _signal_all(new, signal.SIGSTOP)
    return f"SIGSTOP to {_count(seen)}"


def thaw(pid: int) -> str:
    """Let a frozen container go on; return by what.  Raises OSError, TimeoutError."""
    directory = own_cgroup(pid)
    if directory is not None:
        return _switch(directory, frozen=False)
    everybody = _init_first(pid)
    _signal_all(reversed(everybody), signal.SIGCONT)
    return f"SIGCONT to {_count(everybody)}"


def _count(pids: Sized) -> str:
    return f"{len(pids)} process{'' if len(pids) == 1 else 'es'}"


def own_cgroup(pid: int) -> str | None:
    """Return the directory of the cgroup that holds the container and nobody else, or None."""
    directory = cgroups.freezer_of(pid)
    if directory is None:
        return None
    inside: set[int] = set()
    for place, _, names in os.walk(directory):
        if "cgroup.procs" in names:
            try:
                inside.update(map(int, Path(place, "cgroup.procs").read_text().split()))
            except OSError:
                return None  # threaded, or not ours to read
    everybody = set(members.pids(pid))
    strangers = any(_is_there(each) for each in inside - everybody)
    # Whoever is new since the cgroup was read is in it, or elsewhere.
    elsewhere = any(not _is_below(each, directory) for each in everybody - inside)
    return directory if inside and not strangers and not elsewhere else None


def _is_there(pid: int) -> bool:
    return os.path.exists(f"/proc/{pid}")


def _is_below(pid: int, directory: str) -> bool:
    try:
        own = cgroups.freezer_of(pid) or ""
    except ProcessLookupError:
        return True  # it has ended
    return own == directory or own.startswith(f"{directory}/")


def _init_first(pid: int) -> list[int]:
    """Return all members, the init of the namespace first: it would see the others stop."""
    found = list(members.numbered(pid))
    found.sort(key=lambda each: each[1][each[2]])
    return [outer for outer, _, _ in found]


def _signal_all(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def _switch(directory: str, *, frozen: bool) -> str:
    """Freeze or thaw a cgroup, and wait until all in it are.  Raises OSError, TimeoutError."""
    old = Path(directory, "freezer.state")
    if old.exists():
        wanted = "FROZEN" if frozen else "THAWED"
        old.write_text(wanted)
        _await(lambda: old.read_text().strip() == wanted, directory)
        return f"cgroup v1 {directory}"
    Path(directory, "cgroup.freeze").write_text(str(int(frozen)))
    told = Path(directory, "cgroup.events")
    _await(lambda: f"frozen {int(frozen)}" in told.read_text(), directory)
    return f"cgroup v2 {directory}"


def _await(is_done: Callable[[], bool], directory: str) -> None:
    clock = Clock()
    while not is_done():
        if clock.now() > _BOUND_S:
            raise TimeoutError(f"cgroup {directory} has not changed within {_BOUND_S:g} seconds")
        again = clock.now() + _POLL_S
        time.sleep(_POLL_S)
        clock.reach(again)
