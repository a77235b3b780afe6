"""--pause: no command; reap until a stop signal comes, end whoever is there, and exit with 0."""

from __future__ import annotations

import contextlib
import itertools
import os
import shlex
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pyinit import signals
from tests import harness
from tests.cases import in_turn
from tests.harness import PID1, SUBREAPER, Container, children, python, status_field, until
from tests.stopping.test_teardown_entered import ENTER_USER, entered
from tests.terminals import INTERRUPT, QUIT, session, until_settled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

NEVER_S = "1000"
# A log costs more time than all the rest: only where it is looked at.
SAYS = {"-v", "-Pv", "-gPv", "-Pvv"}


def said(container: Container, event: str) -> list[str]:
    """Return the lines of the log up to that of ``event``."""
    lines = [""]
    while event not in lines[-1]:
        lines.append(container.line(2))
        assert lines[-1], lines
    return lines


@contextlib.contextmanager
def pausing(
    mode: str,
    *options: str,
    beside: Sequence[str] = (),
    before: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
) -> Iterator[Container]:
    """Run a pause; ``beside`` is a child that it has from the start, and that says `ready`."""
    if beside:
        before = ["sh", "-c", f'{shlex.join(beside)} & exec "$@"', "sh"]
    words = ["--pause", "--grace", NEVER_S, *options]
    with Container((), options=words, mode=mode, before=before, env=env) as container:
        if beside:
            container.expect("ready")
        if SAYS & set(options):
            said(container, "pausing")
        else:
            until(lambda: takes_term(container), "no signal is lost any more", container.pid)
        yield container


def takes_term(container: Container) -> bool:
    """Return whether TERM waits for pyinit if it comes now, or is taken."""
    # Whoever starts it by posix_spawn(3) blocks all signals too, until execve(2).
    if Path(f"/proc/{container.pid}/comm").read_text() != "pyinit\n":
        return False
    blocked, caught = (int(status_field(container.pid, name), 16) for name in ("SigBlk", "SigCgt"))
    # A set with 33 in it is the C library's, for a moment while the interpreter starts.
    return bool((blocked | caught) >> signal.SIGTERM - 1 & 1) and not blocked >> 33 - 1 & 1


def assert_over(container: Container) -> None:
    """Assert that the end is 0, and that nobody survives it."""
    assert container.wait() == 0
    if container.mode == SUBREAPER:
        assert container.survivors == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_term_and_int_end_it_with_0(mode: str, number: int) -> None:
    """At once, when nobody is there."""
    with pausing(mode, "-v") as container:
        container.signal(number)
        assert "signal_received" in container.line(2)
        assert '"level": "info", "event": "exiting"' in container.line(2)
        assert_over(container)


@pytest.mark.parametrize("option", ["-Pv", "-gPv", "-Pvv"])
def test_every_other_signal_is_taken_and_dropped(mode: str, option: str) -> None:
    """QUIT too; nobody is there to whom any of them could be relayed, least of all a group."""
    others = signals.RELAYED - {signal.SIGTERM, signal.SIGINT}
    with pausing(mode, option) as container:
        for number in (*others, signal.SIGCHLD):
            container.signal(number)
            until_settled(container.pid)  # a pending CONT is discarded by TSTP (signal(7))
        for number in (*signals.SYNCHRONOUS, signal.SIGTERM):  # the former are never taken
            container.signal(number)
        lines = said(container, "exiting")
        ignored = [line for line in lines if "signal_ignored" in line]
        assert len(ignored) == (len(others) if option == "-Pvv" else 0)
        assert_over(container)


def test_the_stop_signals_can_be_others(mode: str) -> None:
    """Then TERM is dropped."""
    with pausing(mode, "--stop-signals", "QUIT,RTMIN+3") as container:
        for number in (signal.SIGTERM, signal.SIGINT):
            container.signal(number)
        until_settled(container.pid)
        container.signal(signal.SIGRTMIN + 3)
        assert_over(container)


