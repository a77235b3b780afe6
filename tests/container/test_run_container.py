"""`run_container` starts, communicates and waits in one, as `subprocess.run` does."""

from __future__ import annotations

import pickle
import signal
import subprocess
from typing import Any

import pytest

import pyinit
from pyinit import Exit
from tests.spawning import USER

pytestmark = pytest.mark.usefixtures("namespaces")

KINDS: Any = {"namespaces": {"pid", "mount", *USER}}


def test_input_and_output() -> None:
    """As in subprocess; and the end as pyinit has it besides."""
    script = "cat; echo error >&2; exit 3"
    done = pyinit.run_container(["sh", "-c", script], input=b"x", capture_output=True, **KINDS)
    assert isinstance(done, subprocess.CompletedProcess)
    assert (done.args, done.returncode, done.stdout, done.stderr) == (
        ["sh", "-c", script],
        3,
        b"x",
        b"error\n",
    )
    assert done.exit == Exit(3)
    again = pickle.loads(pickle.dumps(done))
    assert (again.exit, again.stdout) == (done.exit, done.stdout)


def test_text_without_input() -> None:
    """The keywords of spawn() are those of this one."""
    done = pyinit.run_container(["pwd"], stdout=subprocess.PIPE, text=True, cwd="/usr", **KINDS)
    assert (done.stdout, done.stderr) == ("/usr\n", None)


@pytest.mark.parametrize(("script", "code"), [("exit 3", 3), ("kill -9 $$", -signal.SIGKILL)])
def test_check(script: str, code: int) -> None:
    """With what was written until then."""
    argv = ["sh", "-c", f"echo x; {script}"]
    with pytest.raises(subprocess.CalledProcessError) as caught:
        pyinit.run_container(argv, check=True, capture_output=True, **KINDS)
    assert (caught.value.returncode, caught.value.cmd) == (code, argv)
    assert caught.value.stdout == b"x\n"
    assert pyinit.run_container(["true"], check=True, **KINDS).returncode == 0


def test_a_timeout_ends_all_of_it() -> None:
    """Also what has moved away from the command and holds its stdout; what it wrote is told."""
    argv = ["sh", "-c", "echo x; setsid sleep 1000 & trap '' TERM; sleep 1000"]
    with pytest.raises(pyinit.TimeoutExpired) as caught:
        pyinit.run_container(argv, timeout=1, capture_output=True, **KINDS)
    assert (caught.value.output, caught.value.stderr) == (b"x\n", b"")


@pytest.mark.parametrize(("octal", "shown"), [("303", r"\xc3"), ("377", r"\xff")])
def test_a_timeout_inside_a_character(octal: str, shown: str) -> None:
    """What was written is told, with what can no more become text."""
    argv = ["sh", "-c", rf"printf 'caf\{octal}'; exec sleep 1000"]
    how: dict[str, Any] = {"encoding": "utf-8", "capture_output": True, **KINDS}
    with pytest.raises(pyinit.TimeoutExpired) as caught:
        pyinit.run_container(argv, timeout=1, **how)
    told: tuple[Any, Any] = (caught.value.output, caught.value.stderr)
    assert told == ("caf" + shown, "")


@pytest.mark.parametrize(
    "how",
    [
        {"input": b"x", "stdin": subprocess.PIPE},
        {"capture_output": True, "stdout": subprocess.PIPE},
        {"capture_output": True, "stderr": subprocess.STDOUT},
    ],
)
def test_what_excludes_each_other(how: dict[str, Any]) -> None:
    """As in subprocess."""
    with pytest.raises(ValueError, match="expected no"):
        pyinit.run_container(["true"], **how)
