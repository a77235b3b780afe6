"""Waiting in a thread for the end of a process, and so for our children that are inside of it."""

from __future__ import annotations

import os
import select
import time
from typing import TYPE_CHECKING, Any, Protocol

from pyinit.kernel import polls

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Child(Protocol):
    """What `pyinit.container.inside` has for it."""

    def fileno(self) -> int:
        """Return its pidfd, or -1 when there is nothing to wait for any more."""

    def dup_pidfd(self) -> int:
        """Return a pidfd of it that is the caller's.  Raises ValueError after its `close`."""

    def poll(self) -> object:
        """Reap it when it has ended."""


class Awaited(Protocol):
    """What `pyinit.container.process` has for it."""

    on_inside: list[Callable[[Any], None]]

    def open_pidfd(self) -> int:
        """Return its pidfd."""

    def running_inside(self) -> Sequence[Child]:
        """Return those that have to be waited for before it can end."""


def await_end(process: Awaited, deadline: float | None) -> bool:
    """Wait until it has ended or the deadline is over; return whether it has."""
    news = os.eventfd(0)

    def tell(_: Child) -> None:
        os.eventfd_write(news, 1)

    process.on_inside.append(tell)
    try:
        return _await_end_or(process, news, deadline)
    finally:
        process.on_inside.remove(tell)
        os.close(news)


def _await_end_or(process: Awaited, news: int, deadline: float | None) -> bool:
    """Wait as `await_end`; ``news`` is readable when another process has come."""
    while True:
        poll = select.poll()
        own = process.open_pidfd()
        # Another thread may reap one meanwhile, and its number be that of another file: what is
        # done then is nothing, and the next turn looks anew.
        inside = [(each.fileno(), each) for each in process.running_inside()]
        others = {fd: each for fd, each in inside if fd >= 0}
        for fd in (own, news, *others):
            poll.register(fd, select.POLLIN)
        left = None if deadline is None else deadline - time.monotonic()
        ready = dict(polls.wait(poll, left))
        for fd in others.keys() & ready.keys():
            others[fd].poll()
        if own in ready:
            return True
        if news in ready:
            os.eventfd_read(news)
        if not ready:
            return False
