"""The cgroups of a process, as directories; see cgroups(7)."""

from __future__ import annotations

import os
from pathlib import Path


def directories_of(pid: int) -> list[str]:
    """Return the directories of the cgroups of ``pid``, one a hierarchy that is mounted here.

    Raises ProcessLookupError.
    """
    return list(_directories(pid).values())


def freezer_of(pid: int) -> str | None:
    """Return the directory of the cgroup by which ``pid`` can be frozen, or None.

    None where that is the root of the hierarchy.
    """
    found = _directories(pid)
    for controller in ("freezer", ""):
        directory = found.get(controller)
        if directory is None:
            continue
        for name in ("freezer.state", "cgroup.freeze"):
            if os.path.exists(f"{directory}/{name}"):
                return directory
    return None


def _directories(pid: int) -> dict[str, str]:
    """Return controllers (of version 2: "") and directories."""
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    except FileNotFoundError:
        raise ProcessLookupError(f"there is no process {pid}") from None
    found = {}
    for line in lines:
        _, controllers, path = line.split(":", 2)
        for words, root, place in _hierarchies():
            if controllers not in words and (controllers or words):
                continue
            relative = os.path.relpath(path, root)
            if relative.startswith(".."):
                continue  # outside of what is mounted here
            for controller in controllers.split(","):
                found[controller] = os.path.normpath(f"{place}/{relative}")
            break
    return found


def _hierarchies() -> list[tuple[list[str], str, str]]:
    """Return the options, root and place of each hierarchy that is mounted; see proc(5)."""
    found: list[tuple[list[str], str, str]] = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        fields = before.split(" ")
        place = fields[4].encode().decode("unicode_escape")
        if kind == "cgroup2":
            found.append(([], fields[3], place))
        elif kind == "cgroup":
            words = options.split(",")
            # Several controllers of one hierarchy stand as one word in /proc/PID/cgroup.
            found.append(([*words, *_joined(words)], fields[3], place))
    return found


def _joined(words: list[str]) -> list[str]:
    flags = {"rw", "ro", "xattr", "clone_children", "none"}
    controllers = [word for word in words if word not in flags and "release" not in word]
    return [",".join(controllers), ",".join(reversed(controllers))]
