"""A subreaper without /proc whose children have numbers on both sides of the largest PID."""

from __future__ import annotations

import subprocess

import pytest

from pyinit.kernel import descendants
from tests.harness import SUBREAPER, Container, python

# The shell forks once more for pyinit, whose number is near the end then.  The file is of this
# PID namespace; see proc(5).
WRAPPED = """
echo $(($(cat /proc/sys/kernel/pid_max) - 12)) > /proc/sys/kernel/ns_last_pid
mount -t tmpfs none /proc
"$@"
exit $?
"""
NUMBER = 20


@pytest.mark.parametrize("manner", ["end", "ignore"])
def test_each_leftover_is_asked_and_ended(manner: str, namespaces: None) -> None:
    """Those with numbers from pyinit's own on, and those with low ones."""
    with Container(
        python("leave.py", "daemon", manner, str(NUMBER)),
        mode=SUBREAPER,
        options=["--grace", "1000" if manner == "end" else "0.5"],
        before=["unshare", "--mount", "sh", "-c", WRAPPED, "sh"],
        stdin=subprocess.PIPE,
    ) as container:
        for _ in range(NUMBER):
            container.expect("ready")
        container.close_stdin()
        for _ in range(NUMBER):
            container.expect("TERM")
        assert container.wait() == 7
        assert container.survivors == []


def test_the_search_is_one_of_many_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between which signals and deadlines are heeded: each asks for few numbers, all for all."""
    asked: list[int] = []
    monkeypatch.setattr(descendants, "PID_MAX_LIMIT", 200_000)  # of 4 million
    monkeypatch.setattr(descendants, "_newest_pid", lambda: 1000)
    monkeypatch.setattr(descendants, "_is_child", asked.append)
    sending = descendants.Sending((15,))
    steps = 0
    done = False
    while not done:
        done = sending._has_asked_for_all()
        steps += 1
        assert len(asked) <= steps * 16_384
    assert len(asked) == len(set(asked)) > 199_990
