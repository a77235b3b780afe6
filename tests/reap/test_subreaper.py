"""When pyinit is not PID 1 it is a subreaper: nothing that it started survives it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.harness import (
    DEADLINE_S,
    PYINIT,
    SUBREAPER,
    Container,
    children,
    process_table,
    python,
    run,
    status_field,
    until,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.usefixtures("namespaces")


def leave(*words: str, options: Sequence[str] = ()) -> Container:
    """Return a container whose main child leaves somebody behind when its stdin ends."""
    return Container(
        python("leave.py", *words), options=options, mode=SUBREAPER, stdin=subprocess.PIPE
    )


@pytest.mark.parametrize("options", [[], ["-s"], ["--subreaper"]])
def test_orphans_become_its_children(options: list[str]) -> None:
    """By default whenever it is not PID 1; the options only say it aloud."""
    with leave("daemon", "end", options=options) as container:
        container.expect("ready")
        until(lambda: len(children(container.pid)) == 2, "the orphan is adopted", container.pid)


def test_without_subreaper_orphans_go_elsewhere() -> None:
    """They are not its own then: not reaped, not asked to end, not waited for."""
    options = ["--no-subreaper", "--grace", "1000"]
    with leave("daemon", "ignore", options=options) as container:
        container.expect("ready")
        container.close_stdin()
        assert container.wait() == 7
        assert len(container.survivors) == 1
        assert container.rest() == ""


def test_without_subreaper_children_of_before_exec_are_still_its_own() -> None:
    """They are reaped, asked and waited for."""
    with Container(
        python("record.py", "USR1"),
        options=["--no-subreaper", "--grace", "1000"],
        before=python("before.py", "child"),
        mode=SUBREAPER,
    ) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        assert container.wait() == 0
        assert container.survivors == []


def test_as_pid_1_the_options_change_nothing(mode: str) -> None:
    """An init has no need to be a subreaper; as one, the option is its default."""
    assert run(["sh", "-c", "exit 3"], options=["-s"], mode=mode) == (3, "", "")


@pytest.mark.parametrize("options", [[], ["--no-subreaper"]])
def test_when_pyinit_is_killed_the_main_child_is_too(options: list[str]) -> None:
    """The kernel sends it SIGKILL, whatever it does about other signals; see prctl(2)."""
    lives_on = ["sh", "-c", '"$@"; echo $?; kill -STOP $$', "sh"]
    with Container(
        python("record.py", "-"), options=options, before=lives_on, mode=SUBREAPER
    ) as container:
        container.expect("ready")
        (pyinit,) = children(container.pid)
        pidfd = os.pidfd_open(children(pyinit)[0])
        try:
            os.kill(pyinit, signal.SIGKILL)
            container.expect(str(128 + signal.SIGKILL))
            ended, _, _ = select.select([pidfd], [], [], DEADLINE_S)
            assert ended, process_table(container.pid)
        finally:
            os.close(pidfd)
        until(lambda: status_field(container.pid, "State")[0] == "T", "the shell stops")
        container.signal(signal.SIGCONT)
        container.wait()


def test_one_inside_the_other(mode: str) -> None:
    """The inner one ends what it has started, and the outer one has nothing left to do."""
    with Container(
        python("leave.py", "daemon", "slow"),
        before=[*PYINIT, "-v", "--"],
        mode=mode,
        stdin=subprocess.PIPE,
    ) as container:
        container.expect("ready")
        container.close_stdin()
        container.expect("TERM")
        container.expect("done")
        assert container.wait() == 7
        assert "teardown_started" not in container.errors()
        if mode == SUBREAPER:
            assert container.survivors == []
