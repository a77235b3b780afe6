"""What has moved away from a command ends too when whoever started its init is killed.

In a PID namespace of its own the kernel sees to that (test_container_death).  Else the
parent-death signal of the init, PR_SET_PDEATHSIG in prctl(2), must not be SIGKILL: with the
init nobody would be left who knows the others.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pyinit import linux
from tests.harness import PYINIT, children, python, until
from tests.spawning import USER, line, spawn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

pytestmark = pytest.mark.usefixtures("namespaces")

PYINITCTL = f"{PYINIT[0]}ctl"
KINDS = ("--uts", *("--userns" for _ in USER))
# Sessions of their own whose parents have ended, deaf to TERM, and a command that stays.
DAEMONS = python("leave.py", "daemon", "deaf", "2")
# Such a daemon that is all that is left: the command has ended.
LEFT = ["sh", "-c", '"$@" </dev/null', "sh", *python("leave.py", "daemon", "deaf")]

# Killed with the command, or of a command that had ended: its own, and of a pause.
ENDS = (128 + signal.SIGKILL, 7, 0)

# A program that starts a container without a PID namespace, says so, and stays.
CREATOR = f"""if True:
    import pyinit, sys
    kinds = {{"uts", {", ".join(map(repr, USER))}}}
    words, how = sys.argv[1:], {{}}
    if words[0] == "pause":
        one = pyinit.spawn([], namespaces=kinds, pause=True, grace_s=1000)
        two = one.exec(words[1:], stdin=0, grace_s=1000)
    else:
        one = pyinit.spawn(words, namespaces=kinds, stdin=0, grace_s=1000)
    sys.stderr.write("x")
    input()
"""


@contextlib.contextmanager
def creator(argv: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program whose stdin stays open; whom it leaves behind comes to us."""
    pipe = subprocess.PIPE
    linux.set_child_subreaper(on=True)
    try:
        with subprocess.Popen(argv, bufsize=0, stdin=pipe, stdout=pipe) as process:
            try:
                yield process
            finally:
                process.kill()
    finally:
        linux.set_child_subreaper(on=False)


def assert_nobody_is_left(process: subprocess.Popen[bytes]) -> None:
    """Kill the creator: the pipe comes to its end that all hold, and the inits end well."""
    inits = children(process.pid)
    process.kill()
    process.wait()
    assert not line(process.stdout)
    for init in inits:
        assert os.waitstatus_to_exitcode(os.waitpid(init, 0)[1]) in ENDS


def test_of_run() -> None:
    """`pyinitctl run` without --pid."""
    argv = [PYINITCTL, "run", *KINDS, "--init=--grace 1000", "--", *DAEMONS]
    with creator(argv) as process:
        assert [line(process.stdout) for _ in range(2)] == ["ready"] * 2
        assert_nobody_is_left(process)


def test_of_exec() -> None:
    """`pyinitctl exec`; those of the container itself go on."""
    with spawn(python("record.py", "TERM", "USR1")) as container:
        assert line(container.stdout) == "ready"
        argv = [PYINITCTL, "exec", str(container.pid), "--grace", "1000", "--", *DAEMONS]
        with creator(argv) as process:
            assert [line(process.stdout) for _ in range(2)] == ["ready"] * 2
            assert_nobody_is_left(process)
        container.send_signal(signal.SIGUSR1)
        assert line(container.stdout) == "USR1"
        assert {each.inner_pid for each in container.processes()} == {1, 2}


@pytest.mark.parametrize("more", [(), ("pause",)], ids=["spawn", "pause-and-exec"])
def test_of_the_functions(more: tuple[str, ...]) -> None:
    """`spawn()` without a PID namespace, and `Container.exec()`; an init that pauses ends too."""
    with creator([sys.executable, "-c", CREATOR, *more, *DAEMONS]) as process:
        assert [line(process.stdout) for _ in range(2)] == ["ready"] * 2
        assert_nobody_is_left(process)


def test_during_the_teardown() -> None:
    """The grace is not waited for, however long."""
    argv = [PYINITCTL, "run", *KINDS, "--init=--grace 1000", "--", *LEFT]
    with creator(argv) as process:
        assert line(process.stdout) == "ready"
        (init,) = children(process.pid)
        # The command has been waited for, and one is left, the daemon.
        until(lambda: is_torn_down(init), "the command has ended", process.pid)
        assert_nobody_is_left(process)


def is_torn_down(init: int) -> bool:
    """Return whether all that an init has is one child, of another session than its own."""
    found = children(init)
    with contextlib.suppress(ProcessLookupError):  # it was the command, which has just ended
        return len(found) == 1 and os.getsid(found[0]) != os.getsid(init)
    return False
