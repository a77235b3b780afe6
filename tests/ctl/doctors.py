"""What `pyinitctl doctor` is run with, and what it looks at."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

from pyinit import ctl
from pyinit.kernel import cgroups
from tests.harness import DEADLINE_S, UNSHARE, children, status_field, until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pytest


def not_in_background() -> None:
    """Have INT and QUIT as a container has them: tests in the background have them ignored."""
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)


@contextlib.contextmanager
def namespace(
    *command: str, before: Sequence[str] = UNSHARE, lines: int = 1, **options: Any
) -> Iterator[int]:
    """Run ``command`` as PID 1 of a namespace; give its PID when it has printed ``lines``."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    how: dict[str, Any] = pipes | {"preexec_fn": not_in_background} | options
    process = subprocess.Popen([*before, *command], **how)
    try:
        for _ in range(lines):
            assert process.stdout is not None
            assert process.stdout.readline()
        until(lambda: children(process.pid), "unshare(1) has started it", process.pid)
        yield children(process.pid)[0]
    finally:
        for pid in children(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.send_signal(signal.SIGCONT)
        process.wait(DEADLINE_S)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


def examine(capsys: pytest.CaptureFixture[str], *words: object) -> Any:
    """Return what `pyinitctl doctor` says as JSON; the exit code has to go with it."""
    code = ctl.main(["doctor", *map(str, words), "--json"])
    found = json.loads(capsys.readouterr().out)
    # Of other users' containers, which may be there as well.
    found["not_checked"] = [each for each in found["not_checked"] if each["id"] != "processes"]
    assert code == int("problem" in severities(found).values())
    return found


def severities(found: Any) -> dict[str, str]:
    """Return the findings and how bad they are."""
    return {each["id"]: each["severity"] for each in found["findings"]}


def finding(found: Any, name: str) -> Any:
    """Return the one finding of that name."""
    (one,) = (each for each in found["findings"] if each["id"] == name)
    assert name not in found["passed"]
    return one


def named(one: Any) -> list[int]:
    """Return the numbers in the container of those whom a finding is about."""
    return [each["inner_pid"] for each in one["processes"]]


def use_cgroup(
    monkeypatch: pytest.MonkeyPatch, directory: Path, controller: str = "", **files: str
) -> None:
    """Make everybody's only cgroup ``directory``, with ``files``, whose first _ is a dot.

    Of version 2, unless it has a ``controller``.
    """
    for name, text in files.items():
        (directory / name.replace("_", ".", 1)).write_text(text)
    monkeypatch.setattr(cgroups, "by_controller", lambda *_: {controller: str(directory)})


def runs(pid: int, name: str) -> bool:
    """Return whether a child of a process is a program of that name."""
    found = children(pid)
    return bool(found) and status_field(found[0], "Name") == name
