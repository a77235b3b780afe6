"""Every orphan is reaped, whatever came before and however many come at once."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from tests.cases import in_turn
from tests.harness import SUBREAPER, Container, children, python, status_field, until

NEVER_S = "1000"


def assert_only_main_child(container: Container) -> None:
    """Assert that soon the main child is all that pyinit has, zombies included."""
    until(lambda: len(children(container.pid)) == 1, "all are reaped", container.pid)


@in_turn("words", ["", "-w", "-vv"])
def test_exits_that_coalesce(words: str, mode: str) -> None:
    """SIGCHLD is one signal however many end: of 100 at once none stays a zombie."""
    with Container(
        python("orphans.py", "100"), options=words.split(), mode=mode, stdin=subprocess.PIPE
    ) as container:
        container.expect("ready")
        container.close_stdin()
        container.expect("ended")
        assert_only_main_child(container)
        container.signal(signal.SIGTERM)
        assert container.wait() == 7


def test_orphans_that_die_in_the_moment_the_main_child_does(mode: str) -> None:
    """They change neither its exit code, nor is anybody waited for."""
    with Container(
        python("orphans.py", "100", "at-once"),
        options=["--grace", NEVER_S],
        mode=mode,
        stdin=subprocess.PIPE,
    ) as container:
        container.expect("ready")
        container.close_stdin()
        assert container.wait() == 7


@pytest.mark.parametrize("words", ["", "-w"])
def test_a_stopped_orphan_confuses_nobody(words: str, mode: str) -> None:
    """Its stop is no end, and nobody's who came before or after it."""
    with Container(
        python("orphans.py", "3", "stopped"),
        options=words.split(),
        mode=mode,
        stdin=subprocess.PIPE,
    ) as container:
        container.expect("ready")
        container.close_stdin()
        container.expect("ended")
        orphans = children(container.pid)[1:]
        until(lambda: all(status_field(o, "State")[0] == "T" for o in orphans), "they have stopped")
        os.kill(orphans[1], signal.SIGKILL)
        until(lambda: orphans[1] not in children(container.pid), "it is reaped", container.pid)
        os.kill(orphans[0], signal.SIGCONT)
        os.kill(orphans[2], signal.SIGCONT)
        assert_only_main_child(container)
        container.signal(signal.SIGTERM)
        assert container.wait() == 7
        assert container.errors().count("orphan_reaped") == (3 if words else 0)


def given(words: str, mode: str, *options: str) -> Container:
    """Return a container whose pyinit has what before.py says; its command takes USR1 and USR2."""
    return Container(
        python("record.py", "USR1", "USR2"),
        before=python("before.py", words),
        options=options,
        mode=mode,
    )


def started_before(container: Container) -> list[int]:
    """Return the children that were there before exec; the command is the youngest."""
    return children(container.pid)[:-1]


@pytest.mark.parametrize("words", ["child,child", "child,zombie,child", "ignored,child"])
def test_children_of_before_exec_are_reaped(words: str, mode: str) -> None:
    """After `sh -c 'a & exec pyinit b'` init has a child that it has not started."""
    with given(words, mode) as container:
        container.expect("ready")
        until(lambda: len(children(container.pid)) == words.count("child") + 1, "others are reaped")
        for pid in started_before(container):
            os.kill(pid, signal.SIGTERM)
        assert_only_main_child(container)


def test_zombies_of_before_exec_are_reaped_at_once(mode: str) -> None:
    """Their SIGCHLD came before anybody waited for it: no signal tells of them."""
    with given("zombie,zombie", mode) as container:
        container.expect("ready")
        assert_only_main_child(container)


@pytest.mark.parametrize("words", ["ignored", "blocked", "ignored,blocked"])
def test_sigchld_ignored_or_blocked_on_entry(words: str, mode: str) -> None:
    """Ignored, it makes the kernel drop every status (wait(2)); blocked, it is waited for."""
    with Container(
        python("orphans.py", "5"),
        before=python("before.py", words),
        mode=mode,
        stdin=subprocess.PIPE,
    ) as container:
        container.expect("ready")
        container.close_stdin()
        container.expect("ended")
        assert_only_main_child(container)
        container.signal(signal.SIGTERM)
        assert container.wait() == 7


@pytest.mark.parametrize("word", ["usr1", "silent"])
def test_a_child_whose_end_was_to_send_another_signal(word: str, mode: str) -> None:
    """clone(2) can ask for that; where the parent has called exec since, the kernel sends SIGCHLD.

    It stays a child that wait(2) shows for __WALL only.  Nothing is relayed.
    """
    with given(word, mode) as container:
        container.expect("ready")
        os.kill(started_before(container)[0], signal.SIGTERM)
        assert_only_main_child(container)
        container.signal(signal.SIGUSR2)
        container.expect("USR2")


@pytest.mark.parametrize("words", ["child", "silent", "usr1", "child,silent,usr1"])
def test_the_teardown_notices_the_end_of_children_of_before_exec(words: str, mode: str) -> None:
    """With them as leftovers, however made, the end comes when they end, not with the grace."""
    with given(words, mode, "--grace", NEVER_S) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        assert container.wait() == 0
        if mode == SUBREAPER:
            assert container.survivors == []
