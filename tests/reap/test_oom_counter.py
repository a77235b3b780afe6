"""Which memory cgroup a process is in, and what it counts, by what the files say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pyinit.kernel import cgroups, oom, proc

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MOUNT = "30 24 0:32 {root} {place} ro,nosuid - {kind} cgroup rw,{options}\n"


@pytest.fixture
def told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, str, list[tuple[str, str, str]]], Path]:
    """Make /proc tell of cgroups: what /proc/self/cgroup holds, root, name and options of each.

    They are mounted below a directory, which is returned.
    """

    def tell(own: str, kind: str, mounts: list[tuple[str, str, str]]) -> Path:
        lines = "22 1 0:20 / / rw - ext4 /dev/root rw\n"
        for root, name, options in mounts:
            (tmp_path / name).mkdir()
            place = str(tmp_path / name).replace(" ", "\\040")
            lines += MOUNT.format(root=root, place=place, kind=kind, options=options)
        files = {"self/cgroup": own, "self/mountinfo": lines}
        monkeypatch.setattr(proc, "read", lambda path, _: files.pop(path).encode())
        return tmp_path

    return tell


def make(directory: Path, name: str, text: str) -> str:
    """Make the directory of a cgroup with one file that counts, and return its name."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "cgroup.procs").write_text("")
    (directory / name).write_text(text)
    return str(directory)


def found() -> tuple[int, str, int | None]:
    """Return what a counter says of this process."""
    counter = oom.Counter()
    return counter.version, counter.directory, counter.read()


V1 = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"
V2 = "low 0\nhigh 0\nmax 7\noom 2\noom_kill 1\noom_group_kill 0\n"


@pytest.mark.parametrize(
    ("own", "root", "below"),
    [("/a b/c", "/", "a b/c"), ("/a b/c", "/a\\040b", "c"), ("/a b/c", "/a\\040b/c", "")],
)
def test_version_1(told: Callable[..., Path], own: str, root: str, below: str) -> None:
    """Of several controllers of one hierarchy, in another order than they are mounted with."""
    tmp = told(f"5:memory,cpu:{own}\n0::/x\n", "cgroup", [(root, "a b", "cpu,memory")])
    directory = make(tmp / "a b" / below, "memory.oom_control", V1)
    assert found() == (1, directory, 3)


@pytest.mark.parametrize(
    ("own", "root", "below"), [("/a b/c", "/", "a b/c"), ("/a b", "/a\\040b", ""), ("/", "/", "")]
)
def test_version_2(told: Callable[..., Path], own: str, root: str, below: str) -> None:
    """Also at what seems to be the root: there a cgroup namespace begins."""
    tmp = told(f"0::{own}\n", "cgroup2", [(root, "a b", "nsdelegate")])
    directory = make(tmp / "a b" / below, "memory.events", V2)
    assert found() == (2, directory, 1)


def test_the_controller_of_a_hybrid(told: Callable[..., Path]) -> None:
    """The memory controller is version 1's: version 2 counts nothing, and is not asked."""
    own = "4:memory:/c\n1:name=systemd:/c\n0::/c\n"
    mounts = [("/", "systemd", "name=systemd"), ("/", "memory", "memory")]
    tmp = told(own, "cgroup", mounts)
    make(tmp / "systemd" / "c", "memory.oom_control", V1)
    directory = make(tmp / "memory" / "c", "memory.oom_control", V1)
    assert found() == (1, directory, 3)


def test_a_cgroup_beside_what_is_mounted(told: Callable[..., Path]) -> None:
    """It cannot be seen, and its neighbour with the same beginning is not it."""
    tmp = told("4:memory:/abc/d\n", "cgroup", [("/ab", "m", "memory")])
    make(tmp / "m" / "d", "memory.oom_control", V1)
    make(tmp / "mc" / "d", "memory.oom_control", V1)
    assert found() == (0, "", None)


