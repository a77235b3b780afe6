"""A pyinit that has started itself once more gives its command what it was given at first."""

from __future__ import annotations

import json
import os
import signal

import pytest

from tests import foreign
from tests.harness import PID1, SUBREAPER, Container, python, run
from tests.start.inheritance import Spec, entry, in_turn_of_ways

pytestmark = pytest.mark.usefixtures("namespaces")


@pytest.fixture(scope="module")
def preload(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the entry for a library whose constructor starts a thread."""
    return f"LD_PRELOAD={foreign.library(tmp_path_factory)}"


def environs(preload: str) -> dict[str, list[str]]:
    """Return environments that lead to a restart, as latin-1."""
    return {
        "first": [preload, "A=1", "B=\xff"],
        "last": ["A=1", "LC_CTYPE=C", preload],
        "twice": ["A=1", preload, "B=2", "A=3", "LD_AUDIT=", preload],
        "no equals sign": ["LD_PRELOAD", "bare", preload, "=x", ""],
        "what a hidden name is replaced by": ["\x01D_PRELOAD=1", preload, "A=1"],
        "Python's": ["A=1", "PYTHONWARNINGS=ignore", "B=2"],
        "Python's, and a name twice": ["A=1", "PYTHONWARNINGS=ignore", "A=2"],
        "both": ["PYTHONPATH=/nowhere", "A=\xff", preload, "PYTHONHASHSEED=1"],
    }


def written(command: list[str], spec: Spec, way: str) -> bytes:
    """Return what the command writes below a pyinit that warns of nothing."""
    mode = SUBREAPER if way == SUBREAPER else PID1
    code, out, err = run(command, before=entry(spec, way), mode=mode, options=("-q",))
    assert (code, err) == (0, "")
    return os.fsencode(out)


@in_turn_of_ways("name", environs(""))
def test_the_environment(preload: str, name: str, way: str) -> None:
    """Byte for byte, in the same order, and with what stands in it twice."""
    entries = environs(preload)[name]
    found = written(["/usr/bin/env", "-0"], {"environ": entries}, way)
    assert found == b"".join(each.encode("latin-1") + b"\0" for each in entries)


def test_it_has_been_started_once_more(preload: str) -> None:
    """For each of those environments, and /proc/1/environ shows all of it."""
    script = "tr '\\0' '\\n' </proc/1/cmdline; cat /proc/1/comm; exec cat /proc/1/environ"
    for entries in environs(preload).values():
        spec: Spec = {"environ": [*entries, "PATH=/bin:/usr/bin"]}
        found = written(["/bin/sh", "-c", script], spec, PID1)
        assert b"-X\npyinit=" in found
        assert b"\npyinit\n" in found
        assert found.endswith(b"".join(each.encode("latin-1") + b"\0" for each in spec["environ"]))


@pytest.mark.parametrize("field", ["SigBlk", "SigIgn"])
def test_signals_that_are_blocked_or_ignored(preload: str, field: str) -> None:
    """All are blocked over the restart, for the command only those that were.

    Not 32 and 33: glibc changes them with the first thread.
    """
    numbers = [signal.SIGHUP, signal.SIGCHLD, signal.SIGRTMAX]
    what = {"SigBlk": "blocked", "SigIgn": "ignored"}[field]
    spec = {"environ": [preload], what: list(map(int, numbers))}
    command = ["/bin/sed", "-n", f"s/^{field}:.//p", "/proc/self/status"]
    assert int(written(command, spec, PID1), 16) == sum(1 << (n - 1) for n in numbers)


def test_a_signal_that_waits_outlives_it(preload: str) -> None:
    """It has come before exec, was blocked, and reaches the command."""
    numbers = [int(signal.SIGUSR1), int(signal.SIGTERM)]
    spec = {"environ": [preload], "blocked": numbers, "pending": numbers}
    command = [*foreign.NO_THREAD, *python("record.py")]
    before = python("enter.py", json.dumps(spec))
    with Container(command, before=before, options=("-q",)) as container:
        container.expect("ready")
        assert container.rest() == "USR1\nTERM\n"
        assert container.wait() == 0
