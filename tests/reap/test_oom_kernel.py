"""What the kernel counts and tells of OOM kills, in real memory cgroups, namespaces and mounts."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

import pyinit
from pyinit.kernel import oom
from tests import memory
from tests.harness import DEADLINE_S, python, until
from tests.reap.watching import watch

COUNTER = f"""if True:
    import sys
    sys.path.insert(0, {str(Path(pyinit.__file__).parents[1])!r})
    from pyinit.kernel import oom
    found = oom.Counter()
    print(found.version, found.directory, found.read())
"""


def inside(directory: Path, setup: str) -> list[str]:
    """Return what a counter says in a cgroup and a mount namespace, and ``setup`` done there."""
    command = ["sh", "-ec", f'{setup}; exec "$@"', "sh", sys.executable, "-IS", "-c", COUNTER]
    done = subprocess.run(
        ["unshare", "--mount", "--", *command],
        preexec_fn=memory.joining(directory),
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.split()


@pytest.mark.parametrize(
    ("setup", "place"),
    [
        (":", None),
        # As runtimes mount it: the cgroup alone, read-only.
        ("mount --bind $D /mnt; mount -o remount,bind,ro /mnt; umount -l /sys/fs/cgroup", "/mnt"),
        ("mount -t cgroup -o memory none /mnt; umount -l /sys/fs/cgroup", "/mnt/$N"),
        ("umount -l /sys/fs/cgroup", ""),
        ("mount -t tmpfs none /sys/fs/cgroup", ""),
    ],
)
def test_mounts(setup: str, place: str | None) -> None:
    """The directory is where the cgroup is mounted, if it is."""
    with memory.cgroup() as directory:
        setup = setup.replace("$D", str(directory))
        expected = str(directory) if place is None else place.replace("$N", directory.name)
        assert inside(directory, setup) == (["1", expected, "0"] if expected else ["0", "None"])


@pytest.mark.parametrize(
    ("setup", "place"),
    [(":", ""), ("mount -t cgroup -o memory none /mnt", "/mnt")],
)
def test_a_cgroup_namespace(setup: str, place: str) -> None:
    """It hides what was mounted outside of it, and shows its own root as the container's cgroup.

    So "/" in /proc/self/cgroup is not the kernel's root.
    """
    with memory.cgroup() as directory:
        wrapped = f'exec unshare --cgroup --mount sh -ec \'{setup}; exec "$@"\' sh "$@"'
        assert inside(directory, wrapped) == (["1", place, "0"] if place else ["0", "None"])


def test_a_kill() -> None:
    """It is counted, and the peak is the limit."""
    with memory.cgroup() as directory:
        counter = oom.counter_of(str(directory))
        assert counter.read() == 0
        done = subprocess.run(
            python("hog.py"), preexec_fn=memory.joining(directory), check=False, capture_output=True
        )
        assert (done.returncode, counter.read()) == (-9, 1)
        assert counter.peak_bytes() == memory.LIMIT_BYTES


def test_another_process() -> None:
    """It is asked for by its PID."""
    with (
        memory.cgroup() as directory,
        subprocess.Popen(["sleep", "1000"], preexec_fn=memory.joining(directory)) as process,
    ):
        try:
            counter = oom.Counter(process.pid)
            assert (counter.version, counter.directory) == (1, str(directory))
        finally:
            process.kill()


def hog(directory: Path) -> None:
    """Have somebody killed for want of memory."""
    command = python("hog.py")
    join = memory.joining(directory)
    done = subprocess.run(command, preexec_fn=join, check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL


def test_a_watch_of_version_1() -> None:
    """Each kill is told when it has been counted, and the kills from before are not."""
    with memory.cgroup() as directory:
        hog(directory)
        counter = oom.counter_of(str(directory))
        with watch(counter) as told:
            for number in (2, 3):
                hog(directory)
                told.wait()
                assert counter.read() == number
        assert told.left == b""


def test_a_shortage_without_a_kill() -> None:
    """It is told by the kernel and not by us: with the killer switched off memory is waited for.

    Waiting for a kill then does not keep anybody waiting who ends the watch.
    """
    with memory.cgroup() as directory:
        (directory / "memory.oom_control").write_text("1")
        counter = oom.counter_of(str(directory))
        join = memory.joining(directory)
        with (
            watch(counter) as told,
            subprocess.Popen(python("hog.py"), preexec_fn=join, stdout=subprocess.DEVNULL) as taker,
        ):
            state = directory / "memory.oom_control"
            until(lambda: "under_oom 1" in state.read_text(), "memory is short")
            taker.kill()
            taker.wait(DEADLINE_S)
        assert told.left == b""


class Populated(oom.Counter):
    """Counts 1 while anybody is in a cgroup of version 2.

    Its cgroup.events tells of changes as memory.events does, and needs no controller.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = str(directory)
        self.version = 2
        self.looks = 0

    @property
    def path(self) -> str:
        """The file that tells."""
        return f"{self.directory}/cgroup.events"

    def read(self) -> int:
        """Return whether anybody is there."""
        self.looks += 1
        return int("populated 1" in Path(self.path).read_text())


def test_a_watch_of_version_2() -> None:
    """The kernel tells by poll(2) that the file has changed; it is not looked at all the time."""
    with memory.cgroup(memory.UNIFIED) as directory:
        counter = Populated(directory)
        join = memory.joining(directory)
        with watch(counter) as told:
            with subprocess.Popen(["sleep", "1000"], preexec_fn=join) as process:
                told.wait()
                process.kill()
            until(lambda: not counter.read(), "the cgroup is empty")
            counter.looks = 0
            subprocess.run(["true"], check=True)
        assert told.left == b""
        assert counter.looks < 10