@pytest.mark.parametrize(("own", "root"), [("/", "/.."), ("/../d", "/"), ("/d", "/../..")])
def test_outside_of_the_cgroup_namespace(told: Callable[..., Path], own: str, root: str) -> None:
    """A mount from outside begins above us by names that are not told; see cgroup_namespaces(7)."""
    tmp = told(f"4:memory:{own}\n", "cgroup", [(root, "m", "memory")])
    make(tmp / "m", "memory.oom_control", V1)
    make(tmp / "m" / "d", "memory.oom_control", V1)
    make(tmp / "d", "memory.oom_control", V1)
    assert found() == (0, "", None)


def test_both_outside_of_the_cgroup_namespace(told: Callable[..., Path]) -> None:
    """Then the way from one to the other is known."""
    tmp = told("4:memory:/../d\n", "cgroup", [("/..", "m", "memory")])
    directory = make(tmp / "m" / "d", "memory.oom_control", V1)
    assert found() == (1, directory, 3)


def test_a_mount_that_is_covered(told: Callable[..., Path]) -> None:
    """What is no cgroup any more is passed over for another mount."""
    mounts = [("/", "covered", "memory"), ("/", "m", "memory")]
    tmp = told("4:memory:/d\n", "cgroup", mounts)
    directory = make(tmp / "m" / "d", "memory.oom_control", V1)
    assert found() == (1, directory, 3)


def test_the_kernels_root(told: Callable[..., Path]) -> None:
    """Its counter is of processes that are in no container; only there is a release_agent."""
    tmp = told("4:memory:/\n", "cgroup", [("/", "m", "memory")])
    make(tmp / "m", "memory.oom_control", V1)
    (tmp / "m" / "release_agent").write_text("\n")
    assert found() == (0, "", None)


def test_without_the_controller(told: Callable[..., Path]) -> None:
    """Version 2 where memory is not in the parent's cgroup.subtree_control: nothing counts."""
    tmp = told("0::/d\n", "cgroup2", [("/", "m", "")])
    make(tmp / "m" / "d", "cgroup.events", "populated 1\n")
    assert found() == (0, "", None)


@pytest.mark.parametrize("text", ["oom_kill_disable 0\nunder_oom 0\n", "", "oom_kill many\n"])
def test_a_kernel_that_does_not_count(tmp_path: Path, text: str) -> None:
    """Before Linux 4.13 the line is missing: None is not 0."""
    counter = oom.counter_of(make(tmp_path / "c", "memory.oom_control", text))
    assert (counter.version, counter.read()) == (1, None)


@pytest.mark.parametrize(
    ("version", "file", "peak"), [(1, V1, "memory.max_usage_in_bytes"), (2, V2, "memory.peak")]
)
def test_the_peak(tmp_path: Path, version: int, file: str, peak: str) -> None:
    """In bytes; None where the kernel does not tell."""
    name = "memory.oom_control" if version == 1 else "memory.events"
    counter = oom.counter_of(make(tmp_path / "c", name, file))
    assert (counter.version, counter.peak_bytes()) == (version, None)
    (tmp_path / "c" / peak).write_text("4096\n")
    assert counter.peak_bytes() == 4096


def test_nothing_there(tmp_path: Path) -> None:
    """No file, no process: no counter, and no error."""
    counter = oom.counter_of(str(tmp_path))
    assert (counter.version, counter.read(), counter.peak_bytes()) == (0, None, None)
    gone = oom.Counter(2**22 + 1)  # above what pid_max can be
    assert (gone.version, gone.directory, gone.read(), gone.peak_bytes()) == (0, "", None, None)


def test_directories_of_all_controllers(told: Callable[..., Path]) -> None:
    """Each hierarchy once, however many controllers it has."""
    tmp = told("5:cpu,memory:/d\n", "cgroup", [("/", "m", "cpu,memory")])
    directory = make(tmp / "m" / "d", "memory.oom_control", V1)
    assert cgroups.by_controller() == {"cpu": directory, "memory": directory}
