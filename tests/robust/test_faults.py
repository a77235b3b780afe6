"""`python -m fuzz faults`: no system call that fails after the start hangs or loses anything."""

from __future__ import annotations

import errno
import subprocess
import sys

import pytest

from fuzz import errnos, faults, ways
from tests import conftest, harness

pytestmark = pytest.mark.usefixtures("namespaces")

SEED = "pyinit"


def fuzz(*arguments: str) -> tuple[int, str]:
    """Run `python -m fuzz faults` to its end; return the exit code and what it said."""
    conftest.need("strace")
    argv = [sys.executable, "-m", "fuzz", "faults", *arguments]
    done = subprocess.run(
        argv, check=False, cwd=harness.ROOT, capture_output=True, text=True, timeout=600
    )
    return done.returncode, done.stdout + done.stderr


def test_a_sample_of_failing_system_calls_holds() -> None:
    """In every way: the command's exit code, nobody lost, no hang, no traceback."""
    code, said = fuzz("--sample", "40", "--seed", SEED, "--bound", "20")
    assert code == 0, said
    assert "40 faults" in said


def test_an_init_that_cannot_bear_a_failure_is_found() -> None:
    """It is right as long as no call fails, and then ends with its command running."""
    init = " ".join(harness.python("naive_init.py", "none")).replace("-IS", "-I")
    code, said = fuzz("--init", init, "--fault", "plain:wait4:1:EINVAL", "--bound", "5")
    assert code == 1, said
    assert "stderr has a traceback" in said or "pyinit has exited with 1" in said
    assert "--fault plain:wait4:" in said


def test_a_call_of_before_the_start_is_not_counted() -> None:
    """What fails there keeps the command from being started, as it should."""
    code, said = fuzz("--fault", "plain:clone:1:EAGAIN")
    assert code == 1, said
    assert "1 faults, 0 after the start" in said


def test_the_same_seed_draws_the_same_faults_of_all_kinds() -> None:
    """A sample takes one of each call of each way before it takes a second of any."""
    names = ["execve", "clone", "", "kill", "kill", "wait4"]
    found = [each for way in ways.WAYS for each in faults.faults(way, names, every=1)]
    for count in (1, 9, 18, len(found)):
        drawn = faults.sample(found, count, SEED)
        assert drawn == faults.sample(found, count, SEED)
        assert len(set(drawn)) == count
        assert len({(each.way, each.name) for each in drawn}) == min(count, 2 * len(ways.WAYS))
    assert [faults.Fault.parse(str(each)) for each in found] == found


def test_every_errno_is_one() -> None:
    """strace(1) would say so of a wrong one; the names are those of errno(3)."""
    for name in errnos.OF:
        assert [each for each in errnos.errnos(name) if not hasattr(errno, each)] == []
