"""``--status-file``: at every moment one whole JSON object that tells how things stand."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests import harness, users
from tests.harness import Container, python, until
from tests.kept import facts, until_told
from tests.terminals import until_settled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("namespaces")


class History:
    """A FIFO in the place of the file: all that was ever written, one after the other."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self._data = b""

    def read(self) -> list[dict[str, Any]]:
        """Return all that has been written so far; each was written whole."""
        with contextlib.suppress(BlockingIOError):
            while block := os.read(self._fd, 65536):
                self._data += block
        return [json.loads(line) for line in self._data.split(b"\n")[:-1]]

    def until_state(self, state: str, container: Container) -> None:
        """Wait until it was told."""
        until(
            lambda: any(told["state"] == state for told in self.read()),
            f"state {state} is told",
            container.process.pid,
        )

    def close(self) -> None:
        """Read no more."""
        os.close(self._fd)


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    """Have a FIFO for a status file."""
    found = History(tmp_path / "history")
    yield found
    found.close()


def states(history: History) -> list[str]:
    """Return the states in their order, each once."""
    return list(dict.fromkeys(told["state"] for told in history.read()))


@pytest.mark.parametrize("number", [500, pytest.param(2000, marks=pytest.mark.long)])
def test_it_is_whole_at_every_moment(namespaces: None, number: int, tmp_path: Path) -> None:
    """Also while thousands of orphans end; it counts all of them."""
    path = tmp_path / "status"
    command = python("orphans.py", str(number), "3")
    options = ["--status-file", str(path)]
    with Container(command, options=options, stdin=subprocess.PIPE) as container:
        container.expect("ready")
        readings = [until_told(path, lambda told: told["child"], container)]
        container.close_stdin()
        container.expect("ended")
        while readings[-1]["orphans"]["reaped"] < number:
            readings.append(facts(path))
        reaped = [each["orphans"]["reaped"] for each in readings]
        assert reaped == sorted(reaped)
        assert readings[-1]["orphans"] == {"reaped": number, "killed": 0, "failed": number}
        container.signal(signal.SIGTERM)
        assert container.wait() == 7
        assert facts(path)["orphans"]["reaped"] >= number


def test_it_counts_signals_by_name_and_sender(namespaces: None, tmp_path: Path) -> None:
    """Each one, also while they come as fast as they can."""
    path = tmp_path / "status"
    with Container(python("count.py"), options=["--status-file", str(path)]) as container:
        container.expect("ready")
        storm = python("storm.py", str(container.pid), "500", str(int(signal.SIGRTMIN) + 3))
        process = subprocess.Popen(storm)
        while process.poll() is None:
            facts(path)
        told = until_told(path, lambda told: told["signals"][0]["count"] == 500, container)
        (counted,) = told["signals"]
        assert counted["signal"] == "SIGRTMIN+3"
        assert counted["origin"] == "outside"
        assert told["state"] == "running"
        container.signal(signal.SIGTERM)
        assert container.wait() == 0


def test_the_state_follows(namespaces: None, history: History) -> None:
    """From running to done, each state when it begins."""
    options = ["--status-file", str(history.path), "--drain", "1000"]
    command = python("record.py", "-", "QUIT")
    with Container(command, options=options) as container:
        container.expect("ready")
        history.until_state("running", container)
        container.signal(signal.SIGTERM)
        history.until_state("draining", container)
        container.signal(signal.SIGQUIT)
        history.until_state("stopping", container)
        os.kill(container.main_child(), signal.SIGKILL)
        assert container.wait() == 137
        assert states(history) == ["running", "draining", "stopping", "done"]


def test_in_a_teardown(mode: str, history: History) -> None:
    """The leftovers are named, and those whom SIGKILL had to end are counted."""
    options = ["--status-file", str(history.path), "--grace", "1000"]
    command = python("leave.py", "session", "ignore")
    with Container(command, options=options, mode=mode, stdin=subprocess.PIPE) as container:
        container.expect("ready")
        history.until_state("running", container)
        container.close_stdin()
        container.expect("TERM")
        history.until_state("teardown", container)
        for number in (signal.SIGTERM, signal.SIGQUIT):  # the second stop hurries
            container.signal(number)
        assert container.wait() == 7
        assert states(history) == ["running", "teardown", "killing", "done"]
        last = history.read()[-1]
        (killed,) = last["teardown"]["killed"]
        assert last["teardown"]["leftovers"] == [killed]
        assert last["teardown"]["kills"] == 1
        assert last["exit_code"] == 7
        assert last["child"]["state"] == "ended"
        uptimes = [told["uptime_s"] for told in history.read()]
        assert uptimes == sorted(uptimes)


