"""Whatever stderr is, and whoever reads it or not: pyinit relays, reaps and ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import resource
import select
import signal
import socket
import termios
from typing import TYPE_CHECKING

import pytest

from tests.harness import DEADLINE_S, Container, logged, open_files, python, run, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MANY = 300
RT = signal.SIGRTMIN + 1
EXERCISED = "relayed\nreaped\nTERM\n"


@contextlib.contextmanager
def full_pipe() -> Iterator[tuple[int, int]]:
    """Make a pipe that takes no byte more, and blocks whoever writes to it."""
    reader, writer = os.pipe()
    try:
        os.set_blocking(writer, False)
        for block in (b"x" * 4096, b"x"):
            with contextlib.suppress(BlockingIOError):
                while True:
                    os.write(writer, block)
        os.set_blocking(writer, True)
        yield reader, writer
    finally:
        os.close(reader)
        os.close(writer)


def read_now(fd: int) -> bytes:
    """Return what can be read without waiting."""
    os.set_blocking(fd, False)
    blocks = []
    with contextlib.suppress(BlockingIOError, OSError):
        while block := os.read(fd, 65536):
            blocks.append(block)
    return b"".join(blocks)


def relay_many(container: Container, count: int = MANY) -> None:
    """Assert that each of ``count`` signals is relayed."""
    for _ in range(count):
        container.signal(RT)
        container.expect("RTMIN+1")


def test_a_full_pipe_costs_lines_which_are_counted(mode: str) -> None:
    """Nobody reads: pyinit goes on.  Read again: the next line tells how many are missing."""
    with full_pipe() as (reader, writer):
        with Container(python("record.py"), mode=mode, options=["-vv"], stderr=writer) as container:
            container.expect("ready")
            relay_many(container)
            # What it writes of the last one may come while the pipe is read.
            log = read_now(reader)
            container.signal(signal.SIGTERM)
            container.expect("TERM")
            assert container.wait() == 0
        text = (log + read_now(reader)).lstrip(b"x").decode()
    found = logged(text)
    dropped = sum(event.get("dropped_lines", 0) for event in found)
    assert dropped > 0
    # Of everything: the two starts, each signal and TERM twice, the child's end, and pyinit's.
    assert [event for event in found if event["event"] == "exiting"] == found[-1:]
    assert dropped + len(found) == 2 + 2 * (MANY + 1) + 2


def test_a_full_pipe_does_not_keep_it_from_ending(mode: str) -> None:
    """All that an init does, with nobody who reads about it."""
    with full_pipe() as (_, writer):
        assert exercise(writer, mode) == (7, EXERCISED)


def exercise(fd: int, mode: str) -> tuple[int, str]:
    """Run the exercise with ``fd`` as stderr and every event on it; return code and stdout."""
    with Container(python("exercise.py"), mode=mode, options=["-vv"], stderr=fd) as container:
        out = container.rest()
        return container.wait(), out


@pytest.mark.parametrize("stopped", [True, False])
def test_a_terminal_that_takes_nothing_stops_nobody(namespaces: None, *, stopped: bool) -> None:
    """Output stopped by ^S, or a window that nobody reads until the kernel's buffer is full."""
    master, slave = os.openpty()
    try:
        if stopped:
            termios.tcflow(slave, termios.TCOOFF)
        with Container(python("record.py"), options=["-vv"], stderr=slave) as container:
            container.expect("ready")
            relay_many(container, 100 if stopped else MANY)
            container.signal(signal.SIGTERM)
            container.expect("TERM")
            assert container.wait() == 0
        # The flag would be seen by all who share the description.
        assert not fcntl.fcntl(slave, fcntl.F_GETFL) & os.O_NONBLOCK
        assert stopped or len(read_now(master)) > 10_000
    finally:
        os.close(master)
        os.close(slave)


def test_a_pipe_without_a_reader_does_not_signal_the_command(namespaces: None) -> None:
    """The write makes SIGPIPE for pyinit: relayed, it would end a command that never wrote."""
    reader, writer = os.pipe()
    os.close(reader)
    with Container(python("record.py"), options=["-vv"], stderr=writer) as container:
        os.close(writer)
        container.expect("ready")
        relay_many(container, 3)
        container.signal(signal.SIGPIPE)  # this one is meant for it
        container.expect("PIPE")
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        assert container.wait() == 0


def test_a_file_at_its_limit_does_not_signal_the_command(namespaces: None, tmp_path: Path) -> None:
    """The same with SIGXFSZ, where RLIMIT_FSIZE is reached (setrlimit(2))."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))

    with (
        (tmp_path / "log").open("wb") as file,
        Container(
            python("record.py"), options=["-vv"], stderr=file.fileno(), preexec=limit
        ) as container,
    ):
        container.expect("ready")
        relay_many(container, 3)
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        assert container.wait() == 0


def test_a_full_disk_stops_nobody(mode: str) -> None:
    """ENOSPC for every line."""
    with open("/dev/full", "wb") as full:
        assert exercise(full.fileno(), mode) == (7, EXERCISED)


def test_a_socket_tears_no_line(namespaces: None) -> None:
    """One with hardly any room takes parts of lines: the rest of each comes before the next one."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        with Container(python("record.py"), options=["-vv"], stderr=theirs.fileno()) as container:
            container.expect("ready")
            relay_many(container)
            log = b""
            # Until those before have been told of, or dropped; of each this line is the last.
            while not re.search(rb"signal_relayed[^\n]*SIGUSR2", log):
                container.signal(signal.SIGUSR2)
                container.expect("USR2")
                select.select([ours], [], [], 0.1)  # a line that is dropped does not come
                log += read_now(ours.fileno())
            container.signal(signal.SIGTERM)
            container.expect("TERM")
            while b'"exiting"' not in log and select.select([ours], [], [], DEADLINE_S)[0]:
                log += read_now(ours.fileno())
            assert container.wait() == 0
    assert logged(log.decode())[-1]["event"] == "exiting"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_descriptors_stop_nobody(closed: str, namespaces: None) -> None:
    """Started with 0, 1 or 2 closed, every event asked for: it goes through all of it."""
    script = f'exec "$@" {closed}'
    before = ("sh", "-c", script, "sh")
    assert run(python("exercise.py"), options=["-vv"], before=before)[0] == 7


def own_descriptors(pid: int) -> list[int]:
    """Return the numbers of all descriptors but libffi's."""
    return sorted(fd for fd, file in open_files(pid).items() if "libffi" not in file)


def test_a_quiet_run_opens_nothing_for_its_log(namespaces: None) -> None:
    """Once it waits it has 0, 1 and 2 alone, also where stderr is a terminal.

    And as a subreaper the file of libffi where that holds it open itself, as 3.5 does for its
    trampolines.
    """
    master, slave = os.openpty()
    try:
        with Container(python("record.py"), stderr=slave) as container:
            container.expect("ready")
            until(lambda: own_descriptors(container.pid) == [0, 1, 2], "it has 0, 1, 2 alone")
    finally:
        os.close(master)
        os.close(slave)
