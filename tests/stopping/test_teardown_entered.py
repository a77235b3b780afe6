"""Processes that entered by setns(2) have their parent outside; PID 1 ends them all the same."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.harness import UNSHARE_USER, Container, children, python, status_field, until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

pytestmark = pytest.mark.usefixtures("namespaces")

ENTER_USER = ("--user", "--preserve-credentials") if UNSHARE_USER else ()


@contextlib.contextmanager
def entered(container: Container, command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command in the container's namespaces, the child of a process that is outside."""
    enter = ["nsenter", "-t", str(container.pid), *ENTER_USER, "--pid", "--mount"]
    process = subprocess.Popen([*enter, *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process
    finally:
        assert process.stdout is not None
        with contextlib.suppress(ProcessLookupError):
            container.signal(signal.SIGKILL)  # nsenter waits for a child that nobody has ended
        process.send_signal(signal.SIGCONT)
        process.wait()
        process.stdout.close()


def container_of(*command: str, grace: str = "1000", options: Sequence[str] = ()) -> Container:
    """Return a container that ends on TERM."""
    return Container(command or python("record.py", "TERM"), options=["--grace", grace, *options])


@pytest.mark.parametrize("options", [(), ("--group",)])
def test_it_is_asked_and_waited_for(options: tuple[str, ...]) -> None:
    """Its end sends PID 1 no SIGCHLD, and yet the end comes with it, not with the grace.

    With --group, too, where others have got their TERM with the command.
    """
    with container_of(options=options) as container:
        container.expect("ready")
        with entered(container, python("leave.py", "-", "slow")) as process:
            container.signal(signal.SIGTERM)
            assert process.stdout is not None
            assert process.stdout.read() == b"TERM\ndone\n"
            assert container.wait() == 0


@pytest.mark.parametrize("grace", ["0", "0.1"])
def test_one_that_does_not_end_is_killed(grace: str) -> None:
    """And the exit code stays the main child's; nsenter(1) ends as its child did."""
    with container_of(grace=grace) as container:
        container.expect("ready")
        with entered(container, python("leave.py", "-", "deaf")) as process:
            container.signal(signal.SIGTERM)
            assert container.wait() == 0
            assert process.wait() == -signal.SIGKILL


def test_a_second_stop_signal_hurries() -> None:
    """As with other leftovers."""
    with container_of() as container:
        container.expect("ready")
        with entered(container, python("leave.py", "-", "ignore")) as process:
            container.signal(signal.SIGTERM)
            assert process.stdout is not None
            assert process.stdout.readline() == b"TERM\n"
            container.signal(signal.SIGTERM)
            assert container.wait() == 0


def test_its_orphans_are_ended_too() -> None:
    """They become children of PID 1, as every orphan of the namespace does."""
    with container_of() as container:
        container.expect("ready")
        script = 'exec 2>&-; "$@" & read -r _'
        with entered(
            container, ["sh", "-c", script, "sh", *python("leave.py", "-", "end")]
        ) as process:
            until(
                lambda: len(children(container.pid)) > 1 or process.poll() is not None, "orphaned"
            )
            container.signal(signal.SIGTERM)
            assert process.stdout is not None
            assert process.stdout.read() == b"TERM\n"
            assert container.wait() == 0


def test_one_that_enters_during_the_teardown_is_waited_for_and_killed() -> None:
    """It came too late to be asked, so it has until the grace is over."""
    with container_of(*python("leave.py", "daemon", "ignore"), grace="2") as container:
        container.expect("ready")  # its stdin is empty: the main child ends at once
        container.expect("TERM")
        with entered(container, python("leave.py", "-", "ignore")) as process:
            assert container.wait() == 7
            assert process.wait() == -signal.SIGKILL


def test_a_zombie_of_an_outside_parent_is_not_waited_for() -> None:
    """Nobody is left who could end, so pyinit exits; only the kernel waits for the parent then.

    It keeps init's exit until all PIDs of the namespace are free; see
    pid_namespaces(7).
    """
    with container_of(options=["-v"]) as container:
        container.expect("ready")
        with entered(container, python("leave.py", "-", "end")) as process:
            process.send_signal(signal.SIGSTOP)
            until(lambda: status_field(process.pid, "State")[0] == "T", "nsenter has stopped")
            (inside,) = children(process.pid)
            os.kill(inside, signal.SIGTERM)
            until(lambda: status_field(inside, "State")[0] == "Z", "it is a zombie")
            container.signal(signal.SIGTERM)
            while "exiting" not in (line := container.line(2)):
                assert line, "the end of the log"
                assert "teardown_started" not in line
            process.send_signal(signal.SIGCONT)
            assert container.wait() == 0