def test_each_state_of_a_teardown_in_order(namespaces: None, history: History) -> None:
    """Also those that begin with a deadline, and in which nobody has ended; each is written once.

    The master goes on after TERM, and its worker after its own.
    """
    options = ["--status-file", str(history.path), "--grace", "1"]
    command = python("leave.py", "deep", "ignore", "2")
    with Container(command, options=options, stdin=subprocess.PIPE) as container:
        for _ in range(2):
            container.expect("ready")
        history.until_state("running", container)
        container.close_stdin()
        assert container.wait() == 7
    told = [each["state"] for each in history.read()]
    assert states(history) == [
        *("running", "descending", "bypassing", "teardown", "killing", "done"),
    ]
    assert [told.count(state) for state in ("bypassing", "teardown", "done")] == [1, 1, 1]
    assert history.read()[-1]["exit_code"] == 7


def test_the_end_of_a_drain_is_told(namespaces: None, history: History) -> None:
    """Once, also where nothing is relayed then."""
    options = ["--status-file", str(history.path), "--drain", "0.1", "--rewrite", "TERM:ignore"]
    with Container(python("record.py", "-"), options=options) as container:
        container.expect("ready")
        history.until_state("running", container)
        container.signal(signal.SIGTERM)
        history.until_state("stopping", container)
        until_settled(container.pid)
        told = [each["state"] for each in history.read()]
        assert told.count("stopping") == 1
        assert states(history) == ["running", "draining", "stopping"]


def test_it_is_written_when_something_happens(history: History) -> None:
    """And at no other time: once for each of these, and not when it woke up for nothing."""
    command = python("record.py", "USR1", "USR2", "TERM")
    with Container(command, options=["--status-file", str(history.path)]) as container:
        container.expect("ready")
        history.until_state("running", container)
        begun = len(history.read())
        for count, name in enumerate(("USR1", "USR2", "USR1"), 1):
            container.signal(signal.Signals[f"SIG{name}"])
            container.expect(name)
            until(lambda: len(history.read()) > begun + count - 1, "it is told", container.pid)  # noqa: B023
            assert len(history.read()) == begun + count
            container.signal(signal.SIGCHLD)  # with nobody to be reaped: nothing has happened
            until_settled(container.pid)


@pytest.mark.parametrize(("command", "code"), [(["sh", "-c", "exit 3"], 3), (["kill-me"], 127)])
def test_the_last_one_stays(mode: str, tmp_path: Path, command: list[str], code: int) -> None:
    """With the exit code, also where the command could not be started; no draft lies beside it."""
    path = tmp_path / "status"
    assert harness.run(command, mode=mode, options=["--status-file", str(path)])[0] == code
    told = facts(path)
    assert (told["state"], told["exit_code"]) == ("done", code)
    assert told["cause"]
    assert os.listdir(tmp_path) == ["status"]


def test_its_mode_is_that_of_any_file(tmp_path: Path) -> None:
    """Everybody may read it, unless the umask says otherwise."""
    for mask, mode in ((0o022, 0o644), (0o077, 0o600)):
        path = tmp_path / f"status-{mask}"
        harness.run(["true"], options=["--status-file", str(path)], preexec=lambda: os.umask(mask))  # noqa: B023
        assert stat.S_IMODE(path.stat().st_mode) == mode


def test_with_a_user_it_is_still_the_inits(tmp_path: Path) -> None:
    """The command may not change it: who would believe it."""
    users.need_root()
    path = tmp_path / "status"
    options = ["--user", "1234:1235", "--status-file", str(path)]
    assert harness.run(["true"], options=options)[0] == 0
    info = path.stat()
    assert (info.st_uid, stat.S_IMODE(info.st_mode) & 0o022) == (0, 0)


def test_a_link_stays_one(tmp_path: Path) -> None:
    """What it points to is replaced."""
    (tmp_path / "link").symlink_to("status")
    harness.run(["true"], options=["--status-file", str(tmp_path / "link")])
    assert (tmp_path / "link").is_symlink()
    assert facts(tmp_path / "status")["state"] == "done"
    assert sorted(os.listdir(tmp_path)) == ["link", "status"]


def test_when_it_began_is_told_as_the_kernel_tells_it(namespaces: None, tmp_path: Path) -> None:
    """By which a file of this run can be told from one of an earlier."""
    path = tmp_path / "status"
    command = python("record.py", "TERM")
    with Container(command, options=["--status-file", str(path)]) as container:
        container.expect("ready")
        told = until_told(path, lambda told: told["child"], container)
        with open(f"/proc/{container.pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        assert told["start_ticks"] == int(fields[19])
        inner = harness.status_field(container.pid, "NSpid").split()[-1]
        assert told["pid"] == int(inner)
