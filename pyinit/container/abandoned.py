"""Children whose object is gone while they run: they are reaped at the next start."""

from __future__ import annotations

import os
import select

from pyinit.kernel import pidfds

_pidfds: list[int] = []


def add(pidfd: int) -> None:
    """Take over a descriptor of a child that nobody will wait for.  Raises OSError."""
    _pidfds.append(os.dup(pidfd))


def reap() -> None:
    """Reap those that have ended meanwhile; waits for nobody."""
    for pidfd in [*_pidfds]:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        if not poll.poll(0):
            continue
        try:
            _pidfds.remove(pidfd)
        except ValueError:
            continue  # another thread has just done it
        try:
            os.waitid(pidfds.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG)
        except ChildProcessError:
            pass  # somebody else has waited for it, or we are a fork of its parent
        os.close(pidfd)
