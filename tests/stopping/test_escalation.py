"""--escalate and --stop-timeout: what a command is sent that lives on after its stop signal.

A time of 1000 s in a test says that nobody has waited for it.
"""

from __future__ import annotations

import os
import shlex
import signal
import time

import pytest

from tests.harness import Container, python, run

RECORD = python("record.py", "-")


def test_each_step_comes_at_its_time(mode: str) -> None:
    """In their order, from the relay on, until the command has ended."""
    options = ["--escalate", "INT@0.2,RTMIN+5@0.3,KILL@1"]
    with Container(RECORD, mode=mode, options=options) as container:
        container.expect("ready")
        started = time.monotonic()
        container.signal(signal.SIGTERM)
        for name, after_s in (("TERM", 0.0), ("INT", 0.2), ("RTMIN+5", 0.3)):
            container.expect(name)
            assert time.monotonic() - started >= after_s
        assert container.wait() == 128 + signal.SIGKILL
        assert time.monotonic() - started >= 1


def test_a_stop_timeout_is_kill(namespaces: None) -> None:
    """Not before its time."""
    with Container(RECORD, options=["--stop-timeout", "0.8"]) as container:
        container.expect("ready")
        started = time.monotonic()
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        assert container.wait() == 128 + signal.SIGKILL
        assert time.monotonic() - started >= 0.8


def test_a_command_that_ends_in_time_is_not_waited_for(namespaces: None) -> None:
    """The exit code is that of its own end."""
    options = ["--stop-timeout", "1000", "--escalate", "INT@999"]
    with Container(["sleep", "1000"], options=options) as container:
        container.main_child()
        container.signal(signal.SIGTERM)
        assert container.wait() == 128 + signal.SIGTERM
        assert container.errors() == ""


def test_only_a_stop_signal_starts_the_plan(namespaces: None) -> None:
    """A reload by HUP is no reason to send anything else."""
    with Container(RECORD, options=["--escalate", "USR1@0"]) as container:
        container.expect("ready")
        for name in ("HUP", "USR2"):
            container.signal(signal.Signals[f"SIG{name}"])
            container.expect(name)
        container.signal(signal.SIGTERM)
        assert {container.line(), container.line()} == {"TERM", "USR1"}


def test_a_plan_changes_nothing_for_a_command_that_is_not_stopped(mode: str) -> None:
    """It has no part in an end that nobody asked for."""
    options = ["--stop-timeout", "0"]
    assert run(["sh", "-c", "exit 3"], mode=mode, options=options) == (3, "", "")


def test_the_time_counts_from_the_relay(namespaces: None) -> None:
    """So it comes on top of the drain's."""
    options = ["--drain", "0.3", "--escalate", "INT@0.3"]
    with Container(RECORD, options=options) as container:
        container.expect("ready")
        started = time.monotonic()
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        container.expect("INT")
        assert time.monotonic() - started >= 0.6


def test_further_stop_signals_change_nothing_about_it(namespaces: None) -> None:
    """Each is relayed, and the plan goes on as it began."""
    with Container(RECORD, options=["--escalate", "USR1@1.5"]) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        container.signal(signal.SIGQUIT)
        container.expect("QUIT")
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        container.expect("USR1")


def test_other_signals_are_relayed_while_it_waits(namespaces: None) -> None:
    """As always."""
    with Container(RECORD, options=["--stop-timeout", "1000"]) as container:
        container.expect("ready")
        for name in ("TERM", "HUP", "TERM", "RTMIN"):
            container.signal(signal.Signals[f"SIG{name}"])
            container.expect("RTMIN+0" if name == "RTMIN" else name)


@pytest.mark.parametrize("options", [[], ["--group"]])
def test_a_step_goes_to_the_relays_target(namespaces: None, options: list[str]) -> None:
    """With --group to every member."""
    plan = ["--escalate", "USR1@0"]
    with Container(python("pair.py"), options=[*plan, *options]) as container:
        container.expect("ready")
        who = ["child", "member"] if options else ["child"]
        container.signal(signal.SIGTERM)
        got = sorted(container.line() for _ in range(2 * len(who)))
        assert got == [f"{each} {number}" for each in who for number in (10, 15)]
        container.signal(signal.SIGUSR2)
        assert sorted(container.line() for _ in who) == [f"{each} 12" for each in who]


def test_steps_at_the_same_time_are_all_taken(namespaces: None) -> None:
    """At once, too."""
    with Container(RECORD, options=["--escalate", "INT@0,HUP@0,USR1@0"]) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        assert {container.line() for _ in range(4)} == {"TERM", "INT", "HUP", "USR1"}


def test_it_is_over_with_the_main_childs_end(mode: str) -> None:
    """A leftover of its group, which takes part in the relay, gets TERM and not the rest of it."""
    leftover = shlex.join(python("record.py", "-", "TERM", "HUP"))
    command = ["sh", "-c", f"{leftover} & exec sleep 1000"]
    options = ["--group", "--escalate", "HUP@0.2,KILL@1000", "--grace", "0.5"]
    with Container(command, mode=mode, options=options) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        assert set(container.rest().split()) == {"TERM"}
        assert container.wait() == 128 + signal.SIGTERM


@pytest.mark.parametrize(("to", "relayed"), [("QUIT", ["QUIT"]), ("ignore", [])])
def test_a_mapped_stop_signal_starts_it_too(to: str, relayed: list[str], namespaces: None) -> None:
    """What the command is sent for it is another matter; the plan's own signals are not mapped."""
    options = ["--rewrite", f"TERM:{to}", "--escalate", "TERM@0.1"]
    with Container(RECORD, options=options) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        for name in (*relayed, "TERM"):
            container.expect(name)


def test_each_step_is_a_warning(namespaces: None) -> None:
    """Somebody set a time that was not enough, or the command is ill; and -q is obeyed."""
    for quiet in (False, True):
        options = ["--escalate", "INT@0,KILL@0.1", *(["-q"] if quiet else [])]
        with Container(RECORD, options=options) as container:
            container.expect("ready")
            container.signal(signal.SIGTERM)
            errors = container.errors().replace("'", "")
            assert container.wait() == 128 + signal.SIGKILL
            lines = [line for line in errors.splitlines() if "stop_escalated" in line]
            assert [("SIGINT" in line, "SIGKILL" in line) for line in lines] == (
                [] if quiet else [(True, False), (False, True)]
            )


def test_a_second_plan_adds_up(namespaces: None) -> None:
    """By time, whichever option it came from."""
    options = ["--stop-timeout", "1.2", "--escalate", "INT@0.1", "--escalate", "HUP@0.4"]
    with Container(RECORD, options=options) as container:
        container.expect("ready")
        os.kill(container.pid, signal.SIGTERM)
        for name in ("TERM", "INT", "HUP"):
            container.expect(name)
        assert container.wait() == 128 + signal.SIGKILL
