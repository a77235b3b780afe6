"""Waiting in an event loop of asyncio: for a descriptor, for a thread, for the end of a process."""

from __future__ import annotations

import _thread
import asyncio
import contextlib
import os
import threading
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pyinit.api.types import Exit
    from pyinit.container.waiting import Child

_T = TypeVar("_T")


class AwaitedInLoop(Protocol):
    """What `pyinit.container.process` has for it."""

    on_inside: list[Callable[[Any], None]]

    def dup_pidfd(self) -> int:
        """Return a pidfd of it that is the caller's.  Raises ValueError after its `close`."""

    def poll(self) -> Exit | None:
        """Return how it ended, or None while it has not."""

    def reap(self) -> Exit:
        """Return the end of one whose pidfd is readable."""

    def running_inside(self) -> Sequence[Child]:
        """Return those that have to be waited for before it can end."""


async def wait(process: AwaitedInLoop) -> Exit:
    """Wait for the end of a process, and so for the children of ours that are inside of it."""
    end = process.poll()
    if end is not None:
        return end
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    # Descriptors of its own: several may wait, and each has a reader of its own then.
    watched: set[int] = set()

    def watch(each: AwaitedInLoop | Child) -> None:
        with contextlib.suppress(ValueError):  # it has been closed
            fd = each.dup_pidfd()
            watched.add(fd)
            loop.add_reader(fd, notice, each, fd)

    def notice(each: AwaitedInLoop | Child, fd: int) -> None:
        _unwatch(loop, watched, fd)
        if each is process:
            _settle(ended, lambda: ended.set_result(None))
        else:
            each.poll()

    def watch_from_any_thread(each: Child) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has been closed
            loop.call_soon_threadsafe(watch, each)

    process.on_inside.append(watch_from_any_thread)
    try:
        watch(process)
        for each in process.running_inside():
            watch(each)
        await ended
    finally:
        process.on_inside.remove(watch_from_any_thread)
        for fd in [*watched]:
            _unwatch(loop, watched, fd)
    return process.reap()


def _unwatch(loop: asyncio.AbstractEventLoop, watched: set[int], fd: int) -> None:
    if fd in watched:
        watched.remove(fd)
        loop.remove_reader(fd)
        os.close(fd)


def _settle(future: asyncio.Future[_T], settle: Callable[[], None]) -> None:
    if not future.done():
        settle()


async def in_thread(call: Callable[[], _T], undo: Callable[[_T], object] | None = None) -> _T:
    """Return what ``call`` returns in a thread of its own, which has ended nearly by then.

    A thread cannot be cancelled: when we are, it is waited for, and what it has made is undone by
    ``undo``, there too.  Not one of the loop's own pool: who waits for the output of a container
    there could keep its end waiting.
    """
    loop = asyncio.get_running_loop()
    made: asyncio.Future[_T] = loop.create_future()
    thread = threading.Thread(
        target=_work, args=(loop, made, call), name="pyinit-call", daemon=True
    )
    # Its start() waits until it has had a processor: that is for another thread to do.
    _thread.start_new_thread(thread.start, ())
    try:
        return await asyncio.shield(made)
    except asyncio.CancelledError:
        await until_done(made)
        if undo is not None and made.exception() is None:
            result = made.result()
            await until_done(asyncio.ensure_future(in_thread(lambda: undo(result))))
        raise


def _work(
    loop: asyncio.AbstractEventLoop, made: asyncio.Future[_T], call: Callable[[], _T]
) -> None:
    # With the signal mask of the loop's thread, which is to be that of a command.
    settle: Callable[[], None]
    try:
        result = call()
    except BaseException as error:
        problem = error
        settle = lambda: made.set_exception(problem)  # noqa: E731 - one of two
    else:
        settle = lambda: made.set_result(result)  # noqa: E731
    with contextlib.suppress(RuntimeError):  # the loop has been closed
        loop.call_soon_threadsafe(_settle, made, settle)


async def until_done(future: asyncio.Future[_T]) -> bool:
    """Wait for ``future`` whatever happens; return whether we have been cancelled meanwhile."""
    is_cancelled = False
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError:
            is_cancelled = True
    return is_cancelled
