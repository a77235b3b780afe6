"""The command has every attribute of a process that pyinit was given.

What /proc and prctl(2) say of a program that pyinit starts is compared with what they say of
the same program in pyinit's place.
"""

from __future__ import annotations

import functools
import json
import os
from typing import TYPE_CHECKING

import pytest

from tests import conftest, harness
from tests.start.inheritance import (
    FORK,
    SPAWN,
    Spec,
    assert_same,
    each_way,
    in_turn_of_ways,
    under_pyinit,
    without,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("namespaces")

FILES = (
    "status",
    "limits",
    "stat",
    "oom_score_adj",
    "timerslack_ns",
    "personality",
    "coredump_filter",
    "cgroup",
    "uid_map",
    "timers",
)
COMMAND = ["/bin/cat", *(f"/proc/self/{name}" for name in FILES)]
# Of /proc/PID/status; the rest are sizes and counters, and who is whose parent.
FIELDS = (
    "Name",
    "Umask",
    "Uid",
    "Gid",
    "Groups",
    "NSsid",
    "SigPnd",
    "ShdPnd",
    "SigBlk",
    "SigIgn",
    "SigCgt",
    "CapInh",
    "CapPrm",
    "CapEff",
    "CapBnd",
    "CapAmb",
    "NoNewPrivs",
    "Seccomp",
    "Seccomp_filters",
    "Speculation_Store_Bypass",
    "SpeculationIndirectBranch",
    "Cpus_allowed",
    "Mems_allowed",
    "THP_enabled",
)
# Of /proc/PID/stat, counted as in proc(5) from 1: priority, nice, exit_signal, rt_priority, policy.
STAT = (18, 19, 38, 40, 41)

# 32 and 33, which glibc keeps to itself: its posix_spawn(3) leaves them ignored in whatever it
# starts, so that they cannot be compared.  A program has no use for them.
GLIBCS = 0b11 << 31

CPU = min(os.sched_getaffinity(0))
LIMITS = {
    "RLIMIT_AS": [1 << 34, 1 << 35],
    "RLIMIT_CORE": [4096, 8192],
    "RLIMIT_CPU": [1000, 2000],
    "RLIMIT_DATA": [1 << 33, 1 << 34],
    "RLIMIT_FSIZE": [1 << 20, 1 << 21],
    "RLIMIT_MEMLOCK": [4096, 8192],
    "RLIMIT_MSGQUEUE": [1000, 2000],
    "RLIMIT_NICE": [0, 0],
    "RLIMIT_NOFILE": [77, 99],
    "RLIMIT_NPROC": [5000, 6000],
    "RLIMIT_RSS": [1 << 30, 1 << 31],
    "RLIMIT_RTPRIO": [0, 0],
    "RLIMIT_RTTIME": [10**6, 10**7],
    "RLIMIT_SIGPENDING": [50, 60],
    "RLIMIT_STACK": [1 << 22, 1 << 24],
}
SPECS: dict[str, Spec] = {
    "nothing special": {},
    "umask": {"umask": 0o137},
    "nice": {"nice": 7},
    "limits": {"limits": LIMITS},
    "affinity": {"affinity": [CPU]},
    "timer slack": {"slack_ns": 123_456},
    "scheduling policy": {"batch": True},
    "personality": {"personality": 0x0040000},  # ADDR_NO_RANDOMIZE
    "oom_score_adj": {"oom_score_adj": "500"},
    "no_new_privs": {"no_new_privs": True},
    "bounding set": {"unbound": [20, 25]},
    "inheritable set": {"inheritable": [5, 7, 33]},
    "ambient set": {"inheritable": [5, 7, 33], "ambient": [7, 33]},
    "securebits": {"securebits": 0b101111},  # NOROOT, NO_SETUID_FIXUP, KEEP_CAPS, all but locked
}
# CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: the interpreter may lie where that user cannot read.
NEEDS_ROOT: dict[str, Spec] = {
    "real and effective ids": {"ids": [[7, 8, 9], [100, 101, 102], [1000, 0, 0]]},
    "another user": {
        "ids": [[7, 8, 9], [100, 100, 100], [1000, 1000, 1000]],
        "inheritable": [1, 2, 5],
        "ambient": [1, 2],
        "unbound": [20],
    },
    "negative nice": {"nice": -5},
}


def attributes(text: bytes) -> dict[str, str]:
    """Return of the output of `COMMAND` what does not differ from one process to the next."""
    facts = {}
    for line in text.decode().splitlines():
        name, colon, value = line.partition(":")
        if colon and name in FIELDS:
            facts[name] = value
        if name == "SigIgn":
            facts[name] = f"{int(value, 16) & ~GLIBCS:016x}"
        elif " (cat) " in line:
            words = line.rpartition(")")[2].split()
            facts["stat"] = " ".join(words[number - 3] for number in STAT)
        elif line.startswith("Max ") or "\t" not in line:
            facts.setdefault("others", "")
            facts["others"] += line + "\n"
    return facts


@functools.cache
def nothing_special(way: str) -> dict[str, str]:
    """Return the attributes of a command that is given none in particular."""
    return attributes(without(COMMAND, {}, way))


@in_turn_of_ways("name", [*SPECS, *NEEDS_ROOT])
def test_the_command_has_every_attribute_that_pyinit_was_given(name: str, way: str) -> None:
    """Umask, nice, limits, ids, groups, capabilities (five sets), and what else fork copies."""
    if name in NEEDS_ROOT and os.geteuid() != 0:
        conftest.missing("root")
    spec = SPECS.get(name) or NEEDS_ROOT.get(name, {})
    given = attributes(without(COMMAND, spec, way))
    assert len(given) >= len(FIELDS)
    assert attributes(under_pyinit(COMMAND, spec, way)) == given
    if spec:
        assert given != nothing_special(way)


@each_way
def test_the_working_directory_is_the_same(way: str, tmp_path: Path) -> None:
    """Also one that has been removed since: nothing looks for its name."""
    assert assert_same(["/bin/pwd", "-P"], {"cwd": str(tmp_path)}, way) == f"{tmp_path}\n".encode()
    gone = [
        "/bin/sh",
        "-c",
        'mkdir "$0" && cd "$0" && rmdir "$0" && exec "$@"',
        str(tmp_path / "d"),
    ]
    link = under_pyinit(["readlink", "/proc/self/cwd"], {}, way, before=gone)
    assert link == f"{tmp_path}/d (deleted)\n".encode()


@each_way
def test_nothing_of_pyinit_leaks_into_the_command(way: str) -> None:
    """No timer, no subreaper, no child; a parent-death signal only when pyinit is not PID 1.

    The kernel kills a whole namespace with its init, so there nobody needs one.
    """
    command = harness.python("inside.py")
    given = json.loads(without(command, {}, way))
    found = json.loads(under_pyinit(command, {}, way))
    assert found.pop("leads its group") is True
    assert found.pop("parent-death signal") == (0 if way in (SPAWN, FORK) else 9)
    del given["leads its group"], given["parent-death signal"]
    assert found == given
