"""A start that fails: the error names the system call and the reason, and nothing stays behind."""

from __future__ import annotations

import errno
import math
import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import pyinit
from pyinit import NamespaceError, StartError
from tests import conftest, harness
from tests.spawning import USER, own_namespaces, rest, spawn

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("namespaces")


@pytest.fixture(autouse=True)
def nothing_has_changed() -> Iterator[None]:
    """Fail a test that leaves a mount, a descriptor or a process, or other namespaces."""

    def state() -> tuple[object, ...]:
        return sorted(os.listdir("/proc/self/fd")), own_namespaces()

    def mounts() -> set[str]:
        return set(Path("/proc/self/mountinfo").read_text().splitlines())

    # The thread that forks stays from the first start on.
    with pytest.raises(StartError):
        pyinit.spawn(["/nonexistent"], namespaces=())
    before, mounts_before = state(), mounts()
    yield
    assert state() == before
    # Others mount as well, and unmount again: what has been left here stays.
    harness.until(lambda: mounts() <= mounts_before, "there is no new mount")
    assert not harness.children(os.getpid())


def test_a_command_that_is_not_there() -> None:
    """As the command line has it: 127, and 126 for what cannot be executed."""
    with pytest.raises(StartError, match="nonexistent") as caught:
        spawn(["/nonexistent"])
    assert (caught.value.code, caught.value.errno) == (127, errno.ENOENT)
    with pytest.raises(StartError) as caught:
        spawn(["/"])
    assert caught.value.code == 126


@pytest.mark.parametrize(
    ("more", "how", "call", "number"),
    [
        ((), {"root": "/nonexistent"}, "mount(/nonexistent, /nonexistent)", errno.ENOENT),
        ((), {"root": "/dev/null"}, "chroot(/dev/null)", errno.ENOTDIR),
        ((), {"binds": [("/nonexistent", "/mnt")]}, "mount(/nonexistent, /mnt)", errno.ENOENT),
        ((), {"binds": [("/mnt", "/nonexistent")]}, "mount(/mnt, /nonexistent)", errno.ENOENT),
        ((), {"binds": [("/dev/null", "/mnt")]}, "mount(/dev/null, /mnt)", errno.ENOTDIR),
        ((), {"cgroup": "/nonexistent"}, "writing /nonexistent/cgroup.procs", errno.ENOENT),
        ((), {"cwd": "/nonexistent"}, "chdir(/nonexistent)", errno.ENOENT),
        (("uts",), {"hostname": "x" * 65}, "sethostname", errno.EINVAL),
        (
            ("time",),
            {"time_offsets": {"boottime": -1e9}},
            "writing /proc/self/timens_offsets",
            errno.ERANGE,
        ),
        (("user",), {"uid_map": [(0, 0, 0)]}, "uid_map", errno.EINVAL),
    ],
)
def test_what_the_system_refuses(
    more: tuple[str, ...], how: dict[str, Any], call: str, number: int
) -> None:
    """Each step, for real."""
    with pytest.raises(NamespaceError, match=re.escape(call)) as caught:
        spawn(["true"], *more, **how)
    assert caught.value.errno == number
    assert errno.errorcode[number] in str(caught.value)
    assert call in caught.value.call
    assert caught.value.reason


@pytest.mark.parametrize(
    ("kinds", "how", "text"),
    [
        ({"pid"}, {"hostname": "x"}, "add 'uts'"),
        ({"pid"}, {"time_offsets": {"boottime": 1}}, "add 'time'"),
        ({"time"}, {"time_offsets": {"realtime": 1}}, "neither 'monotonic' nor 'boottime'"),
        ({"pid"}, {"mount_proc": True}, "add 'mount'"),
        ({"pid"}, {"root": "/"}, "add 'mount'"),
        ({"pid"}, {"binds": [("/", "/mnt")]}, "add 'mount'"),
        ({"mount"}, {"binds": [("/", "mnt")]}, "is not absolute"),
        ({"user"}, {"uid_map": "all"}, "neither 'auto' nor rows"),
        ({"network"}, {}, "is not a kind of namespace"),
        ({"pid"}, {"terminal": True, "stdin": subprocess.DEVNULL}, "expected none of them"),
        ({"pid"}, {"grace_s": -1}, "grace_s"),
        ({"time"}, {"time_offsets": {"monotonic": math.nan}}, "time_offsets: 'monotonic' is nan"),
        ({"time"}, {"time_offsets": {"boottime": -math.inf}}, "time_offsets: 'boottime' is -inf"),
        ({"time"}, {"time_offsets": {"boottime": 1e19}}, "expected a number of seconds of 64 bits"),
        ({"time"}, {"time_offsets": {"boottime": 2**63}}, "expected a number of seconds"),
        ({"mount"}, {"root": "/\0"}, "root: '/\\x00' has a NUL"),
        ({"mount"}, {"binds": [("/\0", "/mnt")]}, "binds: '/\\x00' has a NUL"),
        ({"mount"}, {"binds": [("/", "/\0")]}, "binds: '/\\x00' has a NUL"),
        ({"pid"}, {"cgroup": "/\0"}, "cgroup: '/\\x00' has a NUL"),
        ({"pid"}, {"cgroup": ["/\0"]}, "cgroup: '/\\x00' has a NUL"),
        ({"pid"}, {"cwd": "\0"}, "cwd: '\\x00' has a NUL"),
        ({"pid"}, {"cwd": "\ud800"}, "cwd: '\\ud800' has no bytes in utf-8"),
        ({"uts"}, {"hostname": "\0"}, "hostname: '\\x00' has a NUL"),
    ],
)
def test_what_makes_no_sense(kinds: set[str], how: dict[str, Any], text: str) -> None:
    """It is said before anything is started, for the caller itself would be changed."""
    with pytest.raises(ValueError, match=re.escape(text)):
        pyinit.spawn(["true"], namespaces=kinds, **how)


