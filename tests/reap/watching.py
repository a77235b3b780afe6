"""A watch for OOM kills that tells a test, and not a supervisor."""

from __future__ import annotations

import contextlib
import os
import select
from typing import TYPE_CHECKING

from pyinit.kernel import oom
from tests.harness import DEADLINE_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator


class Told:
    """Descriptor of what is written at each call, in place of a signal."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()

    def __call__(self) -> None:
        """Take a call."""
        os.write(self.writer, b".")

    def wait(self) -> None:
        """Wait for a call."""
        ready, _, _ = select.select([self.reader], [], [], DEADLINE_S)
        assert ready, f"not told within {DEADLINE_S} s"
        os.read(self.reader, 1)

    def close(self) -> None:
        """Keep in ``left`` a byte for each call that was not waited for."""
        os.close(self.writer)
        self.left = os.read(self.reader, 100)
        os.close(self.reader)


@contextlib.contextmanager
def watch(counter: oom.Counter) -> Iterator[Told]:
    """Watch it, and see that nothing is left of that afterwards."""
    told = Told()
    threads = set(os.listdir("/proc/self/task"))
    try:
        watching = oom.Watch(counter, told)
        try:
            yield told
        finally:
            watching.close()
            # The lock is released a little before the thread is gone.
            until(lambda: threads.issuperset(os.listdir("/proc/self/task")), "the thread has ended")
    finally:
        told.close()
