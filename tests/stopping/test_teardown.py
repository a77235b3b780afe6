"""When the main child has ended, whoever is left is asked to end, waited for, and then killed.

A grace of 1000 s in a test says that the end did not wait for it: the test
would have failed by its own deadline.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys

import pytest

from tests.harness import SUBREAPER, Container, logged, python, status_field, until

NEVER_S = "1000"
KINDS = ("plain", "group", "session", "daemon", "threads", "nested")


def leave(*words: str, grace: str = NEVER_S, mode: str, options: tuple[str, ...] = ()) -> Container:
    """Return a container whose main child ends when its stdin does; see leave.py."""
    return Container(
        python("leave.py", *words),
        options=["--grace", grace, *options],
        mode=mode,
        stdin=subprocess.PIPE,
    )


def end_main(container: Container) -> None:
    """Let the main child end."""
    container.close_stdin()


def assert_over(container: Container, code: int = 7) -> None:
    """Assert that pyinit ends with ``code``, and that nothing that it started survives it."""
    assert container.wait() == code
    if container.mode == SUBREAPER:
        assert container.survivors == []


@pytest.mark.parametrize("kind", KINDS)
def test_each_leftover_gets_term_and_its_end_is_the_end(kind: str, mode: str) -> None:
    """Sessions of their own and daemons too; the exit code stays the main child's.

    In a nested namespace it is that one's init, which TERM reaches because it waits for it; and
    after half of the grace, for unshare(1), its parent, blocks TERM.
    """
    grace = "1" if kind == "nested" else NEVER_S
    with leave(kind, "end", grace=grace, mode=mode) as container:
        container.expect("ready")
        end_main(container)
        container.expect("TERM")
        assert_over(container)


def test_a_stopped_leftover_acts_on_term(mode: str) -> None:
    """It can only once it has been continued, which is why CONT follows TERM."""
    with leave("stopped", "end", mode=mode) as container:
        container.expect("stopped")
        end_main(container)
        container.expect("ready")
        container.expect("TERM")
        assert_over(container)


@pytest.mark.parametrize("kind", ["plain", "daemon"])
def test_a_leftover_has_the_time_it_needs(kind: str, mode: str) -> None:
    """One that works for 300 ms on TERM comes to its end."""
    with leave(kind, "slow", mode=mode) as container:
        container.expect("ready")
        end_main(container)
        container.expect("TERM")
        container.expect("done")
        assert_over(container)


@pytest.mark.parametrize(
    ("kind", "manner"), list(zip(KINDS, itertools.cycle(["ignore", "deaf"]), strict=False))
)
def test_one_that_does_not_end_on_term_is_killed_after_the_grace(
    kind: str, manner: str, mode: str
) -> None:
    """Asked first all the same; the exit code stays the main child's."""
    with leave(kind, manner, grace="0.1", mode=mode) as container:
        container.expect("ready")
        end_main(container)
        if manner == "ignore":
            container.expect("TERM")
        assert_over(container)
        assert container.rest() == ""


@pytest.mark.parametrize("grace", ["0", "0.1"])
def test_the_exit_code_of_a_killed_main_child_outlives_the_teardown(grace: str, mode: str) -> None:
    """128+n also where leftovers had to be killed afterwards."""
    with leave("daemon", "ignore", "1", "killed", grace=grace, mode=mode) as container:
        container.expect("ready")
        end_main(container)
        assert_over(container, 128 + signal.SIGKILL)


@pytest.mark.parametrize("kind", KINDS)
def test_without_grace_leftovers_are_killed_at_once(kind: str, mode: str) -> None:
    """A leftover that would say so never sees TERM."""
    with leave(kind, "end", grace="0", mode=mode) as container:
        container.expect("ready")
        end_main(container)
        assert_over(container)
        assert container.rest() == ""


def pid_of_leftover(container: Container) -> int:
    """Return the only process that is left."""
    until(lambda: len(container.descendants()) == 1, "the main child has ended", container.pid)
    return container.descendants()[0]


def is_settled(container: Container) -> bool:
    """Return whether pyinit has taken all signals and waits for the next."""
    pending = int(status_field(container.pid, "ShdPnd"), 16)
    return not pending and status_field(container.pid, "State").startswith("S")


def assert_lives(container: Container, pid: int) -> None:
    """Assert that leftover ``pid`` lives, when pyinit has dealt with all signals it was sent."""
    until(lambda: is_settled(container), "pyinit waits again", container.pid)
    os.kill(pid, signal.SIGUSR1)
    container.expect("USR1")


def test_a_second_stop_signal_hurries(mode: str) -> None:
    """The first one after the main child's own end does not: it may be meant for the main child."""
    with leave("daemon", "ignore", mode=mode) as container:
        container.expect("ready")
        end_main(container)
        container.expect("TERM")
        leftover = pid_of_leftover(container)
        container.signal(signal.SIGTERM)
        assert_lives(container, leftover)
        container.signal(signal.SIGINT)
        assert_over(container)


