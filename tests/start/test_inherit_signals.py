"""The command has the signal mask and the ignored signals that pyinit was given."""

from __future__ import annotations

import json
import signal

import pytest

from tests import harness
from tests.start.inheritance import FORK, SPAWN, WAYS, Spec, each_way, under_pyinit

pytestmark = pytest.mark.usefixtures("namespaces")

ALL = set(range(1, 65)) - {signal.SIGKILL, signal.SIGSTOP}
LOST = {signal.SIGPIPE, signal.SIGXFSZ}
GLIBCS = {32, 33}
# Twelve sets: any two signals are on different sides of one of them, and each is in six.
SETS = [
    {number for number in ALL if (number >> bit & 1) == side} for bit in range(6) for side in (0, 1)
]


# Each as the blocked and, of the next case, as the ignored ones.
CASES = [set(), *SETS, ALL]
# A few where only the call that starts the command is another one.
FEW = [set(), *SETS[:2], ALL]


CASE_OF_EACH_WAY = [
    pytest.param(blocked, ignored, way, id=f"{way}-{number}")
    for way in WAYS
    for sets in [CASES if way == SPAWN else FEW]
    for number, (blocked, ignored) in enumerate(zip(sets, sets[1:] + sets[:1], strict=True))
]


@pytest.mark.parametrize(("blocked", "ignored", "way"), CASE_OF_EACH_WAY)
def test_the_blocked_and_the_ignored_signals_are_those_given(
    blocked: set[int], ignored: set[int], way: str
) -> None:
    """Blocked are all 62 that can be, also the two that glibc takes out of every set it is given.

    Ignored are all 62 that can be, except SIGPIPE and SIGXFSZ, which come out with their default
    action: Python ignores these two from its own start on, and what they were before cannot be
    known afterwards.  Where pyinit starts the command by posix_spawn(3), glibc leaves the two
    signals that it keeps to itself (32 and 33) ignored, as it does in whatever is started that way.
    """
    command = ["/bin/sed", "-nE", "s/^Sig(Blk|Ign):.//p", "/proc/self/status"]
    spec: Spec = {"blocked": sorted(blocked), "ignored": sorted(ignored)}
    fields = [int(field, 16) for field in under_pyinit(command, spec, way).split()]
    blocked_there, ignored_there = (
        {number for number in range(1, 65) if bits >> (number - 1) & 1} for bits in fields
    )
    assert blocked_there == blocked
    expected = ignored - LOST
    if way == FORK:
        expected = expected | {signal.SIGCHLD}
    if way == SPAWN and signal.SIGCHLD not in ignored:
        ignored_there, expected = ignored_there - GLIBCS, expected - GLIBCS
    assert ignored_there == expected


@each_way
def test_pyinit_reaps_when_sigchld_is_ignored_on_entry(way: str) -> None:
    """With SIGCHLD ignored the kernel reaps by itself, and nobody hears of the command's end."""
    mode = harness.SUBREAPER if way == harness.SUBREAPER else harness.PID1
    before = harness.python("enter.py", json.dumps({"ignored": [signal.SIGCHLD]}))
    command = ["/bin/sh", "-c", "(sleep 0 &); exit 7"]
    assert harness.run(command, mode=mode, before=before) == (7, "", "")


@each_way
def test_a_signal_that_waited_at_entry_is_relayed(way: str) -> None:
    """What was blocked and queued before exec is still queued after it, for pyinit to take."""
    mode = harness.SUBREAPER if way == harness.SUBREAPER else harness.PID1
    waiting = [int(signal.SIGUSR1), int(signal.SIGTERM), 40]
    spec: Spec = {"blocked": waiting, "pending": [signal.SIGUSR1, 40, 40]}
    if way == FORK:
        spec["ignored"] = [signal.SIGCHLD]
    before = harness.python("enter.py", json.dumps(spec))
    with harness.Container(harness.python("record.py"), mode=mode, before=before) as container:
        for line in ("ready", "USR1", "RTMIN+6", "RTMIN+6"):
            container.expect(line)
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        assert container.wait() == 0
