"""``pyinitctl exec``: what nsenter(1) and `docker exec` do, with nobody left of it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pyinit.namespaces.kinds import KINDS
from tests import conftest, users
from tests.harness import (
    DEADLINE_S,
    PYINITCTL,
    UNSHARE_USER,
    Container,
    children,
    descendants,
    python,
    until,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

pytestmark = pytest.mark.usefixtures("namespaces")

WAITING = python("record.py", "USR1", "TERM")


@pytest.fixture
def container(namespaces: None) -> Iterator[Container]:
    """Run one that waits, made by unshare(1)."""
    with Container(WAITING, options=["--grace", "1000"]) as each:
        each.expect("ready")
        yield each


def ctl(*words: str) -> tuple[int, str, str]:
    """Run pyinitctl to its end; return exit code, stdout and stderr."""
    done = subprocess.run(
        [*PYINITCTL, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def execute(pid: int, *words: str) -> tuple[int, str, str]:
    """Run `pyinitctl exec PID` to its end."""
    return ctl("exec", str(pid), *words)


def inodes(pid: int | str) -> dict[str, str]:
    """Return the links in /proc/PID/ns."""
    return {name: os.readlink(f"/proc/{pid}/ns/{name}") for _, name in KINDS.values()}


SHOW = ("sh", "-c", "for each in /proc/self/ns/*; do readlink $each; done")


def shown(text: str) -> set[str]:
    """Return the links that `SHOW` has printed."""
    return set(text.split())


def test_it_enters_all_namespaces_that_differ(container: Container) -> None:
    """And those that are ours it leaves alone."""
    assert shown(execute(container.pid, "--", *SHOW)[1]) == set(inodes(container.pid).values())


def test_any_process_of_the_container_will_do(container: Container) -> None:
    """Not just its init."""
    member = container.main_child()
    assert shown(execute(member, "--", *SHOW)[1]) == set(inodes(member).values())


@pytest.mark.parametrize("first", ["options first", "the PID first"])
@pytest.mark.parametrize("kind", ["net", "uts"])
def test_only_those_that_are_named(kind: str, first: str) -> None:
    """Such as a network alone, with tools from outside; options stand on either side of the PID."""
    names = [f"--{kind}", *(["--userns"] if UNSHARE_USER else [])]
    with Container(WAITING, before=["unshare", "--uts", "--net"]) as container:
        container.expect("ready")
        until(lambda: inodes(container.pid)["net"] != inodes("self")["net"], "unshared")
        words = [*names, str(container.pid)] if first[0] == "o" else [str(container.pid), *names]
        code, out, err = ctl("exec", *words, "--", *SHOW)
        assert (code, err) == (0, "")
        entered = {KINDS[kind][1], *(["user"] if UNSHARE_USER else [])}
        there, here = inodes(container.pid), inodes("self")
        assert shown(out) >= {(there if name in entered else here)[name] for name in there}


def test_it_has_the_root_of_the_process() -> None:
    """Also where that was made by chroot(2) alone; nsenter(1) takes --root for it."""
    script = "echo ready; exec /bin/sleep 1000"
    chroot = shutil.which("chroot", path="/usr/sbin:/sbin:/usr/bin:/bin")
    assert chroot is not None
    with Container([chroot, "/usr", "/bin/sh", "-c", script]) as container:
        container.expect("ready")
        out = execute(container.main_child(), "--", "/bin/sh", "-c", "echo /*")[1]
        assert set(out.split()) == {f"/{name}" for name in os.listdir("/usr")}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--", "sh", "-c", "exit 255"), 255, ""),
        (("--", "sh", "-c", "kill -USR1 $$"), 128 + signal.SIGUSR1, "ended by SIGUSR1"),
        (("--", "/nonexistent"), 127, "not found"),
        (("--", "/etc/passwd"), 126, "Permission denied"),
        (("--chdir", "/nonexistent", "--", "true"), 125, "chdir(/nonexistent)"),
        ((), 125, "no command given"),
        (("--bogus", "--", "true"), 125, "--bogus"),
        (("--timeout", "soon", "--", "true"), 125, "is not a time in seconds"),
    ],
)
def test_exit_codes(container: Container, words: Sequence[str], code: int, said: str) -> None:
    """The command's, and those of env(1) where it was not reached."""
    result = execute(container.pid, *words)
    assert result[0] == code
    assert said in result[2]
    assert bool(result[2]) == bool(said)


def test_there_is_no_such_process() -> None:
    """One that has ended and been reaped."""
    child = subprocess.Popen(["true"])
    child.wait()
    assert execute(child.pid, "--", "true") == (
        125,
        "",
        f"pyinitctl exec: there is no process {child.pid}\n",
    )


def test_a_daemon_that_it_leaves_is_ended(container: Container) -> None:
    """Asked with TERM first: `exec` ends when all that the command started has ended."""
    words = ("--grace", "1000", "--", *python("leave.py", "daemon", "slow"))
    code, out, err = execute(container.pid, *words)
    assert (code, err) == (7, "")
    assert out.splitlines() == ["ready", "TERM", "done"]