@pytest.mark.parametrize(
    ("kinds", "how", "text"),
    [
        ({"time"}, {"time_offsets": {"monotonic": "5"}}, "time_offsets: 'monotonic' is '5'"),
        ({"time"}, {"time_offsets": {"monotonic": None}}, "time_offsets: 'monotonic' is None"),
        ({"uts"}, {"hostname": 5}, "hostname: expected str"),
        ({"pid"}, {"cwd": 5}, "cwd: expected str"),
        ({"mount"}, {"root": 5}, "root: expected str"),
        ({"mount"}, {"binds": [(5, "/mnt")]}, "binds: expected str"),
        ({"pid"}, {"cgroup": [5]}, "cgroup: expected str"),
    ],
)
def test_what_has_a_wrong_type(kinds: set[str], how: dict[str, Any], text: str) -> None:
    """So it is."""
    with pytest.raises(TypeError, match=re.escape(text)):
        pyinit.spawn(["true"], namespaces=kinds, **how)


def test_maps_without_a_user_namespace() -> None:
    """They belong to a new one."""
    with pytest.raises(ValueError, match="add 'user'"):
        pyinit.spawn(["true"], uid_map="auto")


def test_an_empty_command_and_a_word() -> None:
    """A string is not taken for its letters."""
    with pytest.raises(ValueError, match="empty"):
        spawn([])
    with pytest.raises(TypeError):
        spawn("true")
    with pytest.raises(TypeError):
        spawn(["true"], unknown=1)


def test_too_many_namespaces() -> None:
    """The limit that was met is named; see namespaces(7)."""
    program = """if True:
        import pyinit
        for kind in ("net", "mnt"):
            with open(f"/proc/sys/user/max_{kind}_namespaces", "w") as file:
                file.write("0")
        for kind in ("net", "mount"):
            try:
                pyinit.spawn(["true"], namespaces={kind})
            except pyinit.NamespaceError as error:
                print(error)
    """
    # The limits of a user namespace are its own.
    with spawn([sys.executable, "-c", program], "user") as container:
        first, second = rest(container.stdout).splitlines()
    assert first.startswith("unshare(CLONE_NEWNET): ENOSPC; too many namespaces")
    assert "user.max_net_namespaces" in first
    assert "user.max_mnt_namespaces" in second


def test_without_the_right() -> None:
    """An ordinary user is told to add a user namespace."""
    program = """if True:
        import pyinit
        try:
            pyinit.spawn(["true"])
        except pyinit.NamespaceError as error:
            print(error)
    """
    drop = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-all"]
    with spawn([*drop, sys.executable, "-c", program], "user") as container:
        text = rest(container.stdout)
    assert text.startswith("unshare(CLONE_NEWPID|CLONE_NEWNS): EPERM; it needs CAP_SYS_ADMIN")
    assert "add 'user'" in text


def test_no_descriptors_left() -> None:
    """At each number of descriptors that are still to be had, until there are enough.

    The processes between us and the command have the same limit.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    refused: list[int | None] = []
    for limit in range(5, 200):
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        try:
            # Without pipes, of which some versions of subprocess leave one open here.
            with spawn(["true"], stdin=None, stdout=None) as container:
                assert container.wait(harness.DEADLINE_S).code == 0
                break
        except (OSError, StartError) as error:
            refused.append(error.errno)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert errno.EMFILE in refused
    assert len(refused) < 190


def test_an_ignored_sigchld() -> None:
    """The kernel would keep no status for us, and the terminal that was made is closed again."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with pytest.raises(RuntimeError, match="SIGCHLD is ignored"):
            spawn(["true"], terminal=True)
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_an_interpreter_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is what the first process has to execute."""
    monkeypatch.setattr(sys, "executable", "/nonexistent")
    with pytest.raises(NamespaceError, match=r"execve: ENOENT; .*/nonexistent"):
        spawn(["true"])


# Of limits and maps root is free.
if USER:

    def test_no_more_processes() -> None:
        """Whether the thread, the first process, the init or the command is the one too many.

        RLIMIT_NPROC counts the threads of a user, in each user namespace anew; see getrlimit(2).
        """
        program = """if True:
            import os, pyinit, resource
            for limit in range(2, 8):
                if (pid := os.fork()) == 0:
                    resource.setrlimit(resource.RLIMIT_NPROC, (limit, limit))
                    for _ in range(2):
                        try:
                            with pyinit.spawn(["true"], namespaces=()) as container:
                                print("ok", container.wait().code, flush=True)
                        except pyinit.NamespaceError as error:
                            print(error.call, error.errno, flush=True)
                        except pyinit.StartError as error:
                            print("start", error.errno, flush=True)
                    os._exit(0)
                os.waitpid(pid, 0)
        """
        with spawn([sys.executable, "-c", program], "user") as container:
            lines = rest(container.stdout).splitlines()
        # Twice each: what failed once does not hang the second time.  How far it then comes
        # depends on when the first ones are gone.
        assert len(lines) == 12
        assert f"clone(CLONE_THREAD) {errno.EAGAIN}" in lines
        assert f"fork {errno.EAGAIN}" in lines
        assert "ok 0" in lines

    def test_maps_that_are_not_allowed() -> None:
        """The words of the helper are the reason."""
        conftest.need("newuidmap")
        with pytest.raises(NamespaceError, match="newuidmap: EPERM; newuidmap: ") as caught:
            spawn(["true"], "user", uid_map=[(0, 0, 1)])
        assert caught.value.call == "newuidmap"
