"""Being told of OOM kills at once: a thread that sleeps until the kernel says something."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from pyinit.kernel import oom
from tests.harness import until
from tests.reap.watching import watch


def test_version_2_as_a_file(tmp_path: Path) -> None:
    """Nothing is told of one that is none of the kernel's, and the watch ends all the same."""
    (tmp_path / "memory.events").write_text("oom_kill 5\n")
    with watch(oom.counter_of(str(tmp_path))) as told:
        pass
    assert told.left == b""


@pytest.mark.parametrize("name", ["memory.events", "memory.oom_control"])
def test_no_right_to(tmp_path: Path, name: str) -> None:
    """It is an error at once, and nothing stays open: no thread, no descriptor."""
    (tmp_path / name).write_text("oom_kill 5\n")
    counter = oom.counter_of(str(tmp_path))
    if counter.version == 2:
        (tmp_path / name).unlink()
    with pytest.raises(FileNotFoundError), watch(counter):
        pass


def blocked(thread: str) -> str:
    """Return the signal mask of a thread of ours."""
    status = Path(f"/proc/self/task/{thread}/status").read_text()
    return next(line for line in status.splitlines() if line.startswith("SigBlk"))


def test_signals(tmp_path: Path) -> None:
    """The thread takes none: all that are blocked where it is made stay blocked in it."""
    (tmp_path / "memory.events").write_text("oom_kill 5\n")
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    own = set(os.listdir("/proc/self/task"))
    try:
        with watch(oom.counter_of(str(tmp_path))):
            (thread,) = set(os.listdir("/proc/self/task")) - own
            # While glibc makes it, even 32 and 33 are blocked.
            until(lambda: blocked(thread) == blocked(str(os.getpid())), "the mask is the same")
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Fails(oom.Counter):
    """A counter that can be read once: then its cgroup is removed."""

    def __init__(self, directory: Path) -> None:
        self.directory = str(directory)
        self.version = 2
        self.calls = 0

    def read(self) -> int:
        """Return a number, or raise OSError."""
        self.calls += 1
        if self.calls > 1:
            raise OSError
        return 5


def test_a_thread_that_has_ended_by_itself(tmp_path: Path) -> None:
    """Nothing is written to a number that is another's by then: its descriptors stay its own."""
    (tmp_path / "memory.events").write_text("oom_kill 5\n")
    before = set(os.listdir("/proc/self/task"))
    watching = oom.Watch(Fails(tmp_path), lambda: None)
    others = []
    try:
        until(lambda: before.issuperset(os.listdir("/proc/self/task")), "the thread has ended")
        others += [os.eventfd(0, os.EFD_NONBLOCK) for _ in range(4)]
        watching.close()
        for fd in others:
            with pytest.raises(BlockingIOError):
                os.eventfd_read(fd)
    finally:
        for fd in others:
            os.close(fd)
