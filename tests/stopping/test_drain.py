"""--drain holds the first stop signal back, so that a load balancer can let go first.

A drain of 1000 s in a test says that something else has ended it: the test would
have failed by its own deadline.
"""

from __future__ import annotations

import signal
import subprocess
import time

import pytest

from tests.harness import Container, python, run
from tests.robust.test_failures import without
from tests.stopping.test_teardown import assert_over, end_main

NEVER = ("--drain", "1000")
RECORD = python("record.py", "-")
RT = signal.SIGRTMIN


def test_a_stop_signal_is_held_back_and_others_are_relayed(namespaces: None) -> None:
    """What comes after TERM arrives, and TERM does not; the next stop signal ends the drain."""
    with Container(RECORD, options=NEVER) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        for name in ("USR1", "HUP", "WINCH"):
            container.signal(signal.Signals[f"SIG{name}"])
            container.expect(name)
        container.signal(signal.SIGINT)
        # Of two that wait, the receiver takes the lower number first; see signal(7).
        assert {container.line(), container.line()} == {"TERM", "INT"}
        container.signal(signal.SIGUSR1)
        container.expect("USR1")


def test_it_is_relayed_when_the_time_is_over(mode: str) -> None:
    """Not before."""
    with Container(RECORD, mode=mode, options=["--drain", "0.3"]) as container:
        container.expect("ready")
        started = time.monotonic()
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        assert time.monotonic() - started >= 0.3


def test_after_the_drain_every_stop_signal_is_relayed_at_once(namespaces: None) -> None:
    """There is one drain; also a signal of the same number is not held back or left out again."""
    with Container(RECORD, options=["--drain", "0.1"]) as container:
        container.expect("ready")
        for name in ("TERM", "TERM", "TERM", "INT", "INT"):
            container.signal(signal.Signals[f"SIG{name}"])
            container.expect(name)


def test_two_of_a_number_are_relayed_as_one(namespaces: None) -> None:
    """As they would have been coalesced; seen with a real-time signal, which never is."""
    options = [*NEVER, "--stop-signals", "RTMIN+3"]
    with Container(RECORD, options=options) as container:
        container.expect("ready")
        container.signal(RT + 3)
        container.signal(RT + 3)
        container.expect("RTMIN+3")
        container.signal(RT + 4)
        container.expect("RTMIN+4")
        container.signal(RT + 3)
        container.expect("RTMIN+3")


def test_real_time_signals_in_the_drain_arrive_as_often_as_sent(namespaces: None) -> None:
    """Ten of each, while TERM is held back."""
    with Container(RECORD, options=NEVER) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        numbers = range(RT, signal.SIGRTMAX + 1)
        for number in numbers:
            for _ in range(10):
                container.signal(number)
        seen = [container.line() for _ in range(10 * len(numbers))]
        assert sorted(seen) == sorted(
            f"RTMIN+{number - RT}" for number in numbers for _ in seen[:10]
        )
        container.signal(signal.SIGTERM)
        container.expect("TERM")


def test_a_storm_without_end_does_not_prolong_it(mode: str) -> None:
    """There is always a signal to be relayed, and the deadline comes all the same."""
    with Container(["sleep", "1000"], mode=mode, options=["--drain", "0.3"]) as container:
        container.main_child()
        words = (str(container.pid), "1000000000", str(int(signal.SIGWINCH)))
        command = python("storm.py", *words)
        senders = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(3)]
        try:
            container.signal(signal.SIGTERM)
            assert container.wait() == 128 + signal.SIGTERM
        finally:
            for sender in senders:
                sender.kill()
                sender.wait()


def test_the_main_childs_end_ends_it(namespaces: None) -> None:
    """Nobody is left whom the drain could spare."""
    with Container(["sleep", "1000"], options=NEVER) as container:
        container.main_child()
        container.signal(signal.SIGTERM)
        container.signal(signal.SIGUSR1)
        assert container.wait() == 128 + signal.SIGUSR1


def test_a_command_that_ends_without_a_stop_knows_no_drain(mode: str) -> None:
    """Nor does a drain begin with its end."""
    assert run(["sh", "-c", "exit 3"], mode=mode, options=NEVER) == (3, "", "")


@pytest.mark.parametrize("options", [[], ["--group"]])
def test_the_held_signal_goes_to_the_relays_target(namespaces: None, options: list[str]) -> None:
    """With --group to every member, as all signals."""
    with Container(python("pair.py"), options=[*NEVER, *options]) as container:
        container.expect("ready")
        who = ["child", "member"] if options else ["child"]
        container.signal(signal.SIGTERM)
        container.signal(signal.SIGUSR1)
        assert sorted(container.line() for _ in who) == [f"{each} 10" for each in who]
        container.signal(signal.SIGINT)
        got = sorted(container.line() for _ in range(2 * len(who)))
        assert got == [f"{each} {number}" for each in who for number in (15, 2)]


def test_the_stop_signal_that_was_held_back_is_the_first(namespaces: None) -> None:
    """So one more in the teardown cuts the grace short, although the first was never relayed."""
    with Container(
        python("leave.py", "daemon", "ignore"),
        options=[*NEVER, "--grace", "1000"],
        stdin=subprocess.PIPE,
    ) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        container.signal(signal.SIGWINCH)
        end_main(container)
        container.expect("TERM")
        container.signal(signal.SIGTERM)
        assert_over(container)


def test_what_is_relayed_in_the_end_is_rewritten(namespaces: None) -> None:
    """A mapped TERM is a stop signal still, and is mapped when it is relayed."""
    options = ["--drain", "0.1", "--rewrite", "TERM:QUIT"]
    with Container(RECORD, options=options) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        container.expect("QUIT")


@pytest.mark.parametrize("drain", ["0.3", "1000"])
def test_a_pause_is_drained_too(namespaces: None, drain: str) -> None:
    """It ends with the drain, or with a second stop signal."""
    with Container([], options=["--pause", "-v", "--drain", drain]) as container:
        assert "init_started" in container.line(2)
        assert "pausing" in container.line(2)
        started = time.monotonic()
        container.signal(signal.SIGTERM)
        if drain == "1000":
            container.signal(signal.SIGINT)
        assert container.wait() == 0
        assert drain == "1000" or time.monotonic() - started >= 0.3


def test_the_log_says_that_it_has_begun(namespaces: None) -> None:
    """With -v: somebody may wonder why nothing happens."""
    with Container(RECORD, options=[*NEVER, "-v"]) as container:
        container.expect("ready")
        assert "init_started" in container.line(2)
        assert "child_started" in container.line(2)
        container.signal(signal.SIGTERM)
        assert "signal_received" in container.line(2)
        assert "drain_started" in container.line(2)


def test_without_what_it_takes_a_stop_is_a_relay(namespaces: None) -> None:
    """A disk that fails when the command runs already: the signal comes early, but it comes."""
    init = without("pyinit.stopping.stop")
    with Container(["sleep", "1000"], init=init, options=NEVER) as container:
        container.main_child()
        container.signal(signal.SIGTERM)
        assert container.wait() == 128 + signal.SIGTERM
