"""A second command in a container that runs, as `docker exec` starts it."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pyinit import Exit, namespaces_of
from pyinit.container.execute import exec_in
from pyinit.namespaces.found import NamespaceError
from tests import harness, images
from tests.harness import DEADLINE_S, python
from tests.spawning import line, own_namespaces, rest, spawn

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pyinit import Container, Process

pytestmark = pytest.mark.usefixtures("namespaces")

RECORD = python("record.py", "TERM", "USR1")


def started(*more: str, **how: Any) -> Container:
    """Return a container whose command is ready and ends on TERM."""
    made = spawn(RECORD, *more, **how)
    assert line(made.stdout) == "ready"
    return made


def execute(inside: Container, argv: Sequence[str], **how: object) -> Process:
    """Start a command in it, its output a pipe."""
    given = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, **how}
    return inside.exec(argv, **given)  # type: ignore[arg-type]


def output(inside: Container, argv: Sequence[str], **how: object) -> str:
    """Return what a command has written there that ended well."""
    with execute(inside, argv, **how) as process:
        text = rest(process.stdout)
        assert process.wait(DEADLINE_S) == Exit(0), text
    return text


def test_it_is_in_all_namespaces_of_the_container() -> None:
    """Those of the caller stay as they are."""
    before = own_namespaces()
    script = (
        'for each in user cgroup ipc uts net pid time mnt; do readlink "/proc/self/ns/$each"; done'
    )
    with started("user", "uts", "ipc", "net", "cgroup", "time") as inside:
        text = output(inside, ["sh", "-c", script])
        assert text.split() == [str(each) for each in inside.namespaces.values()]
        assert own_namespaces() == before


def test_it_has_a_number_in_the_container_and_another_here() -> None:
    """It is no child of the container's init."""
    with (
        started() as inside,
        execute(inside, ["sh", "-c", "echo $$ $PPID; read -r _"], stdin=subprocess.PIPE) as process,
    ):
        own, parent = line(process.stdout).split()
        assert harness.status_field(process.pid, "NSpid").split()[-1] == parent
        assert 1 < int(parent) < int(own)
        assert process.pid in harness.children(os.getpid())
        (command,) = harness.children(process.pid)
        assert namespaces_of(command) == inside.namespaces


def test_it_sees_the_containers_mounts_and_hostname() -> None:
    """What the container's command has made since its start."""
    script = "mount -t tmpfs none /mnt && echo x >/mnt/mark && echo ready; read -r _"
    pipe = subprocess.PIPE
    with spawn(["sh", "-c", script], "uts", stdin=pipe, hostname="new") as inside:
        assert line(inside.stdout) == "ready"
        assert output(inside, ["sh", "-c", "cat /mnt/mark; uname -n"]) == "x\nnew"
        assert output(inside, ["pwd"]) == "/"


def test_it_is_in_the_containers_root(tmp_path: Path) -> None:
    """Where there may be no Python."""
    (tmp_path / "proc").mkdir()
    binds = []
    for name in ("usr", "bin", "lib", "lib64", "sbin"):
        if os.path.islink(f"/{name}"):
            (tmp_path / name).symlink_to(os.readlink(f"/{name}"))
        elif os.path.isdir(f"/{name}"):
            (tmp_path / name).mkdir()
            binds.append((f"/{name}", f"/{name}", True))
    with spawn(["sh", "-c", "echo ready; read -r _"], stdin=subprocess.PIPE, root=tmp_path,
               binds=binds) as inside:  # fmt: skip
        assert line(inside.stdout) == "ready"
        assert sorted(output(inside, ["ls", "/"]).split()) == sorted(os.listdir(tmp_path))


def test_signals_exit_codes_and_options() -> None:
    """As those of a container."""
    with started() as inside, execute(inside, RECORD, remap_exit={0: 4}) as process:
        assert line(process.stdout) == "ready"
        process.send_signal(signal.SIGUSR1)
        assert line(process.stdout) == "USR1"
        assert process.stop(1000) == Exit(4)
        assert inside.poll() is None
    assert output_of_environment() == "yes"


def output_of_environment() -> str:
    """Return what a command is told by its environment."""
    environment = {"PATH": os.environ["PATH"], "SAID": "yes"}
    with started() as inside:
        return output(inside, ["sh", "-c", "echo $SAID"], env=environment)


def test_it_inherits_no_descriptor() -> None:
    """Not even that of the container's init, with which it could kill it."""
    listing = "import os; print(*map(int, os.listdir('/proc/self/fd')))"
    with started() as inside:
        text = output(inside, [sys.executable, "-IS", "-c", listing])
    assert set(map(int, text.split())) == {0, 1, 2, 3}


