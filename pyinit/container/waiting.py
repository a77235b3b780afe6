"""Waiting in a thread for the end of a process, and so for our children that are inside of it."""

from __future__ import annotations

import os
import select
import time
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Awaited(Protocol):
    """What `pyinit.container.process` has for it."""

    on_inside: list[Callable[[Any], None]]

    def open_pidfd(self) -> int:
        """Return its pidfd."""

    def poll(self) -> object:
        """Reap it when it has ended."""

    def running_inside(self) -> Sequence[Awaited]:
        """Return those that have to be waited for before it can end."""


def await_end(process: Awaited, deadline: float | None) -> bool:
    """Wait until it has ended or the deadline is over; return whether it has."""
    news = os.eventfd(0)

    def tell(_: Awaited) -> None:
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
        others = {each.open_pidfd(): each for each in process.running_inside()}
        for fd in (own, news, *others):
            poll.register(fd, select.POLLIN)
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        ready = dict(poll.poll(None if left is None else left * 1000))
        for fd in others.keys() & ready.keys():
            others[fd].poll()
        if own in ready:
            return True
        if news in ready:
            os.eventfd_read(news)
        if not ready:
            return False
