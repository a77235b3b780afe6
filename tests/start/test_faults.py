"""A system call that fails on the way to the command, and what pyinit makes of it."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests import conftest, harness
from tests.start.inheritance import FORK, SPAWN, WAYS, Spec, each_way, entry, in_turn_of_ways

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("namespaces")

FORKS = "clone,clone3,?vfork,?fork"
NO_MORE = "Resource temporarily unavailable"


def run(
    way: str,
    log: Path,
    *strace: str,
    spec: Spec | None = None,
    command: tuple[str, ...] = ("true",),
) -> tuple[int, str, str]:
    """Run ``command`` under pyinit under strace(1), which as a grandchild (-D) leaves it PID 1."""
    conftest.need("strace")
    mode = harness.SUBREAPER if way == harness.SUBREAPER else harness.PID1
    before = [*entry(spec or {}, way), "/usr/bin/env", "strace", "-D", "-f", "-qq", "-o", str(log)]
    options = ["--grace", "0"]  # for strace, which is still there
    result = harness.run(command, mode=mode, before=[*before, *strace], options=options)
    assert "INJECTED" in log.read_text() or ":error=" not in strace[-1]
    return result


@each_way
def test_each_way_starts_the_command_by_its_own_system_call(way: str, tmp_path: Path) -> None:
    """posix_spawn(3) makes a child that shares the memory; fork(2) does not."""
    log = tmp_path / "log"
    assert run(way, log, "-e", f"trace={FORKS}") == (0, "", "")
    assert ("CLONE_VFORK" in log.read_text()) == (way == SPAWN)


@each_way
def test_no_more_processes_is_125(way: str, tmp_path: Path) -> None:
    """EAGAIN and its like of fork(2)."""
    fault = f"inject={FORKS}:error=EAGAIN"
    result = run(way, tmp_path / "log", "-e", fault)
    assert result == (125, "", f"pyinit: cannot fork: {NO_MORE}\n")


@each_way
def test_the_limit_of_processes_is_125(way: str) -> None:
    """RLIMIT_NPROC, which counts the processes of a user other than root."""
    if os.geteuid() != 0:
        conftest.missing("root")
    user = 1_000_000_000 + os.getpid()
    spec: Spec = {
        "ids": [[], [user] * 3, [user] * 3],
        "inheritable": [1, 2],  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH: to reach the interpreter
        "ambient": [1, 2],
        "limits": {"RLIMIT_NPROC": [1, 1]},
    }
    mode = harness.SUBREAPER if way == harness.SUBREAPER else harness.PID1
    result = harness.run(["true"], mode=mode, before=entry(spec, way))
    assert result == (125, "", f"pyinit: cannot fork: {NO_MORE}\n")


@pytest.mark.parametrize("way", [FORK, harness.SUBREAPER])
def test_no_more_descriptors_is_125(way: str, tmp_path: Path) -> None:
    """EMFILE of pipe(2), which tells whether exec worked."""
    result = run(way, tmp_path / "log", "-e", "inject=pipe2:error=EMFILE")
    assert result == (125, "", "pyinit: cannot make a pipe: Too many open files\n")


def test_fork_is_tried_where_posix_spawn_fails(tmp_path: Path) -> None:
    """A filter (seccomp(2)) may know the old clone(2) only."""
    fault = "inject=clone3:error=EPERM"
    assert run(SPAWN, tmp_path / "log", "-e", fault, command=("echo", "x")) == (0, "x\n", "")


@in_turn_of_ways(
    ("error", "text"),
    [
        ("E2BIG", "Argument list too long"),
        ("EIO", "Input/output error"),
        ("ENOMEM", "Cannot allocate memory"),
        ("EPERM", "Operation not permitted"),
        ("ELIBBAD", "Accessing a corrupted shared library"),
    ],
)
def test_whatever_else_execve_says_is_126(error: str, text: str, way: str, tmp_path: Path) -> None:
    """The reason is in the system's words."""
    command = tmp_path / "command"
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    fault = ("-P", str(command), "-e", f"inject=execve:error={error}")
    result = run(way, tmp_path / "log", *fault, command=(str(command),))
    assert result == (126, "", f"pyinit: '{command}': cannot be started: {text}\n")


@pytest.mark.parametrize(
    ("call", "way"),
    [("prctl", harness.SUBREAPER), *(("setpgid", way) for way in WAYS)],
)
def test_the_command_runs_where_a_filter_forbids_what_it_can_do_without(
    call: str, way: str, tmp_path: Path
) -> None:
    """Its own process group, the subreaper, the parent-death signal."""
    code, out, _ = run(
        way, tmp_path / "log", "-e", f"inject={call}:error=EPERM", command=("echo", "x")
    )
    assert (code, out) == (0, "x\n")


@each_way
def test_an_unreadable_environment_is_found_on_the_stack(way: str, tmp_path: Path) -> None:
    """/proc/self/environ belongs to root where a process is not dumpable; proc(5)."""
    fault = ("-P", "/proc/self/environ", "-e", "inject=openat:error=EACCES")
    spec: Spec = {"environ": ["A=1", "LC_CTYPE=C", "PATH=/usr/bin:/bin"]}
    code, out, _ = run(way, tmp_path / "log", *fault, spec=spec, command=("/usr/bin/env",))
    assert (code, out) == (0, "A=1\nLC_CTYPE=C\nPATH=/usr/bin:/bin\n")


def test_a_child_that_is_killed_before_exec_has_ended_like_any_other(tmp_path: Path) -> None:
    """It has said nothing of a failure, so its end is the command's."""
    fault = ("-P", "/no/such", "-e", "inject=execve:signal=KILL")
    code, out, err = run(harness.SUBREAPER, tmp_path / "log", *fault, command=("/no/such",))
    assert (code, out, harness.unexplained(err)) == (128 + signal.SIGKILL, "", "")
