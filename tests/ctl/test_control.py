"""``pyinitctl freeze``, ``thaw`` and ``stop``: a whole container, by any process in it."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pyinit import ctl
from tests import conftest, users
from tests.harness import Container, python, status_field, until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("namespaces")

FREEZERS = {"v1": "/sys/fs/cgroup/freezer", "v2": "/sys/fs/cgroup/unified"}


def states(container: Container) -> set[str]:
    """Return the states of all processes of the container; T is stopped, see proc(5)."""
    return {status_field(pid, "State")[0] for pid in (container.pid, *container.descendants())}


def test_without_a_cgroup_of_its_own_it_is_stopped_by_signals(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """All of them, the init too, which only an ancestor namespace can stop; it says so."""
    with Container(["sh", "-c", "setsid sleep 1000 & echo ready; wait"]) as container:
        container.expect("ready")
        assert ctl.main(["freeze", str(container.main_child())]) == 0
        until(lambda: states(container) == {"T"}, "all are stopped", container.pid)
        count = len(container.descendants()) + 1
        expected = f"freeze: process {container.pid}: SIGSTOP to {count} processes\n"
        assert capsys.readouterr().out == expected
        assert ctl.main(["thaw", str(container.pid)]) == 0
        until(lambda: "T" not in states(container), "they go on", container.pid)
        expected = f"thaw: process {container.pid}: SIGCONT to {count} processes\n"
        assert capsys.readouterr().out == expected


@contextlib.contextmanager
def cgroup(version: str) -> Iterator[Path]:
    """Make a cgroup."""
    users.need_root()
    parent = Path(FREEZERS[version])
    if not parent.exists():
        parent = Path("/sys/fs/cgroup")
    try:
        # One of a run that was killed can be there still, and the PID be that of this run.
        place = Path(tempfile.mkdtemp(prefix="pyinit-control-", dir=parent))
    except OSError:
        conftest.missing("root")  # of the cgroups, too: a container that may not
    try:
        yield place
    finally:
        until(lambda: not (place / "cgroup.procs").read_text(), "the cgroup is empty")
        place.rmdir()


@pytest.mark.parametrize("version", sorted(FREEZERS))
def test_with_a_cgroup_of_its_own_that_is_frozen(
    version: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which none of the processes notices: none is stopped, and none acts on a signal."""
    with cgroup(version) as place, Container(python("record.py", "USR1", "TERM")) as container:
        container.expect("ready")
        for pid in (container.pid, *container.descendants()):
            (place / "cgroup.procs").write_text(str(pid))
        assert ctl.main(["freeze", str(container.pid)]) == 0
        out = capsys.readouterr().out
        assert out.startswith(f"freeze: process {container.pid}: cgroup v")
        assert out.endswith(f"{place}\n")
        assert "T" not in states(container)
        container.signal(signal.SIGUSR1)
        assert ctl.main(["thaw", str(container.pid)]) == 0
        assert capsys.readouterr().out.endswith(f"{place}\n")
        container.expect("USR1")


@pytest.mark.parametrize("seconds", ["1000", "3000000", "1000000000"])
def test_stop_asks_first(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With TERM; that it had to wait no longer than to the end shows in the time-out.

    poll(2) takes at most 24.8 days.
    """
    with Container(python("record.py", "TERM")) as container:
        container.expect("ready")
        assert ctl.main(["stop", "--timeout", seconds, str(container.main_child())]) == 0
        container.expect("TERM")
        assert container.wait() == 0
        expected = f"stop: process {container.pid} ended after TERM\n"
        assert capsys.readouterr().out == expected


def test_stop_kills_what_takes_too_long(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the time that --timeout gives, which here begins when TERM has come to the command."""
    send = signal.pidfd_send_signal

    def send_and_wait(pidfd: int, number: int) -> None:
        send(pidfd, number)
        if number == signal.SIGTERM:
            container.expect("TERM")

    with Container(python("record.py", "-", "TERM")) as container:
        container.expect("ready")
        monkeypatch.setattr("pyinit.kernel.pidfds.pidfd_send_signal", send_and_wait)
        assert ctl.main(["stop", "--timeout", "0.2", str(container.pid)]) == 0
        assert container.wait() != 0
        out = capsys.readouterr().out
        assert out == f"stop: process {container.pid} had to be killed 0.2 s after TERM\n"


def test_stop_of_a_frozen_one(capsys: pytest.CaptureFixture[str]) -> None:
    """It is thawed, for it could not act on TERM."""
    with Container(python("record.py", "TERM")) as container:
        container.expect("ready")
        assert ctl.main(["freeze", str(container.pid)]) == 0
        assert ctl.main(["stop", "--timeout", "1000", str(container.pid)]) == 0
        container.expect("TERM")
        assert "ended after TERM" in capsys.readouterr().out


@pytest.mark.parametrize("subcommand", ["freeze", "thaw", "stop"])
def test_our_own_namespace_is_refused(subcommand: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It would be ourselves, or the whole machine."""
    assert ctl.main([subcommand, str(os.getpid())]) == 1
    assert "is in our own PID namespace" in capsys.readouterr().err


@pytest.mark.parametrize("subcommand", ["freeze", "thaw", "stop"])
def test_there_is_no_such_process(subcommand: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is said in one line."""
    beyond = int(Path("/proc/sys/kernel/pid_max").read_text()) + 1
    assert ctl.main([subcommand, str(beyond)]) == 1
    assert capsys.readouterr().err == f"pyinitctl {subcommand}: there is no process {beyond}\n"
