"""Whom SIGKILL does not make go away is named, and pyinit ends as far as the kernel lets it."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess

import pytest

from tests.harness import PID1, SUBREAPER, Container, children, python

PTRACE_SEIZE = 0x4206
WALL = 0x40000000


def seize(pid: int) -> None:
    """Trace process ``pid``, without stopping it; see ptrace(2)."""
    libc = ctypes.CDLL(None, use_errno=True)
    null = ctypes.c_void_p(None)
    if libc.ptrace(PTRACE_SEIZE, ctypes.c_int(pid), null, null) == -1:
        raise OSError(ctypes.get_errno(), "ptrace")


@pytest.mark.parametrize(("grace", "mode"), [("0", PID1), ("0.1", SUBREAPER)], indirect=["mode"])
def test_a_traced_leftover(grace: str, mode: str) -> None:
    """Killed, it stays a zombie that only its tracer can reap, here the test; then pyinit goes on.

    As PID 1 its exit waits in the kernel for that; a subreaper is free.
    """
    with Container(
        python("leave.py", "session", "ignore"),
        options=["--grace", grace],
        mode=mode,
        stdin=subprocess.PIPE,
    ) as container:
        container.expect("ready")
        (leftover,) = children(container.main_child())
        seize(leftover)
        try:
            container.close_stdin()
            line = container.line(2)
            assert "leftovers_blocked" in line
            assert "]: ended, to be reaped by its tracer first" in line
        finally:
            os.kill(leftover, signal.SIGKILL)
            os.waitpid(leftover, WALL)
        assert container.wait() == 7
        if mode == SUBREAPER:
            assert container.survivors == []