def test_the_key_that_interrupts_ends_it(mode: str) -> None:
    """As with any program on a terminal; that for QUIT does not."""
    with session((), mode=mode, options=["-P", "-v"]) as (terminal, container):
        terminal.expect("pausing")
        terminal.type(QUIT)
        terminal.type(INTERRUPT)
        terminal.expect("exiting")
        assert_over(container)


def test_the_variable(mode: str) -> None:
    """PYINIT_PAUSE=1."""
    env = {**os.environ, "PYINIT_PAUSE": "1", "PYINIT_VERBOSE": "1"}
    with Container((), mode=mode, env=env) as container:
        said(container, "pausing")
        container.signal(signal.SIGTERM)
        assert_over(container)


@pytest.mark.parametrize("variable", [False, True])
def test_a_command_is_an_error(mode: str, *, variable: bool) -> None:
    """Nothing of it is started."""
    env = {**os.environ, "PYINIT_PAUSE": "1"} if variable else None
    options = () if variable else ("-P",)
    result = harness.run(["echo", "x"], options=options, mode=mode, env=env)
    assert result == (
        125,
        "",
        "pyinit: --pause (or PYINIT_PAUSE) runs no command: 'echo' is too much\n",
    )


# -- Reaping.


@in_turn(
    ("words", "first"),
    itertools.product(["child", "child,silent,usr1"], ["", "zombie,", "blocked,", "ignored,"]),
)
def test_whoever_ends_is_reaped(mode: str, first: str, words: str) -> None:
    """Also with SIGCHLD ignored on entry: the kernel would reap then, unseen by -w (wait(2))."""
    before = python("before.py", first + words)
    living = len(words.split(","))
    with pausing(mode, "-v", "-w", before=before) as container:
        until(lambda: len(children(container.pid)) == living, "no zombie is left")
        for pid in children(container.pid):
            os.kill(pid, signal.SIGKILL)
            said(container, '"signal": "SIGKILL"')
        until(lambda: children(container.pid) == [], "all are reaped", container.pid)
        container.signal(signal.SIGTERM)
        assert_over(container)


@pytest.mark.parametrize("words", ["", "-w"])
def test_orphans_of_one_that_entered_are_reaped(words: str, namespaces: None) -> None:
    """100 at once, by PID 1, whose children they become."""
    with (
        pausing(PID1, *words.split()) as container,
        entered(container, python("orphans.py", "100")) as process,
    ):
        assert process.stdout is not None
        assert process.stdout.readline() == b"ended\n"
        until(lambda: children(container.pid) == [], "all are reaped", container.pid)
        container.signal(signal.SIGTERM)
        assert process.wait() == 7
        assert_over(container)


def test_it_sleeps_all_the_time(mode: str) -> None:
    """Not one wake-up while nobody ends and no signal comes."""
    with pausing(mode, beside=["sh", "-c", "echo ready; exec sleep 1000"]) as container:
        until_settled(container.pid)
        switches = [f"{kind}voluntary_ctxt_switches" for kind in ("", "non")]
        before = [status_field(container.pid, field) for field in switches]
        time.sleep(1.1)  # longer than the second after which others look around
        assert [status_field(container.pid, field) for field in switches] == before
        container.signal(signal.SIGTERM)
        assert_over(container)


# -- The end.


@pytest.mark.parametrize("manner", ["end", "slow"])
def test_whoever_is_there_is_asked_to_end_and_waited_for(mode: str, manner: str) -> None:
    """Its end is the end of the grace."""
    with pausing(mode, beside=python("leave.py", "-", manner)) as container:
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        if manner == "slow":
            container.expect("done")
        assert_over(container)


def test_one_that_entered_is_asked_and_waited_for(namespaces: None) -> None:
    """Its end sends PID 1 no SIGCHLD."""
    with (
        pausing(PID1) as container,
        entered(container, python("leave.py", "-", "slow")) as process,
    ):
        container.signal(signal.SIGINT)
        assert process.stdout is not None
        assert process.stdout.read() == b"TERM\ndone\n"
        assert_over(container)


