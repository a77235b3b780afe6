"""Whatever kill(2) answers, pyinit goes on; it says what it could not relay."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests import conftest
from tests.harness import Container, python
from tests.terminals import until_settled

if TYPE_CHECKING:
    from collections.abc import Iterator

# An init that is root, but not the master of everybody; setpriv(1) needs no shell for it.
WITHOUT_KILL = ("setpriv", "--bounding-set", "-kill", "--inh-caps", "-kill")
OTHER_USER = ("setpriv", "--reuid", "65534", "--clear-groups")


@contextlib.contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    """Make a pipe: the end to read from, and the end to write to."""
    reader, writer = os.pipe()
    try:
        yield reader, writer
    finally:
        os.close(reader)
        os.close(writer)


@pytest.mark.parametrize("options", [[], ["-g"]])
def test_a_child_under_another_user_does_not_end_pyinit(mode: str, options: list[str]) -> None:
    """Kill(2) says EPERM without CAP_KILL: each signal is warned of, and the exit code arrives."""
    if os.geteuid() != 0:
        conftest.missing("root")
    conftest.need("setpriv")
    command = [*OTHER_USER, "sh", "-c", "echo ready; read -r line; exit 7"]
    with (
        pipe() as (reader, writer),
        Container(
            command, options=options, mode=mode, before=WITHOUT_KILL, stdin=reader
        ) as container,
    ):
        container.expect("ready")
        for number in (signal.SIGUSR1, signal.SIGTSTP, signal.SIGTERM, signal.SIGINT):
            container.signal(number)
            warning = container.line(fd=2)
            assert "signal_dropped" in warning
            assert number.name in warning
            assert "Operation not permitted" in warning
        for real_time in range(signal.SIGRTMIN, signal.SIGRTMAX + 1):
            container.signal(real_time)
            assert "signal_dropped" in container.line(fd=2)
        os.write(writer, b"end\n")
        assert container.wait() == 7


def test_signals_after_the_childs_end_change_nothing(mode: str) -> None:
    """What is left of the container gets none of them, and the exit code stands."""
    leftover = " ".join(python("record.py", "-"))
    command = ["sh", "-c", f"{leftover} & read -r line; exit 3"]
    with (
        pipe() as (reader, writer),
        Container(command, options=["--grace", "1000"], mode=mode, stdin=reader) as container,
    ):
        container.expect("ready")
        left = container.descendants()[-1]
        os.write(writer, b"end\n")
        # The teardown has begun.
        assert {container.line(), container.line()} == {"TERM", "CONT"}
        for number in (signal.SIGUSR1, signal.SIGHUP, signal.SIGWINCH, signal.SIGRTMIN):
            container.signal(number)
        until_settled(container.pid)
        os.kill(left, signal.SIGUSR2)
        container.expect("USR2")
        os.kill(left, signal.SIGKILL)
        assert container.wait() == 3
