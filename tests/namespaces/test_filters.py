"""Inside another container: a seccomp filter refuses what it takes, and the error says so.

The profile of docker and podman lets unshare(2), setns(2) and mount(2) fail with EPERM for whoever
has no CAP_SYS_ADMIN, and older ones hide with ENOSYS the system calls that they do not know.
"""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.harness import DEADLINE_S, PYINIT, Container, python
from tests.spawning import USER, spawn

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("namespaces")

PYINITCTL = f"{PYINIT[0]}ctl"
FILTER = "a filter of the container runtime (seccomp(2))"
HIDDEN = f"this kernel does not have the system call, or {FILTER} hides it"
PROGRAM = """
import json, os, sys
import pyinit
act, words = sys.argv[1], json.loads(sys.argv[2])
try:
    if act == "spawn":
        with pyinit.spawn(["true"], **words) as container:
            print(container.wait().code)
    else:
        pyinit.enter(*words)
        print("entered")
except pyinit.NamespaceError as error:
    print(error)
"""


def filtered(number: int, names: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command where these system calls fail."""
    argv = [*python("filtered.py", str(number), names), *command]
    return subprocess.run(argv, check=False, capture_output=True, text=True, timeout=DEADLINE_S)


def told(number: int, names: str, act: str, words: object) -> str:
    """Return what PROGRAM says there."""
    done = filtered(number, names, sys.executable, "-c", PROGRAM, act, json.dumps(words))
    assert not done.stderr
    return done.stdout.rstrip("\n")


def test_a_user_namespace() -> None:
    """The filter is the first thing to be thought of; other causes look the same."""
    text = told(errno.EPERM, "unshare", "spawn", {"namespaces": ["user", "pid"]})
    assert text.startswith("unshare(CLONE_NEWUSER): EPERM; ")
    assert f"{FILTER}, a chroot or a security module forbids user namespaces" in text


def test_another_kind() -> None:
    """Whoever has the capability is refused by nobody else; else both may be the reason."""
    text = told(errno.EPERM, "unshare", "spawn", {"namespaces": ["mount"]})
    if USER:
        add = "it needs CAP_SYS_ADMIN, which a new user namespace gives: add 'user'"
        reason = f"{add}; {FILTER} may forbid it as well"
    else:
        reason = f"{FILTER} forbids it"
    assert text == f"unshare(CLONE_NEWNS): EPERM; {reason}"


@pytest.mark.parametrize(
    ("names", "call"),
    [
        ("mount", "mount(none, /): EPERM"),
        ("pivot_root", "pivot_root(/): EPERM"),
    ],
)
def test_mounts(names: str, call: str) -> None:
    """What comes after the namespaces."""
    how = {"namespaces": ["mount", *USER], "root": "/"}
    assert told(errno.EPERM, names, "spawn", how) == f"{call}; {FILTER} forbids it"


def test_read_only_binds(tmp_path: Path) -> None:
    """Hidden, as by runtimes before it was known: as on kernels that do not have it."""
    binds = [(str(tmp_path), "/mnt", True)]
    how = {"namespaces": ["mount", *USER], "binds": binds}
    assert told(errno.ENOSYS, "mount_setattr", "spawn", how) == "0"
    text = told(errno.EPERM, "mount_setattr", "spawn", how)
    assert text == f"mount_setattr(/mnt): EPERM; {FILTER} forbids it"


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSYS])
def test_descriptors_of_processes(number: int) -> None:
    """Without them no process is to be had, and none stays behind."""
    reason = HIDDEN if number == errno.ENOSYS else f"{FILTER} forbids it"
    expected = f"pidfd_open: {errno.errorcode[number]}; {reason}"
    assert told(number, "pidfd_open", "spawn", {"namespaces": []}) == expected
    with spawn(["sleep", "1000"], "uts") as container:
        assert told(number, "pidfd_open", "enter", [container.pid, ["uts"]]) == expected


def test_entering() -> None:
    """It takes a capability over both sides, and no filter that forbids it."""
    with spawn(["sleep", "1000"], "uts") as container:
        text = told(errno.EPERM, "setns", "enter", [container.pid, ["uts", *USER]])
        assert "EPERM; it needs CAP_SYS_ADMIN in the user namespace that" in text
        assert text.endswith(f", and here; {FILTER} may forbid it as well")
        done = filtered(errno.EPERM, "setns", PYINITCTL, "exec", str(container.pid), "--", "true")
        assert done.returncode == 125
        assert done.stderr.endswith(f"{FILTER} may forbid it as well\n")


def test_the_command_line() -> None:
    """`pyinitctl run` says the same, and 125."""
    done = filtered(errno.EPERM, "unshare", PYINITCTL, "run", "--userns", "--pid", "--", "true")
    assert done.returncode == 125
    assert done.stderr.startswith("pyinitctl run: unshare(CLONE_NEWUSER): EPERM; ")
    assert FILTER in done.stderr


def test_an_init_that_is_none() -> None:
    """Where prctl(2) is forbidden nobody is a subreaper: it is told, and the command runs."""
    done = filtered(errno.EPERM, "prctl", *PYINIT, "--", "true")
    assert done.returncode == 0
    assert "not_a_subreaper" in done.stderr


@pytest.mark.parametrize("words", [("stop",), ("status", "--watch")])
def test_a_process_that_cannot_be_held(words: tuple[str, ...]) -> None:
    """Without pidfd_open(2) nobody is stopped, whose number could be another's by then."""
    with Container(["sleep", "1000"]) as container:
        command = (PYINITCTL, *words, str(container.pid))
        done = filtered(errno.EPERM, "pidfd_open", *command)
        assert done.returncode == 1
        assert done.stderr.startswith(f"pyinitctl {words[0]}: pidfd_open: EPERM; ")
        assert done.stderr.count("\n") == 1
