"""Who reads what pyinit writes, or does not: signals are relayed meanwhile, and the end comes."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import pty
import select
import signal
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from tests.harness import DEADLINE_S, Container, logged, python, run, until
from tests.robust.test_stderr import full_pipe, read_now, relay_many

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("namespaces")

SMALLEST_PIPE = 4096
# More than fits into it: what the command is called is a part of each state.
LONG = ["sh", "-c", 'shift; exec "$@"', "sh", "x" * SMALLEST_PIPE, *python("record.py", "USR1")]
# A /proc that shows nothing: a descriptor cannot be opened anew by it.
NO_PROC = ["sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh"]


@contextmanager
def small_fifo(path: Path) -> Iterator[int]:
    """Make a FIFO that holds no whole state; return what reads it."""
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, SMALLEST_PIPE)
        yield reader
    finally:
        os.close(reader)


@contextmanager
def full_terminal() -> Iterator[int]:
    """Have a terminal that has room for less than a report, and is read no more."""
    master, slave = pty.openpty()
    try:
        os.set_blocking(slave, False)
        for block in (b"x" * 4096, b"x"):
            with suppress(BlockingIOError):
                while True:
                    os.write(slave, block)
        os.set_blocking(slave, True)
        os.read(master, 1)
        until(lambda: select.select([], [slave], [], 0)[1], "the kernel has made room")
        yield slave
    finally:
        os.close(master)
        os.close(slave)


def test_a_relay_does_not_wait_for_the_reader_of_a_state(tmp_path: Path) -> None:
    """Who has read the beginning gets the rest when something happens, and each state whole."""
    data = b""
    with (
        small_fifo(tmp_path / "status") as reader,
        Container(LONG, options=["--status-file", str(tmp_path / "status")]) as container,
    ):
        container.expect("ready")
        began = time.monotonic()
        while data.count(b"\n") < 10:
            container.signal(signal.SIGUSR1)
            container.expect("USR1")
            select.select([reader], [], [], DEADLINE_S)  # it is relayed before it is told of
            data += read_now(reader)
        assert time.monotonic() - began < 8  # with a second for the reader it takes ten
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        assert container.wait() == 0
        data += read_now(reader)
    *whole, _ = data.split(b"\n")
    counts = [sum(each["count"] for each in json.loads(line)["signals"]) for line in whole]
    assert counts == sorted(counts)


@pytest.mark.parametrize("before", [[], NO_PROC], ids=["proc", "no-proc"])
def test_a_log_on_a_terminal_that_is_read_no_more(before: list[str]) -> None:
    """A line that does not fit whole is not waited for, also where only poll(2) can tell."""
    with (
        full_terminal() as slave,
        Container(python("record.py"), options=["-vv"], before=before, stderr=slave) as container,
    ):
        container.expect("ready")
        relay_many(container, 50)
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        assert container.wait() == 0


@pytest.mark.parametrize("before", [[], NO_PROC], ids=["proc", "no-proc"])
def test_a_report_to_a_terminal_that_is_read_no_more(before: list[str]) -> None:
    """It is given a second."""
    with full_terminal() as slave:
        options = ["--report", f"fd:{slave}"]
        command = ["sh", "-c", "exit 7", "\x01" * SMALLEST_PIPE]  # five bytes each
        code, _, errors = run(command, options=options, before=before, pass_fds=[slave])
    assert code == 7
    assert '"reason": "no process reads it"' in errors


def test_a_log_to_a_full_pipe_under_a_filter(tmp_path: Path) -> None:
    """One from before pwritev2(2), which answers EPERM: another way is found, without waiting."""
    filtered = python("filtered.py", str(errno.EPERM), "pwritev2")
    with (
        full_pipe() as (reader, writer),
        Container(
            python("record.py"), options=["-vv"], before=[*filtered], stderr=writer
        ) as container,
    ):
        container.expect("ready")
        relay_many(container, 3)
        read_now(reader)
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        assert container.wait() == 0
        assert logged(read_now(reader).decode())[-1]["event"] == "exiting"
