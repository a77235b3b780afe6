"""A command that is stopped (by SIGSTOP, by a debugger) is continued with the stop signal.

A stopped process acts on no signal but KILL and CONT: without CONT it would be killed by
whoever waits for its end, and could not save anything.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from typing import TYPE_CHECKING

from tests.harness import PID1, Container, python
from tests.stopping.test_teardown_blocked import WALL, seize
from tests.terminal.test_stop_and_continue import until_state
from tests.terminals import state, until_settled

if TYPE_CHECKING:
    from collections.abc import Iterator

SLEEP = ["sh", "-c", "echo ready; exec sleep 1000"]
PTRACE_INTERRUPT = 0x4207
PTRACE_DETACH = 17

# Says TERM and stops, each time it gets TERM; HUP ends it.
STOPS_ON_TERM = """
import os, signal, time
def stop(number, frame):
    os.write(1, b"TERM\\n")
    os.kill(os.getpid(), signal.SIGSTOP)
signal.signal(signal.SIGTERM, stop)
os.write(1, b"ready\\n")
while True:
    time.sleep(0.05)  # and not pause(2): a signal may have come before it, whose handler waits then
"""


def stop(container: Container) -> int:
    """Stop the command; return its PID, when pyinit knows of it."""
    main = container.main_child()
    os.kill(main, signal.SIGSTOP)
    until_state(main, "T")
    until_settled(container.pid)
    return main


def test_a_stop_signal_continues_it(mode: str) -> None:
    """So it ends by that."""
    with Container(SLEEP, mode=mode) as container:
        container.expect("ready")
        stop(container)
        container.signal(signal.SIGTERM)
        assert container.wait() == 128 + signal.SIGTERM


def test_another_signal_does_not(mode: str) -> None:
    """It waits until somebody continues the command: CONT is relayed as all others."""
    with Container(python("catch.py", "USR1", "CONT"), mode=mode) as container:
        container.expect("ready")
        main = stop(container)
        container.signal(signal.SIGUSR1)
        until_settled(container.pid)
        assert state(main) == "T"
        container.signal(signal.SIGCONT)
        assert {container.line(), container.line()} == {"USR1", "CONT"}


def test_one_that_is_not_named_a_stop_signal_does_not(mode: str) -> None:
    """TERM, where the stop signals are others; those do."""
    with Container(SLEEP, mode=mode, options=["--stop-signals", "INT"]) as container:
        container.expect("ready")
        main = stop(container)
        container.signal(signal.SIGTERM)
        until_settled(container.pid)
        assert state(main) == "T"
        container.signal(signal.SIGINT)
        assert container.wait() in (128 + signal.SIGTERM, 128 + signal.SIGINT)


def test_what_the_drain_held_back_continues_it(mode: str) -> None:
    """Not when it is held back, but when it is relayed."""
    with Container(SLEEP, mode=mode, options=["--drain", "1000"]) as container:
        container.expect("ready")
        main = stop(container)
        container.signal(signal.SIGTERM)
        until_settled(container.pid)
        assert state(main) == "T"
        container.signal(signal.SIGTERM)
        assert container.wait() == 128 + signal.SIGTERM


def test_each_step_of_a_plan_continues_it(mode: str) -> None:
    """It stops once more when it gets TERM, and HUP of the plan still ends it."""
    command = [sys.executable, "-IS", "-c", STOPS_ON_TERM]
    with Container(command, mode=mode, options=["--escalate", "HUP@0.2"]) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        assert container.wait() == 128 + signal.SIGHUP


def test_a_whole_group_is_continued(mode: str) -> None:
    """With --group all of its members get both signals."""
    command = ["sh", "-c", "sleep 1000 & echo ready; wait"]
    with Container(command, mode=mode, options=["-g", "--grace", "1000"]) as container:
        container.expect("ready")
        main = container.main_child()
        os.killpg(main, signal.SIGSTOP)
        for pid in container.descendants():
            until_state(pid, "T")
        until_settled(container.pid)
        container.signal(signal.SIGTERM)
        assert container.wait() == 128 + signal.SIGTERM


@contextlib.contextmanager
def held(pid: int) -> Iterator[None]:
    """Keep process ``pid`` from running, without a signal that it could tell; see ptrace(2)."""
    libc = ctypes.CDLL(None, use_errno=True)
    null = ctypes.c_void_p(None)
    seize(pid)
    assert libc.ptrace(PTRACE_INTERRUPT, ctypes.c_int(pid), null, null) == 0
    os.waitpid(pid, WALL)
    try:
        yield
    finally:
        libc.ptrace(PTRACE_DETACH, ctypes.c_int(pid), null, null)


def test_a_stop_that_pyinit_has_not_been_told_of_yet(namespaces: None) -> None:
    """When SIGTERM and SIGCHLD wait both, TERM is taken first: it has the lower number."""
    with Container(SLEEP, mode=PID1) as container:
        container.expect("ready")
        main = container.main_child()
        until_settled(container.pid)
        with held(container.pid):
            os.kill(main, signal.SIGSTOP)
            until_state(main, "T")
            container.signal(signal.SIGTERM)
        assert container.wait() == 128 + signal.SIGTERM
