"""The terminal of a command is made where the command runs, so that it has a name there."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pyinit import Exit
from tests import conftest
from tests.harness import DEADLINE_S
from tests.spawning import Screen, line, spawn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyinit import Container

pytestmark = pytest.mark.usefixtures("namespaces")

NEW_DEV = "mount -t tmpfs none /dev && mkdir /dev/pts"
DEVPTS = "mount -t devpts -o newinstance,mode=620,ptmxmode=0666"

# What a container has in its /dev, and the path at which its own terminal can be had.
OWN = {
    "as podman has it": f"{NEW_DEV} && {DEVPTS} none /dev/pts && ln -s pts/ptmx /dev/ptmx",
    "a node of the host's": f"{DEVPTS} none /dev/pts",
    "no /dev/ptmx": f"{NEW_DEV} && {DEVPTS} none /dev/pts",
    "a pipe for /dev/ptmx": f"{NEW_DEV} && {DEVPTS} none /dev/pts && mkfifo /dev/ptmx",
    "a file for /dev/ptmx": f"{NEW_DEV} && {DEVPTS} none /dev/pts && echo >/dev/ptmx",
}
NONE = {
    "no /dev": "mount -t tmpfs none /dev",
    "an empty /dev/pts": NEW_DEV,
    "a pipe for both": f"{NEW_DEV} && mkfifo /dev/ptmx /dev/pts/ptmx",
    "a link that leads nowhere": f"{NEW_DEV} && ln -s pts/ptmx /dev/ptmx",
    "no terminal is left": f"{NEW_DEV} && {DEVPTS},max=1 none /dev/pts && exec 3<>/dev/pts/ptmx",
}


@contextlib.contextmanager
def furnished(script: str) -> Iterator[Container]:
    """Run a container whose /dev is what ``script`` makes it."""
    command = ["sh", "-c", f"{script} && echo ready && read -r _"]
    with spawn(command, stdin=subprocess.PIPE) as container:
        assert line(container.stdout) == "ready"
        yield container


def shown_by(container: Container, script: str, **how: str) -> str:
    """Return what a script shows on a terminal of its own in the container, and ends well."""
    with container.exec(["sh", "-c", f"stty -opost; {script}"], terminal=True, **how) as process:  # type: ignore[arg-type]
        screen = Screen(process.terminal)
        while data := screen.read():
            screen.shown += data
        assert process.wait(DEADLINE_S) == Exit(0), screen.shown
    return screen.shown.decode()


@pytest.mark.parametrize("script", OWN.values(), ids=OWN)
def test_in_a_devpts_of_the_container(script: str) -> None:
    """Its first terminal, with a name, by which it can be opened, and the controlling one."""
    with furnished(script) as container:
        shown = shown_by(container, 'tty && echo opened >"$(tty)" && ps -o tty= -p $$')
    assert shown.split() == ["/dev/pts/0", "opened", "pts/0"]


@pytest.mark.parametrize("script", NONE.values(), ids=NONE)
def test_without_one_it_is_made_outside(script: str) -> None:
    """It has no name in the container then, and is the command's terminal all the same.

    What is no ptmx is not taken for one, for what it says would be shown to the caller.
    """
    with furnished(script) as container:
        shown = shown_by(container, "test -t 0 && test -t 1 && test -t 2 && stty size; tty || :")
    assert shown.splitlines()[1:] == ["not a tty"], shown


def test_in_a_root_without_a_dev(tmp_path: Path) -> None:
    """As `root` makes it."""
    names = [name for name in ("bin", "lib", "lib64", "usr") if Path("/", name).exists()]
    for name in (*names, "proc"):
        (tmp_path / name).mkdir()
    binds = [(f"/{name}", f"/{name}", True) for name in names]
    script = "test -t 0 && ! test -e /dev && echo no-dev"
    with spawn(["sh", "-c", script], terminal=True, root=tmp_path, binds=binds) as container:
        Screen(container.terminal).expect("no-dev")
        assert container.wait(DEADLINE_S) == Exit(0)


def test_with_our_own_dev() -> None:
    """Where only some namespaces are new, it is one of our terminals, by the same name."""
    with spawn(["sh", "-c", "tty; read -r _"], kinds=["pid", "uts"], terminal=True) as container:
        screen = Screen(container.terminal)
        screen.expect("/dev/pts/")
        assert container.terminal is not None
        name = os.readlink(f"/proc/{container.pid}/fd/0")
        with open(name, "wb", buffering=0) as file:
            file.write(b"by-name")
        screen.expect("by-name")


def test_a_new_size_comes_to_it() -> None:
    """The descriptor that the caller has is the other side of that terminal."""
    script = "trap 'stty size; exit 3' WINCH; echo ready; while :; do sleep 0.05; done"
    with (
        furnished(OWN["as podman has it"]) as container,
        container.exec(["sh", "-c", script], terminal=True) as process,
    ):
        screen = Screen(process.terminal)
        screen.expect("ready")
        process.resize(columns=101, rows=31)
        screen.expect("31 101")
        assert process.wait(DEADLINE_S) == Exit(3)


def test_the_user_of_the_command_may_open_it_by_name() -> None:
    """As after a log-in: it is that user's."""
    if os.geteuid() != 0:
        conftest.missing("root")
    with furnished(OWN["as podman has it"]) as container:
        script = 'id -u && stat -c %u "$(tty)" && echo opened >"$(tty)"'
        assert shown_by(container, script, user="65534:65534") == "65534\n65534\nopened\n"