def test_its_daemons_are_ended_with_it() -> None:
    """They come to its init, a subreaper, not to the container's; nobody is left there."""
    argv = python("leave.py", "daemon", "end")
    with started() as inside:
        with execute(inside, argv, stdin=subprocess.PIPE, grace_s=1000) as process:
            assert line(process.stdout) == "ready"
            # The daemon's parent ends beside it.
            harness.until(lambda: len(harness.children(process.pid)) == 2, "it is an orphan")
            assert len(harness.children(inside.pid)) == 1
            assert process.stdin is not None
            process.stdin.close()
            assert rest(process.stdout) == "TERM"
            assert process.wait(DEADLINE_S) == Exit(7)
        assert {each.inner_pid for each in inside.processes()} == {1, 2}


def test_it_leaves_nobody_in_a_root_without_python(tmp_path: Path) -> None:
    """Those whom it leaves are looked for in /proc: what does that is loaded before."""
    root = images.small_in(tmp_path)
    argv = ["sh", "-c", "sleep 1000 </proc/version & echo left"]
    with spawn(["sh", "-c", "echo ready; read -r _"], stdin=subprocess.PIPE, root=root) as inside:
        assert line(inside.stdout) == "ready"
        with execute(inside, argv) as process:
            assert rest(process.stdout) == "left"
            assert process.wait(DEADLINE_S) == Exit(0)
        assert {each.inner_pid for each in inside.processes()} == {1, 2}


def test_kill_ends_its_tree() -> None:
    """And leaves the container alone; nobody is asked first, and it is no bad end.

    Daemons are still being made: the parent of each ends while its tree is looked at.
    """
    argv = python("leave.py", "daemon", "ignore", "200")
    how = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE, "grace_s": 1000}
    with started() as inside:
        with execute(inside, argv, **how) as process:
            assert [line(process.stdout) for _ in range(3)] == ["ready"] * 3
            assert process.kill() == Exit(128 + signal.SIGKILL, signal.SIGKILL)
            assert set(rest(process.stdout).split()) <= {"ready"}
            assert not rest(process.stderr)
        assert {each.inner_pid for each in inside.processes()} == {1, 2}
        assert inside.poll() is None


def test_it_ends_with_the_container() -> None:
    """The kernel kills all of the PID namespace with its init; so it is told."""
    with started() as inside, execute(inside, python("record.py", "-", "USR1")) as process:
        assert line(process.stdout) == "ready"
        assert inside.kill().signal == signal.SIGKILL
        assert process.wait(DEADLINE_S) == Exit(128 + signal.SIGKILL, signal.SIGKILL)


@pytest.mark.parametrize("way", ["wait", "await"])
def test_who_waits_for_the_container_waits_for_it_too(way: str) -> None:
    """The init's end is held back by zombies of the namespace whose parent is outside: ours."""

    async def main(inside: Container) -> Exit:
        return await inside

    with started() as inside, execute(inside, python("record.py", "-", "USR1")) as process:
        assert line(process.stdout) == "ready"
        inside.send_signal(signal.SIGKILL)
        end = inside.wait(DEADLINE_S) if way == "wait" else asyncio.run(main(inside))
        assert end == Exit(128 + signal.SIGKILL, signal.SIGKILL)


def test_nothing_enters_a_container_that_has_ended() -> None:
    """Whether somebody has waited for it or not."""
    with spawn(["true"]) as inside:
        poll = select.poll()
        poll.register(inside.pidfd)
        poll.poll(DEADLINE_S * 1000)
        with pytest.raises(ProcessLookupError, match="has ended"):
            inside.exec(["true"])
        with pytest.raises(ProcessLookupError, match="has ended"):
            inside.exec(["true"])


def test_a_zombie_cannot_be_entered() -> None:
    """The system call that fails says so."""
    with spawn(["true"]) as inside:
        os.waitid(os.P_PIDFD, inside.pidfd, os.WEXITED | os.WNOWAIT)
        with pytest.raises((NamespaceError, ProcessLookupError), match="ended"):
            exec_in(inside.pid, ["true"])


def test_nobody_with_that_number() -> None:
    """It is looked for before anything is started."""
    with spawn(["true"]) as inside:
        inside.wait(DEADLINE_S)
        with pytest.raises(ProcessLookupError):
            exec_in(inside.pid, ["true"])


def test_only_namespaces_that_are_named() -> None:
    """With the caller's root then, and its other namespaces."""
    wanted = {"uts", *({"user"} if os.geteuid() else ())}
    with started("uts", hostname="inside") as inside:
        process = exec_in(
            inside.pid,
            ["sh", "-c", "uname -n; readlink /proc/self/ns/pid /proc/self/ns/mnt"],
            namespaces=wanted,
            stdout=subprocess.PIPE,
        )
        with process:
            own = own_namespaces()
            assert rest(process.stdout).split() == ["inside", own["pid"], own["mnt"]]


def test_a_process_of_our_own_namespaces() -> None:
    """Nothing differs, so nothing has to be entered, and no right is needed."""
    with subprocess.Popen(["sleep", "1000"]) as target:
        try:
            with exec_in(target.pid, ["echo", "x"], stdout=subprocess.PIPE) as each:
                assert rest(each.stdout) == "x"
                assert each.wait(DEADLINE_S) == Exit(0)
        finally:
            target.kill()
