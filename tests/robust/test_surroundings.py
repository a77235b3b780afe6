"""Where an init may find itself: without privileges, inside another init, without /proc."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from tests.conftest import missing
from tests.harness import PYINIT, UNSHARE, Container, python, run

EXERCISED = "relayed\nreaped\nTERM\n"
# What user nobody would be: root with no capability but the one that mapping user 0 of
# the parent's namespace takes; see user_namespaces(7).  The tests as an ordinary user
# show the rest: there every container is made so.
UNPRIVILEGED = ["setpriv", "--bounding-set", "-all,+setfcap", "--inh-caps", "-all"]


def test_a_user_namespace_without_privileges() -> None:
    """Made with hardly a capability: root in there and nowhere else."""
    if os.geteuid() != 0:
        missing("root")
    unshare = [*UNPRIVILEGED, "unshare", "--user", "--map-root-user"]
    words = [*unshare, "--pid", "--fork", "--mount-proc", *PYINIT, "-vv", *python("exercise.py")]
    out = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (out.returncode, out.stdout) == (7, EXERCISED), out.stderr
    assert "error" not in out.stderr


def without_proc() -> tuple[str, ...]:
    """Return what hides /proc from the command behind it, and only from that."""
    script = 'mount -t tmpfs none /proc && exec "$@"'
    return ("unshare", "--mount", "sh", "-c", script, "sh")


@pytest.mark.parametrize("options", [[], ["-vv", "-w"]])
def test_without_proc_everything_works(mode: str, options: list[str]) -> None:
    """Relay, reaping and teardown ask the kernel; only names are missing from the log."""
    words = python("exercise.py")
    code, out, err = run(words, mode=mode, options=options, before=without_proc())
    assert (code, out) == (7, EXERCISED), err
    assert "error" not in err
    assert ("orphan_reaped" in err) == bool(options)


def test_an_init_in_a_namespace_of_an_init(mode: str) -> None:
    """The inner one is PID 1 of a nested namespace: it is exercised, and its code comes out."""
    inner = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", *PYINIT]
    code, out, err = run([*inner, *python("exercise.py")], mode=mode)
    assert (code, out, err) == (7, EXERCISED, "")


def test_an_init_under_an_init(mode: str) -> None:
    """The inner one is a subreaper: orphans stop there."""
    assert run([*PYINIT, *python("exercise.py")], mode=mode) == (7, EXERCISED, "")


def test_signals_and_statuses_go_through_two_inits(mode: str) -> None:
    """In order, and 128+n as the exit code of both."""
    with Container([*PYINIT, *python("record.py", "USR1", "HUP")], mode=mode) as container:
        container.expect("ready")
        for name in ("USR1", "HUP", "USR1"):
            container.signal(signal.Signals[f"SIG{name}"])
            container.expect(name)
        container.signal(signal.SIGUSR2)  # not taken: it ends the command
        assert container.wait() == 128 + signal.SIGUSR2


def test_the_end_of_the_outer_one_is_the_end_of_the_inner_one(namespaces: None) -> None:
    """Killed outright: the kernel ends the namespaces one within the other."""
    inner = [*UNSHARE, *PYINIT]
    with Container([*inner, *python("record.py")]) as container:
        container.expect("ready")
        container.signal(signal.SIGKILL)
        assert container.rest() == ""  # everybody who could write is gone
