"""With --group signals go to the main child's process group, and without it to the child alone."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from tests.harness import PID1, Container, children, logged, python
from tests.terminal.test_stop_and_continue import until_state
from tests.terminals import until_settled


@pytest.mark.parametrize("option", ["-g", "--group"])
def test_every_member_of_the_group_gets_the_signal(mode: str, option: str) -> None:
    """The child and a child of it: each once, standard and real-time signals."""
    with Container(python("pair.py"), options=[option], mode=mode) as container:
        container.expect("ready")
        for number in (signal.SIGUSR1, signal.SIGHUP, signal.SIGTERM, signal.SIGRTMIN + 3):
            container.signal(number)
            both = {container.line(), container.line()}
            assert both == {f"child {int(number)}", f"member {int(number)}"}


def test_without_it_the_child_alone_gets_the_signal(mode: str) -> None:
    """The member of its group gets only what is sent to it afterwards."""
    with Container(python("pair.py"), mode=mode) as container:
        container.expect("ready")
        container.signal(signal.SIGUSR1)
        container.expect(f"child {int(signal.SIGUSR1)}")
        os.kill(children(container.main_child())[0], signal.SIGUSR2)
        container.expect(f"member {int(signal.SIGUSR2)}")


def test_a_child_that_left_its_group_still_gets_the_signal(mode: str) -> None:
    """Nobody is left in the group: kill(2) says ESRCH, and the child is signalled by its PID."""
    command = [*python("join.py", "group"), *python("record.py")]
    with Container(command, options=["-g", "-vv"], mode=mode, before=["setsid"]) as container:
        container.expect("ready")
        sent = [signal.SIGUSR1, signal.SIGHUP, signal.SIGTERM]
        for number in sent:
            container.signal(number)
            container.expect(number.name[3:])
        assert container.wait() == 0
        events = logged(container.errors())
    told = [each["signal"] for each in events if each["event"] == "signal_relayed"]
    assert told == [number.name for number in sent]


STOPS = "trap 'exit 3' TERM; kill -STOP $$; while :; do sleep 0.05; done"


def test_a_stopped_child_that_left_its_group_is_continued_by_a_stop_signal(
    namespaces: None,
) -> None:
    """A stopped process acts on TERM only after CONT."""
    command = [*python("join.py", "group"), "sh", "-c", STOPS]
    with Container(command, options=["-g"], mode=PID1, before=["setsid"]) as container:
        until_state(container.main_child(), "T")
        until_settled(container.pid)
        container.signal(signal.SIGTERM)
        assert container.wait() == 3


# Joins the group of a child, and leaves one that ignores TERM in its own.
LEAVES = """
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    signal.pause()
reader, writer = os.pipe()
if (pid := os.fork()) == 0:
    os.setpgid(0, 0)
    os.write(writer, b"x")
    signal.pause()
os.read(reader, 1)
os.setpgid(0, pid)
print("ready", flush=True)
signal.pause()
"""


def test_a_child_that_left_others_in_its_group_is_killed_by_the_plan(mode: str) -> None:
    """With those who are in it."""
    command = [sys.executable, "-IS", "-c", LEAVES]
    options = ["-g", "--stop-timeout", "0.1", "--grace", "0"]
    with Container(command, options=options, mode=mode) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        assert container.wait() == 128 + signal.SIGKILL
