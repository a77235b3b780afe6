"""How many system calls a quiet start, one relay and one reap take: exactly so many.

Memory is left out (brk, mmap and their like), for when an allocator asks for
more is its own affair; so is what the interpreter does before its first line of
the launcher.
"""

from __future__ import annotations

import collections
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from pyinit import signals
from tests.conftest import need
from tests.ctl.test_install import copy_package, install
from tests.harness import UNSHARE, python

if TYPE_CHECKING:
    from pathlib import Path

MEMORY = {"brk", "mmap", "munmap", "mprotect", "madvise", "mremap"}
WAITS = "rt_sigtimedwait"
FIRST_ACT = re.compile(r"rt_sigprocmask\(SIG_BLOCK, ~\[RTMIN RT_1\]")

# From the first act of the launcher to the first wait for a signal.
START = {
    "rt_sigprocmask": 3,  # the first act; and posix_spawn(3), around its vfork(2)
    "openat": 3,  # the bundle; /proc/self/environ; /dev/tty, which fails
    "read": 3,  # of the bundle; of the environment and its end
    "pread64": 1,  # of the rest of the bundle
    "close": 2,
    # Whether the bundle is of this package, and whole; how many threads; is stderr open.
    "newfstatat": 4,
    "getpid": 3,
    "clone": 1,
    "rt_sigaction": len(signals.RELAYED),  # for SigCgt; what SIGCHLD did is known without
    "rt_sigtimedwait": 2,  # whether the command ends at once; whether a signal has come already
    "wait4": 1,  # whether anybody has ended already
    "chdir": 1,  # to the root directory
}


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """Return name and line of each system call of an init that relays and reaps one by one."""
    need("strace", "unshare")
    directory = tmp_path_factory.mktemp("trace")
    launcher, file = directory / "init", directory / "trace"
    package = copy_package(directory / "package")
    assert install(launcher, PYTHONPATH=str(package)).returncode == 0
    command = [*UNSHARE, str(launcher), "--", *python("one_by_one.py")]
    subprocess.run(["strace", "-f", "-o", str(file), *command], check=True)
    return calls(file, launcher)


def calls(file: Path, launcher: Path) -> list[tuple[str, str]]:
    """Return the calls of the process that became ``launcher``, from its first act on."""
    lines = file.read_text(errors="replace").splitlines()
    became = next(line for line in lines if f'execve("{launcher}"' in line)
    pid = became.split()[0]
    # A call during which another process was traced is in two lines: the second has the result.
    own = [line.split(None, 1)[1] for line in lines if line.split()[0] == pid]
    own = own[1 + next(i for i, line in enumerate(own) if "execve(" in line) :]
    own = [line for line in own if "unfinished" not in line and line[0] not in "+-"]
    # Newer C libraries block all signals for a moment before: a set without 32 and 33 is Python's.
    first = next(i for i, line in enumerate(own) if FIRST_ACT.match(line))
    named = []
    for line in own[first:]:
        found = re.match(r"(?:<\.\.\. )?(\w+)", line)
        assert found is not None
        # Two names of one call, by the C library.
        name = re.sub("^(clone3|vfork)$", "clone", found.group(1))
        name = re.sub("^fstat$", "newfstatat", name)
        if name not in MEMORY:
            named.append((name, line))
    return named


def after(trace: list[tuple[str, str]], signal: str) -> list[list[str]]:
    """Return, for each wait that ``signal`` ended, the calls up to the next wait."""
    waits = [i for i, (name, _) in enumerate(trace) if name == WAITS]
    found = []
    for begin, end in zip(waits, [*waits[1:], len(trace)], strict=True):
        if f"({signal})" in trace[begin][1] or f"= {signal}" in trace[begin][1]:
            found.append([name for name, _ in trace[begin + 1 : end]])
    return found


def test_a_start(trace: list[tuple[str, str]]) -> None:
    """From blocking the signals to waiting for them."""
    start = []
    for name, line in trace:
        start.append(name)
        if name == "wait4":
            break
        assert name != WAITS or "EAGAIN" in line
    assert collections.Counter(start) == START


def test_a_relay(trace: list[tuple[str, str]]) -> None:
    """One kill(2) a signal."""
    assert after(trace, "SIGUSR1") == [["kill"]] * 5


def test_a_reap(trace: list[tuple[str, str]]) -> None:
    """One wait4(2) for the orphan, and one that finds no other; for the main child all the rest."""
    *orphans, main = after(trace, "SIGCHLD")
    assert orphans == [["wait4", "wait4"]] * 5
    # No child; nobody else in the namespace.
    assert main == ["wait4", "wait4", "waitid", "kill", "exit_group"]