def test_a_second_stop_signal_cuts_the_grace_short(mode: str) -> None:
    """With KILL; it may be another one, but none of those that are dropped."""
    with pausing(mode, beside=python("leave.py", "-", "ignore")) as container:
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        container.signal(signal.SIGQUIT)
        until_settled(container.pid)
        container.signal(signal.SIGINT)
        assert_over(container)


@pytest.mark.parametrize("grace", ["0", "0.1"])
def test_after_the_grace_they_are_killed(mode: str, grace: str) -> None:
    """At once with 0."""
    command = python("leave.py", "-", "ignore")
    with pausing(mode, "--grace", grace, beside=command) as container:
        container.signal(signal.SIGTERM)
        assert_over(container)
        assert container.rest() == ("" if grace == "0" else "TERM\n")


def test_a_drain_comes_before_the_end(mode: str) -> None:
    """The second stop signal cuts it short, and the third one the grace."""
    command = python("leave.py", "-", "ignore")
    with pausing(mode, "-v", "--drain", NEVER_S, beside=command) as container:
        container.signal(signal.SIGTERM)
        said(container, "drain_started")
        os.kill(children(container.pid)[0], signal.SIGUSR1)
        container.expect("USR1")
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        container.signal(signal.SIGTERM)
        assert_over(container)


def test_a_drain_ends_by_itself(mode: str) -> None:
    """After its time."""
    with pausing(mode, "--drain", "0.2") as container:
        before = time.monotonic()
        container.signal(signal.SIGTERM)
        assert_over(container)
        assert time.monotonic() - before >= 0.2


def test_reaping_goes_on_in_the_drain(mode: str) -> None:
    """And nobody's end is taken for that of the drain."""
    with pausing(
        mode, "-v", "-w", "--drain", NEVER_S, beside=python("leave.py", "-", "end")
    ) as container:
        container.signal(signal.SIGTERM)
        said(container, "drain_started")
        os.kill(children(container.pid)[0], signal.SIGTERM)
        said(container, "orphan_reaped")
        container.signal(signal.SIGTERM)
        assert_over(container)


def test_the_manager_is_told(mode: str, tmp_path: Path) -> None:
    """READY=1 when it pauses, and STOPPING=1 when the stop begins."""
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(harness.DEADLINE_S)
        env = {**os.environ, "NOTIFY_SOCKET": path}
        command = python("leave.py", "-", "end")
        with pausing(mode, "--notify", beside=command, env=env) as container:
            assert manager.recv(100) == b"READY=1"
            container.signal(signal.SIGTERM)
            assert manager.recv(100) == b"STOPPING=1"
            assert_over(container)


# -- What it is for.


def test_programs_share_a_pid_namespace_that_outlives_them(namespaces: None) -> None:
    """As in a pod: started one by one by nsenter(1), they see each other, and end as they like."""
    with pausing(PID1) as container:
        enter = ["nsenter", "-t", str(container.pid), *ENTER_USER, "--pid", "--mount"]
        with entered(container, python("record.py", "USR1")) as first:
            assert first.stdout is not None
            script = "cat /proc/1/comm; for p in /proc/[0-9]*; do kill -USR1 ${p#/proc/}; done"
            second = ["sh", "-c", f"trap '' USR1; {script}"]
            done = subprocess.run([*enter, *second], capture_output=True, text=True, check=False)
            assert (done.stdout, done.stderr) == ("pyinit\n", "")
            assert first.stdout.readline() == b"USR1\n"
            # A third one leaves a daemon behind, which is the pause's child from then on.
            daemon = [*enter, "sh", "-c", "sleep 1000 >/dev/null 2>&1 &"]
            assert subprocess.run(daemon, check=False).returncode == 0
            until(lambda: children(container.pid), "the daemon has been adopted")
            container.signal(signal.SIGTERM)
            assert first.stdout.read() == b"TERM\n"
            assert first.wait() == 0
            assert_over(container)
