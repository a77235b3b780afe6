"""Which process is the init of a container, and what it was asked to do."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pyinit.ctl import control, kinds, view
from pyinit.ctl.common import CommandError

if TYPE_CHECKING:
    from pyinit.ctl.kinds import FoundInit

# Between a process and its init; a loop among parents cannot be, but /proc is read piece by piece.
_MOST_GENERATIONS = 1000


def init_for(pid: int | None) -> FoundInit:
    """Return the pyinit that is nearest above ``pid``, itself included, or else its PID 1.

    Without a number: of ourselves.  Raises CommandError.
    """
    try:
        start = os.getpid() if pid is None else pid
        inode = os.stat(f"/proc/{start}/ns/pid").st_ino
        top = 1 if inode == os.stat("/proc/self/ns/pid").st_ino else control.init_of(start)
        return _nearest(start, inode) or look_at(top)
    except FileNotFoundError:
        raise CommandError(f"there is no process {start}") from None
    except OSError as error:
        reason = error.strerror or error
        raise CommandError(f"process {start} may not be looked at: {reason}") from None


def _nearest(pid: int, inode: int) -> FoundInit | None:
    """Return the first pyinit from ``pid`` upwards in its PID namespace.  Raises OSError."""
    for _ in range(_MOST_GENERATIONS):
        try:
            if os.stat(f"/proc/{pid}/ns/pid").st_ino != inode:
                return None  # it has entered, and its parent is outside
        except PermissionError:
            return None  # whoever is further up is somebody else's
        found = look_at(pid)
        parent = view.ProcessView(pid).parent
        if found.is_pyinit and not _is_copy(found, parent):
            return found
        if parent == 0:
            return None
        pid = parent
    return None


def _is_copy(found: FoundInit, parent: int) -> bool:
    """Return whether it was just forked by an init, and is about to be the command."""
    return bool(parent) and view.ProcessView(parent).command == found.process.command


def look_at(pid: int) -> FoundInit:
    """Return what kind of init a process is.  Raises OSError."""
    return kinds.recognised(view.ProcessView(pid))
