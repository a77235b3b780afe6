"""--report fd:N: to who holds the other end, who may read it, not read it, or be gone."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
from typing import TYPE_CHECKING

import pytest

from tests.harness import Container, python, run
from tests.robust.test_stderr import full_pipe, read_now

if TYPE_CHECKING:
    from collections.abc import Iterator

EXITS = ["sh", "-c", "exit 7"]
SMALLEST_PIPE = 4096


@contextlib.contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    """Make a pipe, for a ``with`` statement."""
    ends = os.pipe()
    try:
        yield ends
    finally:
        for fd in ends:
            with contextlib.suppress(OSError):
                os.close(fd)


def fd_option(fd: int) -> list[str]:
    """Return what asks for a report to a descriptor."""
    return ["--report", f"fd:{fd}"]


def read_to_end(fd: int) -> bytes:
    """Return all that comes."""
    blocks = []
    while block := os.read(fd, 65536):
        blocks.append(block)
    return b"".join(blocks)


def test_a_parent_reads_it(namespaces: None) -> None:
    """It comes whole, in one line, and then the end of the pipe: the command does not hold it."""
    with pipe() as (reader, writer):
        command = ["sh", "-c", "sleep 1000 & exit 7"]
        options = [*fd_option(writer), "--grace", "0"]
        with Container(command, options=options, pass_fds=[writer]) as container:
            os.close(writer)
            data = read_to_end(reader)
            assert container.wait() == 7
    assert data.endswith(b"}\n")
    assert json.loads(data)["teardown"]["count"] == 1


def test_the_command_does_not_get_it(namespaces: None) -> None:
    """Whoever waits for the end of the pipe waits for pyinit alone."""
    with pipe() as (reader, writer):
        command = ["sh", "-c", f"test ! -e /proc/self/fd/{writer}"]
        code, _, _ = run(command, options=fd_option(writer), pass_fds=[writer])
        assert code == 0
        assert json.loads(read_now(reader))["exit_code"] == 0


def test_a_pipe_smaller_than_the_report(namespaces: None) -> None:
    """Who has begun to read is waited for."""
    with pipe() as (reader, writer):
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, SMALLEST_PIPE)
        with Container(
            ["sh", "-c", "exit 7", "x" * 2 * SMALLEST_PIPE],
            options=fd_option(writer),
            pass_fds=[writer],
        ) as container:
            os.close(writer)
            data = read_to_end(reader)
            assert container.wait() == 7
    assert len(data) > SMALLEST_PIPE
    assert json.loads(data)["exit_code"] == 7


def test_a_full_pipe_is_not_waited_for(namespaces: None) -> None:
    """Nobody reads: that is said, and all else goes on."""
    with full_pipe() as (_, writer):
        code, _, errors = run(EXITS, options=fd_option(writer), pass_fds=[writer])
    assert code == 7
    assert '"event": "not_written"' in errors
    assert f'"path": "fd:{writer}", "reason": "no process reads it"' in errors


def test_a_pipe_without_a_reader(namespaces: None) -> None:
    """The SIGPIPE of the write is pyinit's own."""
    with pipe() as (reader, writer):
        os.close(reader)
        code, _, errors = run(EXITS, options=fd_option(writer), pass_fds=[writer])
    assert code == 7
    assert '"reason": "Broken pipe"' in errors


def test_a_socket(namespaces: None) -> None:
    """As good as a pipe."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        fd = theirs.fileno()
        assert run(EXITS, options=fd_option(fd), pass_fds=[fd])[0] == 7
        assert json.loads(read_now(ours.fileno()))["exit_code"] == 7


def test_stderr(namespaces: None) -> None:
    """One of the three that are always there; the command keeps those."""
    command = ["sh", "-c", "echo mine >&2; exit 7"]
    code, _, errors = run(command, options=["--report", "fd:2"])
    assert code == 7
    mine, report = errors.splitlines()
    assert mine == "mine"
    assert json.loads(report)["exit_code"] == 7


@pytest.mark.parametrize("number", ["9", "1"])
def test_one_that_is_not_open(number: str, namespaces: None) -> None:
    """A mistake, told before anything is started."""
    before = ["sh", "-c", f'exec "$@" {number}>&-', "sh"]
    code, out, errors = run(
        ["sh", "-c", "echo started >&2"],
        options=["--report", f"fd:{number}"],
        before=before,
    )
    assert (code, out) == (125, "")
    told = f"--report (or PYINIT_REPORT): descriptor {number} is not open"
    assert errors == f"pyinit: {told}: expected one that is, such as 2 for stderr\n"


def test_one_that_can_only_be_read(namespaces: None) -> None:
    """The same."""
    with pipe() as (reader, _):
        code, out, errors = run(["echo", "started"], options=fd_option(reader), pass_fds=[reader])
    assert (code, out) == (125, "")
    assert f"descriptor {reader} is open for reading: expected one to write to" in errors


def test_one_by_its_path_is_checked_too(namespaces: None) -> None:
    """/dev/fd/9 is fd:9."""
    code, out, errors = run(["echo", "started"], options=["--report", "/dev/fd/9"])
    assert (code, out) == (125, "")
    assert "descriptor 9 is not open" in errors


def test_it_comes_when_all_have_ended(namespaces: None) -> None:
    """The last word: nobody of the namespace's is left to be told of."""
    with pipe() as (reader, writer):
        with Container(
            python("record.py", "USR1"), options=fd_option(writer), pass_fds=[writer]
        ) as container:
            container.expect("ready")
            container.signal(signal.SIGUSR1)
            container.expect("USR1")
            assert read_now(reader) == b""
            container.signal(signal.SIGTERM)
            assert container.wait() == 0
        report = json.loads(read_now(reader))
    assert [each["signal"] for each in report["signals"]] == ["SIGUSR1", "SIGTERM"]
