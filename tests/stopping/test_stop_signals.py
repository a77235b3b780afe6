"""--stop-signals says which signals begin a stop, and which cut one short.

Seen by a drain of 1000 s, which holds back a stop signal and nothing else, and
by a grace of 1000 s, which only a stop signal cuts short.
"""

from __future__ import annotations

import signal

import pytest

from tests.cases import in_turn
from tests.harness import Container, python
from tests.stopping.test_teardown import assert_lives, assert_over, end_main, leave, pid_of_leftover

RECORD = python("record.py", "-")
DRAIN = ("--drain", "1000")


def name_of(number: int) -> str:
    """Return the name of a signal as tests/programs/record.py prints it."""
    if number >= signal.SIGRTMIN:
        return f"RTMIN+{number - signal.SIGRTMIN}"
    return signal.Signals(number).name[3:]


@in_turn(
    ("options", "number"),
    [
        ((), signal.SIGTERM),
        ((), signal.SIGINT),
        ((), signal.SIGQUIT),
        (("--stop-signals", "USR1"), signal.SIGUSR1),
        (("--stop-signals", "TERM,SIGHUP,RTMIN+3"), signal.SIGHUP),
        (("--stop-signals", "TERM,SIGHUP,RTMIN+3"), signal.SIGRTMIN + 3),
        (("--stop-signals", "winch"), signal.SIGWINCH),
    ],
)
def test_one_of_them_begins_a_stop(options: tuple[str, ...], number: int, mode: str) -> None:
    """TERM, INT and QUIT unless others are named."""
    with Container(RECORD, mode=mode, options=[*DRAIN, *options]) as container:
        container.expect("ready")
        container.signal(number)
        # Of those that wait at once the lowest number is taken first (signal(7)).
        container.signal(signal.SIGRTMIN + 9)
        container.expect("RTMIN+9")
        container.signal(number)
        container.expect(name_of(number))


@pytest.mark.parametrize("name", ["TERM", "INT", "QUIT", "HUP"])
def test_any_other_is_relayed_at_once(name: str, mode: str) -> None:
    """TERM too, where it is not named."""
    with Container(RECORD, mode=mode, options=[*DRAIN, "--stop-signals", "USR1"]) as container:
        container.expect("ready")
        for _ in range(2):
            container.signal(signal.Signals[f"SIG{name}"])
            container.expect(name)
        container.signal(signal.SIGUSR1)
        container.signal(signal.Signals[f"SIG{name}"])
        container.expect(name)


@pytest.mark.parametrize("number", [signal.SIGUSR2, signal.SIGRTMIN + 3])
def test_the_second_one_hurries_in_the_teardown(number: int, mode: str) -> None:
    """The first does not, nor does any TERM where that is not one of them."""
    options = ("--stop-signals", "USR2,RTMIN+3")
    with leave("daemon", "ignore", mode=mode, options=options) as container:
        container.expect("ready")
        end_main(container)
        container.expect("TERM")
        leftover = pid_of_leftover(container)
        for each in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT, number):
            container.signal(each)
            assert_lives(container, leftover)
        container.signal(number)
        assert_over(container)


def test_the_one_that_ended_the_main_child_is_the_first(mode: str) -> None:
    """So the next, whichever of them it is, kills what is left."""
    options = ("--stop-signals", "USR2,RTMIN+3")
    with leave("daemon", "ignore", mode=mode, options=options) as container:
        container.expect("ready")
        container.signal(signal.SIGUSR2)
        container.expect("TERM")
        container.signal(signal.SIGRTMIN + 3)
        assert_over(container, 128 + signal.SIGUSR2)


def test_a_pause_ends_with_one_of_them(mode: str) -> None:
    """And with no other."""
    options = ["--pause", "-v", "--stop-signals", "USR1"]
    with Container([], mode=mode, options=options) as container:
        assert "init_started" in container.line(2)
        assert "pausing" in container.line(2)
        container.signal(signal.SIGTERM)
        container.signal(signal.SIGINT)
        container.signal(signal.SIGUSR1)
        assert container.wait() == 0
