"""A bad end explains itself by default, in one line; any other end is as quiet as the run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.cases import in_turn
from tests.harness import PID1, SUBREAPER, Container, children, logged, python, run, until
from tests.log import schema
from tests.log.reports import timeless
from tests.start.test_parent_death import Family
from tests.stopping.test_wait_all import main_ends
from tests.terminals import find, until_settled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SOMEBODY = "a process inside or outside of the namespace did, or the kernel"


def explained(text: str) -> dict[str, Any]:
    """Return the one event of a log, which explains the end; its sentences without times."""
    found = logged(text)
    schema.check(found)
    assert [(each["level"], each["event"]) for each in found] == [("warning", "exiting")]
    found[0]["cause"] = timeless(found[0]["cause"])
    found[0]["summary"] = timeless(found[0]["summary"])
    return found[0]


@in_turn(
    ("script", "code", "cause"),
    [
        (
            "kill -KILL $$",
            137,
            f"killed by SIGKILL, which pyinit did not send: {SOMEBODY}",
        ),
        ("kill -SEGV $$", 139, "crashed by SIGSEGV"),
        (
            "kill -USR1 $PPID; exec sleep 1000",
            138,
            "ended by SIGUSR1, which pyinit relayed from the command itself",
        ),
    ],
)
def test_a_signal_that_is_no_stop(mode: str, script: str, code: int, cause: str) -> None:
    """The command's own, a fault, or one that was relayed to it."""
    ended, _, err = run(["sh", "-c", f"ulimit -c 0; {script}"], mode=mode)
    told = explained(err)
    assert (ended, told["exit_code"], told["cause"]) == (code, code, cause)
    assert told["summary"] == f"sh -c ulimit -c 0; {script}: {cause}; ran T"


def test_a_time_out_of_the_plan(mode: str) -> None:
    """Who stopped it, what came of that, and after which time."""
    script = "trap '' TERM; echo ready; while :; do sleep 1; done"
    options = ["--stop-timeout", "0.1", "--grace", "0"]
    with Container(["sh", "-c", script], mode=mode, options=options) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        escalated, line = container.errors().splitlines()
        assert container.wait() == 137
    assert '"stop_escalated"' in escalated
    cause = explained(line)["cause"]
    assert cause.startswith("killed by pyinit with SIGKILL, T after the stop by SIGTERM from ")


def quiet_and_verbose(
    mode: str, options: Sequence[str], act: Callable[[Family], object]
) -> list[str]:
    """Return the causes of a bad end, which ``act`` brings about, in a quiet run and with -v."""
    causes = []
    for verbose in ([], ["-v"]):
        with Family(mode, [*verbose, *options], python("record.py", "-")) as container:
            container.expect("ready")
            act(container)
            container.wait()
            causes.append(timeless(json.loads(container.errors().splitlines()[-1])["cause"]))
    return causes


def stop(container: Family) -> None:
    """Send pyinit TERM from outside of the namespace."""
    os.kill(container.pyinit, signal.SIGTERM)


def test_the_drain_before_a_time_out_of_the_plan(mode: str) -> None:
    """The time of a stop is mostly that of the drain."""
    options = ["--drain", "0.05", "--stop-timeout", "0.05"]
    quiet, verbose = quiet_and_verbose(mode, options, stop)
    assert quiet == verbose
    assert quiet.startswith("killed by pyinit with SIGKILL, T after the stop by SIGTERM from ")
    assert quiet.endswith(", of which T drain")


def test_an_end_during_the_drain(mode: str) -> None:
    """The stop signal has not come to the command then."""

    def act(container: Family) -> None:
        stop(container)
        until_settled(container.pyinit)
        os.kill(children(container.pyinit)[0], signal.SIGKILL)

    quiet, verbose = quiet_and_verbose(mode, ["--drain", "1000"], act)
    assert quiet == verbose
    assert quiet.endswith(" from outside the namespace, during its drain")


def test_the_end_of_the_parent(mode: str) -> None:
    """-p: it is the reason for the stop, as far as pyinit can see its parent."""
    options = ["-p", "TERM", "--stop-timeout", "0.05"]
    quiet, verbose = quiet_and_verbose(mode, options, Family.end_parent)
    assert quiet == verbose
    assert quiet.endswith(" at the end of pyinit's parent")


def test_a_grace_that_was_cut_short(mode: str) -> None:
    """By whom, and how long it lasted: the whole grace says nothing of that."""
    with Container(
        ["sh", "-c", "trap '' TERM; sleep 1000 & echo ready; exit 3"],
        mode=mode,
        options=["--grace", "1000"],
    ) as container:
        container.expect("ready")
        left = find(container, "sleep")
        until(lambda: children(container.pid) == [left], "the command has ended", container.pid)
        container.signal(signal.SIGTERM)
        until_settled(container.pid)
        container.signal(signal.SIGTERM)
        told = explained(container.errors())
        assert container.wait() == 3
    words = " killed after T of the grace of T, which a second stop signal cut short"
    assert told["summary"].endswith(words)


def test_leftovers_that_had_to_be_killed(mode: str) -> None:
    """Their names, though the run was a quiet one."""
    script = "trap '' TERM; sleep 1000 & exit 3"
    code, _, err = run(["sh", "-c", script], mode=mode, options=["--grace", "0.1"])
    told = explained(err)
    assert (code, told["cause"]) == (3, "exited with 3")
    assert told["summary"].endswith(" killed after the grace of T")
    assert "sleep[" in told["summary"]


