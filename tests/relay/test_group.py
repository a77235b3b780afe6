"""With --group signals go to the main child's process group, and without it to the child alone."""

from __future__ import annotations

import os
import signal

import pytest

from tests.harness import Container, children, python


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
    with Container(command, options=["-g"], mode=mode, before=["setsid"]) as container:
        container.expect("ready")
        for number in (signal.SIGUSR1, signal.SIGHUP, signal.SIGTERM):
            container.signal(number)
            container.expect(number.name[3:])
        assert container.wait() == 0