def test_the_stop_signal_that_ended_the_main_child_is_the_first(mode: str) -> None:
    """So the next one hurries; other signals never do."""
    with leave("daemon", "ignore", mode=mode) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        leftover = pid_of_leftover(container)
        container.signal(signal.SIGHUP)
        container.signal(signal.SIGUSR2)
        assert_lives(container, leftover)
        container.signal(signal.SIGTERM)
        assert_over(container, 128 + signal.SIGTERM)


@pytest.mark.parametrize("manner", ["end", "ignore"])
def test_a_line_of_fifty_descendants(manner: str, mode: str) -> None:
    """Each is the parent of the next one, and each is asked, and killed if need be."""
    with leave(
        "deep", manner, "50", grace=NEVER_S if manner == "end" else "0.2", mode=mode
    ) as container:
        for _ in range(50):
            container.expect("ready")
        end_main(container)
        for _ in range(50):
            container.expect("TERM")
        assert_over(container)


@pytest.mark.parametrize("number", [150, pytest.param(500, marks=pytest.mark.long)])
def test_hundreds_of_leftovers(mode: str, number: int) -> None:
    """All are asked, once each, and all are waited for."""
    with leave("daemon", "end", str(number), mode=mode) as container:
        for _ in range(number):
            container.expect("ready")
        end_main(container)
        assert container.rest() == "TERM\n" * number
        assert_over(container)


def test_the_last_of_several_is_the_end(mode: str) -> None:
    """Nobody is killed because others have ended."""
    with leave("plain", "slow", "5", mode=mode) as container:
        for _ in range(5):
            container.expect("ready")
        end_main(container)
        assert sorted(container.rest().split()) == ["TERM"] * 5 + ["done"] * 5
        assert_over(container)


FORK_LOOP = "trap '' TERM; echo ready; while :; do sleep 0.01 & done"
CHAIN = """
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.write(1, b"ready\\n")
while True:
    if os.fork():
        os._exit(0)
"""


@pytest.mark.parametrize("grace", ["0", "0.2"])
def test_a_leftover_that_keeps_forking(grace: str, mode: str) -> None:
    """Deaf to TERM, it and all that it has started by then are killed."""
    script = f'sh -c "{FORK_LOOP}" & read -r _; exit 7'
    with Container(
        ["sh", "-c", script], options=["--grace", grace], mode=mode, stdin=subprocess.PIPE
    ) as container:
        container.expect("ready")
        end_main(container)
        assert_over(container)


@pytest.mark.parametrize("grace", ["0", "0.2"])
def test_a_chain_of_processes_that_fork_and_end(grace: str, mode: str) -> None:
    """Each lives for less than a millisecond, so that no look at /proc finds it alive.

    As PID 1, kill(-1) is atomic against fork; a subreaper has to be quick.
    """
    script = 'exec 3<&0; "$@" </dev/null & read -r _ <&3; exit 7'
    with Container(
        ["sh", "-c", script, "sh", sys.executable, "-IS", "-c", CHAIN],
        options=["--grace", grace],
        mode=mode,
        stdin=subprocess.PIPE,
    ) as container:
        container.expect("ready")
        end_main(container)
        assert_over(container)


@pytest.mark.parametrize(
    "options", [(), ("--leftovers", "all"), ("--grace", "0")], ids=["in order", "all", "killed"]
)
def test_a_zombie_is_no_leftover(options: tuple[str, ...], mode: str) -> None:
    """Who has ended is neither counted nor named, also where it is among the first twenty."""
    command = python("zombies.py", "60")
    words = ["-v", *options]
    with Container(command, options=words, mode=mode, stdin=subprocess.PIPE) as container:
        container.expect("ready")
        end_main(container)
        assert_over(container)
        events = {event["event"]: event for event in logged(container.errors())}
    started, finished = events["teardown_started"], events["teardown_finished"]
    assert (started["count"], finished["count"]) == (2, 2)
    assert finished["killed"] == (2 if "--grace" in options else 0)
    first, last = (int(name.partition("[")[2].rstrip("]")) for name in started["leftovers"])
    assert last - first > 60


def test_the_log_names_leftovers(mode: str) -> None:
    """-v says who is left and who is killed, by name and PID."""
    with leave("session", "ignore", grace="0.1", mode=mode, options=("-v",)) as container:
        container.expect("ready")
        end_main(container)
        events = {event["event"]: event for event in logged(container.errors())}
        (label,) = events["teardown_started"]["leftovers"]
        killed = events["leftover_killed"]
        assert label == f"{killed['name']}[{killed['pid']}]"
        assert label.startswith("python")
        finished = events["teardown_finished"]
        assert (finished["count"], finished["killed"]) == (1, 1)
        assert finished["took_s"] >= 0.1
        assert_over(container)