@pytest.mark.parametrize("killed_by", ["the grace", "a second stop"])
def test_a_stop_that_ended_the_wait_for_the_rest(mode: str, killed_by: str) -> None:
    """--wait-all: the command had ended before that stop came, and -v says the same of it."""
    causes = []
    for options in ([], ["-v"]):
        grace = "0.1" if killed_by == "the grace" else "1000"
        words = [*options, "--wait-all", "--grace", grace]
        command = python("daemon.py", "-")
        with Container(command, mode=mode, options=words, stdin=subprocess.PIPE) as container:
            container.expect("ready")
            main_ends(container)
            container.signal(signal.SIGTERM)
            container.expect("TERM")
            if killed_by == "a second stop":
                container.signal(signal.SIGTERM)
            lines = container.errors().splitlines()
            assert container.wait() == 3
        causes.append(json.loads(lines[-1])["cause"])
    assert causes[0] == causes[1]
    assert causes[0] == (
        "exited with 3; the wait for its processes was ended by SIGTERM from outside the namespace"
    )


@pytest.mark.parametrize("plan", [(), ("--stop-timeout", "0.05")])
def test_a_stop_that_is_dropped_does_not_end_the_wait(mode: str, plan: tuple[str, ...]) -> None:
    """--wait-all and --rewrite TERM:ignore: the last process does, or a step of the plan."""
    script = "ulimit -c 0; exec 3<&0; setsid cat <&3 & kill -SEGV $$"
    causes = []
    for verbose in ([], ["-v"]):
        options = [*verbose, "--wait-all", "--rewrite", "TERM:ignore", *plan]
        with Container(
            ["sh", "-c", script], mode=mode, options=options, stdin=subprocess.PIPE
        ) as container:
            main_ends(container)
            until_settled(container.pid)
            container.signal(signal.SIGTERM)
            until_settled(container.pid)
            if not plan:
                container.close_stdin()
            lines = container.errors().splitlines()
            assert container.wait() == 139
        causes.append(timeless(json.loads(lines[-1])["cause"]))
    assert causes[0] == causes[1]
    by = "SIGTERM from outside the namespace"
    if plan:
        assert causes[0] == f"crashed by SIGSEGV; the wait for its processes was ended by {by}"
    else:
        how = "crashed by SIGSEGV, and its last process T later"
        assert causes[0] == f"{how}; {by} was not relayed"


def test_the_last_process_of_a_command_that_has_ended_badly(mode: str) -> None:
    """--wait-all: the time from the command's end to that of whoever was waited for."""
    script = "ulimit -c 0; exec 3<&0; setsid cat <&3 & kill -SEGV $$"
    command = ["sh", "-c", script]
    options = ["--wait-all"]
    with Container(command, mode=mode, options=options, stdin=subprocess.PIPE) as container:
        main_ends(container)
        until_settled(container.pid)
        container.close_stdin()
        told = explained(container.errors())
        assert container.wait() == 139
    assert told["cause"] == "crashed by SIGSEGV, and its last process T later"


def test_a_stop_from_inside(namespaces: None) -> None:
    """Its sender is named, though it has ended long before PID 1 does."""
    script = "trap 'exit 0' TERM; sh -c 'kill -TERM 1'; while :; do sleep 1; done"
    code, _, err = run(["sh", "-c", script], mode=PID1)
    told = explained(err)
    assert code == 0
    assert told["cause"].startswith("exited with 0, T after the stop by SIGTERM from ")
    assert told["cause"].endswith(" of user 0") or os.geteuid()


@pytest.mark.parametrize("code", [0, 1, 125, 137, 143])
def test_an_exit_of_its_own(mode: str, code: int) -> None:
    """With whatever code."""
    assert run(["sh", "-c", f"exit {code}"], mode=mode) == (code, "", "")


def test_a_stop_that_went_as_planned(mode: str) -> None:
    """From outside, with leftovers that heed TERM: the command has no handler of its own."""
    script = "sleep 1000 & echo ready; exec sleep 1000"
    with Container(["sh", "-c", script], mode=mode) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        assert container.errors() == ""
        assert container.wait() == 143


def test_who_asks_for_a_kill_knows(mode: str) -> None:
    """--grace 0 is no grace that was not enough."""
    script = "sleep 1000 & exit 3"
    assert run(["sh", "-c", script], mode=mode, options=["--grace", "0"]) == (3, "", "")


def test_quiet_is_quiet(mode: str) -> None:
    """-q."""
    assert run(["sh", "-c", "kill -KILL $$"], mode=mode, options=["-q"]) == (137, "", "")


@pytest.mark.parametrize("name", ["tini", "dumb-init", "catatonit"])
def test_nothing_is_added_to_what_another_init_says(namespaces: None, name: str) -> None:
    """Under its name."""
    assert run(["sh", "-c", "kill -KILL $$"], mode=PID1, options=["--as", name]) == (137, "", "")


@pytest.mark.parametrize("options", [("-v",), ("--report", "fd:1")])
def test_a_log_has_it_once(mode: str, options: tuple[str, ...]) -> None:
    """With -v and with a report it is the event that tells of the end anyway."""
    _, _, err = run(["sh", "-c", "kill -KILL $$"], mode=mode, options=options)
    found = logged(err)
    schema.check(found)
    ends = [(each["level"], each["exit_code"]) for each in found if each["event"] == "exiting"]
    assert ends == [("warning", 137)]


def test_a_subreaper_does_not_take_a_neighbour_for_somebody_inside(namespaces: None) -> None:
    """A shell that stops it is outside, though it has a number here."""
    with Container(["sh", "-c", "echo ready; exec sleep 1000"], mode=SUBREAPER) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        assert container.errors() == ""
