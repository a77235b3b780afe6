"""Files that an image has where an init reads: it waits for none, and writes through none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pyinit import Exit, NamespaceError, StartError
from tests import images, users
from tests.harness import DEADLINE_S
from tests.spawning import spawn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pyinit import Container

pytestmark = pytest.mark.usefixtures("namespaces")

# Leaves somebody behind, whom an init looks for in /proc.
SCRIPT = "sleep 1000 & echo ready; exit 3"

STAT = f"1 (pyinit) S 0 1 1 {'0 ' * 46}\n"
FILES = {"stat": STAT, "status": "Name:\tpyinit\nNSpid:\t1\n", "cgroup": "", "mountinfo": ""}


@pytest.fixture(autouse=True)
def deadline() -> Iterator[None]:
    """Fail a test in which a start does not end."""

    def fail(*_: object) -> None:
        raise AssertionError(f"still starting after {DEADLINE_S} s")

    before = signal.signal(signal.SIGALRM, fail)
    signal.setitimer(signal.ITIMER_REAL, DEADLINE_S)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make an image whose directory /proc looks like the kernel's."""
    found = images.small_in(tmp_path)
    process = found / "proc" / "1"
    process.mkdir()
    (found / "proc" / "self").symlink_to("1")
    for name, text in FILES.items():
        (process / name).write_text(text)
    return found


def started(root: Path, **how: Any) -> Container:
    """Start a container there in whose mount namespace nothing is mounted on /proc."""
    binds = [("/dev/null", "/dev/null")]
    return spawn(["sh", "-c", SCRIPT], root=root, binds=binds, mount_proc=False, **how)


def fifo(path: Path) -> None:
    """Have whoever opens the file to read wait for a writer."""
    path.unlink()
    os.mkfifo(path)


def endless(path: Path) -> None:
    """Have whoever reads the file read for ever."""
    path.unlink()
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("name", ["status", "cgroup", "mountinfo"])
def test_a_fifo_in_proc(root: Path, name: str) -> None:
    """What is read there for the log and the report is not the kernel's, and so not believed."""
    fifo(root / "proc" / "1" / name)
    how = {"verbose": 2, "report": "/out/report", "log_file": "/out/log"}
    with started(root, **how) as container:
        assert container.wait(DEADLINE_S) == Exit(3)
    assert "internal_error" not in (root / "out" / "log").read_text()
    assert (root / "out" / "report").stat().st_size


def test_a_fifo_that_python_itself_would_open(root: Path) -> None:
    """From 3.12 on after fork(2); it is told, as long as nothing has been started."""
    fifo(root / "proc" / "1" / "stat")
    with pytest.raises(NamespaceError, match="/proc is not the kernel's"):
        started(root)


def test_leftovers_that_no_kernel_has_listed(root: Path) -> None:
    """A process of the image's own is not named, and not waited for."""
    (root / "proc" / "2").mkdir()
    (root / "proc" / "2" / "comm").write_text("invented\n")
    (root / "proc" / "2" / "stat").write_text(STAT.replace("1 (pyinit)", "2 (invented)"))
    with started(root, verbose=1, stderr=subprocess.PIPE) as container:
        assert container.wait(DEADLINE_S) == Exit(3)
        assert container.stderr is not None
        errors = container.stderr.read()
    assert b"teardown_finished" in errors
    assert b"invented" not in errors


def test_no_cgroup_of_the_images_choice(root: Path) -> None:
    """To be told of OOM kills one writes to a file of the cgroup: here it is somebody else's."""
    process, group = root / "proc" / "1", root / "group"
    (process / "cgroup").write_text("1:memory:/\n")
    (process / "mountinfo").write_text("1 1 0:1 / /group rw - cgroup cgroup memory\n")
    group.mkdir()
    for name in ("cgroup.procs", "memory.oom_control"):
        (group / name).write_text("oom_kill 0\n")
    (root / "precious").write_text("as it was")
    (group / "cgroup.event_control").symlink_to("/precious")
    with started(root, on_oom="stop", stderr=subprocess.DEVNULL) as container:
        assert container.wait(DEADLINE_S) == Exit(3)
    assert (root / "precious").read_text() == "as it was"


def test_the_log_goes_where_it_should(root: Path) -> None:
    """A terminal is opened once more, so as not to wait for it: by /proc, here the image's own."""
    (root / "proc" / "1" / "fd").mkdir()
    (root / "proc" / "1" / "fd" / "2").symlink_to("/precious")
    (root / "precious").write_text("as it was")
    ours, theirs = os.openpty()
    try:
        with started(root, verbose=1, log_format="json", stderr=theirs) as container:
            assert container.wait(DEADLINE_S) == Exit(3)
        assert (root / "precious").read_text() == "as it was"
        assert b"init_started" in os.read(ours, 65536)
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize(
    ("change", "text"),
    [(fifo, "there is no user 'app'"), (endless, "it has no end")],
    ids=["fifo", "endless"],
)
def test_a_table_of_users_that_is_none(
    root: Path, change: Callable[[Path], None], text: str
) -> None:
    """The caller is told, and does not wait."""
    users.need_root()
    change(root / "etc" / "passwd")
    binds = [("/dev/null", "/dev/null"), ("/dev/zero", "/dev/zero")]
    (root / "dev" / "zero").touch()
    with pytest.raises(StartError, match=text):
        spawn(["sh"], root=root, binds=binds, user="app")


def test_a_program_that_is_none_any_more(tmp_path: Path) -> None:
    """Why it could not be started is looked for in the file, in whose place a FIFO has come."""
    program = f"""if True:
        import os, sys
        sys.path[:0] = {sys.path!r}
        from pyinit.command import diagnosis
        os.mkfifo({str(tmp_path / "fifo")!r})
        print(diagnosis._head({os.fsencode(tmp_path / "fifo")!r}))
    """
    argv = [sys.executable, "-IS", "-c", program]
    done = subprocess.run(argv, capture_output=True, check=True, timeout=DEADLINE_S)
    assert done.stdout == b"b''\n"
