"""PID 1 of a program that forked it stands by: it loads nothing until a signal needs that.

It hands on what is relayed as it is.  For anything else it loads what an init is, and then is one.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import pyinit
from pyinit import signals, standby
from tests.conftest import need
from tests.harness import PROGRAMS, Container, logged, python, status_field, until
from tests.robust.test_vanished import EXERCISED, end_main

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.usefixtures("namespaces")


def package(directory: Path) -> Path:
    """Return a copy of the package that a test may take away."""
    copy = directory / "pyinit"
    ignored = shutil.ignore_patterns("__pycache__", "ctl")
    shutil.copytree(Path(pyinit.__file__).parent, copy, ignore=ignored)
    return copy


def forked(
    command: Sequence[str],
    directory: Path | None = None,
    before: Sequence[str] = (),
    stderr: int = subprocess.PIPE,
) -> Container:
    """Start a command below an init that a program has forked."""
    where = directory or Path(pyinit.__file__).parents[1]
    init = (sys.executable, "-IS", str(PROGRAMS / "forks.py"), str(where))
    return Container(command, init=init, before=before, stdin=subprocess.PIPE, stderr=stderr)


def stands_by(pid: int) -> bool:
    """Return whether it has its handlers, which are the last before it waits."""
    return bool(int(status_field(pid, "SigCgt"), 16) >> (signal.SIGTERM - 1) & 1)


def test_it_takes_the_signals_that_an_init_takes() -> None:
    """The numbers stand in the module a second time, which is to load no other."""
    assert standby._PLAIN == signals.PLAIN
    assert standby._STOP == signals.STOP_SIGNALS
    assert {*standby._AWAITED} == {*signals.AWAITED}


def test_what_is_relayed_as_it_is_needs_nothing_loaded(tmp_path: Path) -> None:
    """The package is gone by then, which is said once something has to be loaded."""
    copy = package(tmp_path)
    with forked(python("record.py"), tmp_path) as container:
        container.expect("ready")
        until(lambda: stands_by(container.pid), "it stands by", container.pid)
        assert os.readlink(f"/proc/{container.pid}/cwd") == "/"
        shutil.rmtree(copy)
        sent = {"USR1": signal.SIGUSR1, "HUP": signal.SIGHUP, "RTMIN+1": signal.SIGRTMIN + 1}
        for name, number in sent.items():
            container.signal(number)
            container.expect(name)
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        assert container.wait() == 0
        (line,) = container.errors().splitlines()
        assert "No module named" in line


def test_from_then_on_it_is_an_init() -> None:
    """A signal to it, an orphan's end, and the command's end with somebody left."""
    with forked(python("exercise.py")) as container:
        assert container.rest() == EXERCISED
        assert container.errors() == ""
        assert container.wait() == 7


@pytest.mark.parametrize("name", ["TERM", "INT", "QUIT", "TSTP", "WINCH"])
def test_a_first_signal_of_another_kind_is_handled(name: str) -> None:
    """It has been taken before the init was there."""
    with forked(python("record.py", name)) as container:
        container.expect("ready")
        until(lambda: stands_by(container.pid), "it stands by", container.pid)
        container.signal(signal.Signals[f"SIG{name}"])
        container.expect(name)


def test_a_bad_end_after_a_while_is_explained() -> None:
    """A signal that was relayed before is known to have been."""
    with forked(["sh", "-c", "echo ready; read line"]) as container:
        container.expect("ready")
        until(lambda: stands_by(container.pid), "it stands by", container.pid)
        began = time.monotonic()
        until(lambda: time.monotonic() - began > 1, "it runs for a second")
        container.signal(signal.SIGUSR1)
        assert container.wait() == 128 + signal.SIGUSR1
        (event,) = logged(container.errors())
        assert "ended by SIGUSR1, which pyinit relayed from outside" in event["cause"]
        assert event["uptime_s"] > 1


@pytest.mark.parametrize("way", ["removed", "no answer", "half removed"])
def test_where_nothing_can_be_loaded_it_relays_all_the_same(way: str, tmp_path: Path) -> None:
    """And reaps, and gives who is left the grace, when it has said so.

    A FIFO that nobody writes to is like a file of a server that does not answer.
    """
    copy = package(tmp_path)
    with forked(python("leave.py", "daemon", "slow"), tmp_path) as container:
        container.expect("ready")
        until(lambda: stands_by(container.pid), "it stands by", container.pid)
        if way == "removed":
            shutil.rmtree(copy)
        elif way == "half removed":
            (copy / "assembly.py").unlink()
        else:
            shutil.rmtree(copy / "api" / "__pycache__", ignore_errors=True)
            (copy / "api" / "__pycache__").mkdir()
            os.mkfifo(copy / "api" / "__pycache__" / f"forked.{sys.implementation.cache_tag}.pyc")
        end_main(container)
        container.expect("TERM")
        container.expect("done")
        assert container.wait() == 7
        said = (
            "no answer of the file system within 2 s" if way == "no answer" else "No module named"
        )
        assert said in container.errors()


def test_a_good_end_needs_no_more_than_to_be_seen(tmp_path: Path) -> None:
    """Nobody is left, so that what ends them is not loaded; it is not there."""
    copy = package(tmp_path)
    with forked(["sh", "-c", "echo ready; read line; exit 3"], tmp_path) as container:
        container.expect("ready")
        until(lambda: stands_by(container.pid), "it stands by", container.pid)
        (copy / "assembly.py").unlink()
        end_main(container)
        assert container.wait() == 3
        assert container.errors() == ""


def test_who_does_not_read_what_it_says_does_not_hold_it_up(tmp_path: Path) -> None:
    """It says that its modules are gone into a full pipe."""
    copy = package(tmp_path)
    reader, writer = os.pipe()
    try:
        os.set_blocking(writer, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writer, bytes(65536))
        os.set_blocking(writer, True)
        with forked(python("record.py", "TERM"), tmp_path, stderr=writer) as container:
            container.expect("ready")
            until(lambda: stands_by(container.pid), "it stands by", container.pid)
            shutil.rmtree(copy)
            container.signal(signal.SIGTERM)
            container.expect("TERM")
            assert container.wait() == 0
    finally:
        os.close(reader)
        os.close(writer)


def test_where_no_thread_can_be_started_it_loads_by_itself(tmp_path: Path) -> None:
    """The PIDs of a cgroup may be used up; strace(1) refuses them here."""
    need("strace")
    before = ["strace", "-D", "-f", "-qq", "-o", str(tmp_path / "log"), "-e"]
    before += ["trace=clone3", "-e", "inject=clone3:error=EAGAIN"]
    with forked(["sh", "-c", "echo ready; read line; kill -9 $$"], before=before) as container:
        container.expect("ready")
        until(lambda: stands_by(container.pid), "it stands by", container.pid)
        end_main(container)
        log = tmp_path / "log"
        until(lambda: "EAGAIN" in log.read_text(), "a thread was refused", container.pid)
        for pid in container.descendants():
            with contextlib.suppress(OSError):  # it has ended
                if Path(f"/proc/{pid}/comm").read_text() == "strace\n":
                    os.kill(pid, signal.SIGKILL)
        assert container.wait() == 128 + signal.SIGKILL
        assert "killed by SIGKILL" in container.errors()


def test_others_come_among_signals_without_end(tmp_path: Path) -> None:
    """Of those that wait the kernel gives the lowest number first; 3,000 of one wait here."""
    need("strace")
    log = tmp_path / "log"
    before = ["strace", "-D", "-f", "-qq", "-o", str(log), "-e", "trace=kill", "-e", "raw=kill"]
    low, high = signal.SIGRTMIN + 1, signal.SIGRTMIN + 2
    with forked(python("record.py"), before=before) as container:
        container.expect("ready")
        until(lambda: stands_by(container.pid), "it stands by", container.pid)
        container.signal(signal.SIGSTOP)
        until(lambda: status_field(container.pid, "State")[0] in "tT", "the init has stopped")
        for _ in range(3000):
            container.signal(low)
        container.signal(high)
        container.signal(signal.SIGCONT)
        names = [container.line() for _ in range(3002)]
        assert names.count("RTMIN+1") == 3000
        container.signal(signal.SIGTERM)
        container.expect("TERM")
    sent = re.findall(r"kill\(\w+, (0x\w+)\)", log.read_text())
    assert sent.index(f"{high:#x}") < 1500