def test_nsenter_leaves_that_daemon_in_the_container(container: Container) -> None:
    """It becomes a child of the container's init, for as long as the container lives."""
    own = ("--user", "--preserve-credentials") if UNSHARE_USER else ()
    before = children(container.pid)
    daemon = ("sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 &")
    subprocess.run(
        ["nsenter", "-t", str(container.pid), *own, "--pid", "--mount", *daemon],
        stdin=subprocess.DEVNULL,
        check=True,
        timeout=DEADLINE_S,
    )
    until(lambda: len(children(container.pid)) == len(before) + 1, "the daemon is an orphan")


def test_no_zombie_is_left(container: Container) -> None:
    """Of orphans neither: they are reaped by the exec's own init; nsenter(1) has none."""
    script = "for i in 1 2 3; do (true &); done; exit 4"
    before = descendants(container.pid)
    assert execute(container.pid, "--", "sh", "-c", script)[0] == 4
    assert descendants(container.pid) == before


@pytest.mark.parametrize(
    ("kind", "manner"),
    [
        ("plain", "ignore"),
        ("group", "deaf"),
        ("session", "deaf"),
        ("daemon", "ignore"),
        ("daemon", "deaf"),
        ("stopped", "deaf"),
    ],
)
def test_after_the_timeout_the_whole_tree_has_ended(
    container: Container, kind: str, manner: str
) -> None:
    """As a probe wants it: with 124, also those who ignore TERM, and who are sessions of their own.

    That they are gone shows in the pipe that each of them has open: it ends.
    """
    start = time.monotonic()
    hold = (*python("leave.py", kind, manner),)
    script = 'trap "" TERM; sleep 1000 | "$@"'
    words = ("--timeout", "0.4", "--grace", "0.1", "--", "sh", "-c", script, "sh", *hold)
    code, _, _ = execute(container.pid, *words)
    assert code == 124
    assert time.monotonic() - start >= 0.4
    assert children(container.pid) == [container.main_child()]


def test_one_that_acts_on_term_has_the_grace(container: Container) -> None:
    """What it says then is still heard, and the exit code is 124 all the same."""
    words = ("--timeout", "0.2", "--grace", "1000", "--", *python("leave.py", "-", "slow"))
    # It has our mask: the signal waits for it, however long it takes to start.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        result = execute(container.pid, *words)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    assert result == (124, "ready\nTERM\ndone\n", "")


def test_one_that_ends_in_time(container: Container) -> None:
    """Has its own exit code, and nobody waits for the time to be over."""
    for seconds in ("1000", "3000000", "1000000000"):  # poll(2) takes at most 24.8 days
        words = ("--timeout", seconds, "--", "sh", "-c", "exit 3")
        assert execute(container.pid, *words)[0] == 3


def test_signals_are_passed_on(container: Container) -> None:
    """As `run` does."""
    with subprocess.Popen(
        [*PYINITCTL, "exec", str(container.pid), "--", *python("record.py")], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        for number, name in ((signal.SIGUSR1, b"USR1\n"), (signal.SIGHUP, b"HUP\n")):
            process.send_signal(number)
            assert process.stdout.readline() == name
        process.terminate()
        assert process.stdout.read() == b"TERM\n"


def test_when_exec_is_killed_its_command_is_killed(container: Container) -> None:
    """The pipe ends that the command has open."""
    words = ("--", "sh", "-c", "echo ready; exec sleep 1000")
    with subprocess.Popen(
        [*PYINITCTL, "exec", str(container.pid), *words], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.kill()
        assert process.stdout.read() == b""


def test_when_the_container_ends_exec_ends(container: Container) -> None:
    """The kernel kills all that is in the namespace, the exec's own init too."""
    with subprocess.Popen(
        [*PYINITCTL, "exec", str(container.pid), "--", *WAITING], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGUSR1)
        assert process.stdout.readline() == b"USR1\n"
        container.signal(signal.SIGKILL)
        assert process.wait(DEADLINE_S) == 128 + signal.SIGKILL


def test_the_user(container: Container) -> None:
    """As `docker exec --user` has it; the numbers are those of the container."""
    users.need_root()
    show = ("sh", "-c", "id -u; id -g; id -G")
    assert execute(container.pid, "--user", "1234:1235", "--", *show) == (
        0,
        "1234\n1235\n1235\n",
        "",
    )


def test_the_working_directory(container: Container) -> None:
    """The root unless one is named."""
    assert execute(container.pid, "--chdir", "/usr", "--", "pwd")[1] == "/usr\n"
    assert execute(container.pid, "--", "pwd")[1] == "/\n"


def test_its_cgroup() -> None:
    """What the command uses counts for the container."""
    users.need_root()
    parent = Path("/sys/fs/cgroup/freezer")
    if not parent.exists():
        conftest.missing("root")
    # One of a run that was killed can be there still, and the PID be that of this run.
    directory = Path(tempfile.mkdtemp(prefix="pyinit-exec-", dir=parent))
    try:
        with Container(WAITING) as container:
            container.expect("ready")
            for pid in (container.pid, *container.descendants()):
                (directory / "cgroup.procs").write_text(str(pid))
            out = execute(container.pid, "--", "cat", "/proc/self/cgroup")[1]
            assert f":freezer:/{directory.name}\n" in out
            only = execute(container.pid, "--pid", "--", "cat", "/proc/self/cgroup")[1]
            assert directory.name not in only
    finally:
        until(lambda: not (directory / "cgroup.procs").read_text(), "the cgroup is empty")
        directory.rmdir()
