"""-w warns of each orphan that is reaped: its PID, its name and how it ended."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.cases import in_turn
from tests.conftest import need
from tests.harness import Container, children, logged, python, run, unexplained, until

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any


def warnings(text: str) -> list[tuple[int, str, str]]:
    """Return PID, name and end of each warning; every line has to be one."""
    found = logged(unexplained(text))
    assert {(each["level"], each["event"]) for each in found} == {("warning", "orphan_reaped")}
    return [(each["pid"], each["name"], end_of(each)) for each in found]


def end_of(event: dict[str, Any]) -> str:
    """Return how an orphan ended."""
    return f"signal={event['signal']}" if "signal" in event else f"exit_code={event['exit_code']}"


@in_turn(
    ("script", "name", "end"),
    [
        ("exit 3", "sh", "exit_code=3"),
        ("exit 0", "sh", "exit_code=0"),
        ("kill -9 $$", "sh", "signal=SIGKILL"),
        ("kill -35 $$", "sh", "signal=SIGRTMIN+1"),
        ("exec sleep 0", "sleep", "exit_code=0"),
    ],
)
def test_name_and_end(script: str, name: str, end: str, mode: str) -> None:
    """The name can be told only before it is reaped: it is gone with the process."""
    # The pipe's other end is read to its end: the orphan has ended before the command does.
    command = ["sh", "-c", '(sh -c "$0" 3>&1 >/dev/null &) | cat; kill -TERM $$', script]
    with Container(command, options=["-w"], mode=mode) as container:
        code = container.wait()
        assert code == 128 + signal.SIGTERM
        assert [found[1:] for found in warnings(container.errors())] == [(name, end)]


def test_the_main_child_is_no_orphan(mode: str) -> None:
    """Neither its end nor that of its own children, which it reaps itself, is warned of."""
    assert run(["sh", "-c", "true; sleep 0 & wait; exit 3"], options=["-w"], mode=mode) == (
        3,
        "",
        "",
    )


@pytest.mark.parametrize("number", [200, pytest.param(1000, marks=pytest.mark.long)])
@pytest.mark.parametrize("how", ["5", "at-once"])
def test_each_of_hundreds_once(how: str, mode: str, number: int, tmp_path: Path) -> None:
    """Also when they end while the main child does; a file takes all lines, other than a pipe."""
    log = tmp_path / "log"
    with (
        log.open("wb") as file,
        Container(
            python("orphans.py", str(number), how),
            options=["-w"],
            mode=mode,
            stdin=subprocess.PIPE,
            stderr=file.fileno(),
        ) as container,
    ):
        container.expect("ready")
        container.close_stdin()
        if how == "5":
            container.expect("ended")
            until(lambda: len(children(container.pid)) == 1, "all are reaped", container.pid)
            container.signal(signal.SIGTERM)
        assert container.wait() == 7
    found = warnings(log.read_text())
    assert len({pid for pid, *_ in found}) == len(found) == number
    assert {end for *_, end in found} == {"exit_code=5" if how == "5" else "exit_code=0"}


def test_an_orphan_that_ends_while_others_are_looked_for(mode: str, tmp_path: Path) -> None:
    """It is named too.  strace(1) has each look take 50 ms; its file says that it was so."""
    need("strace")
    log = tmp_path / "log"
    before = ["strace", "-f", "-qq", "-o", str(log), "-e", "trace=waitid"]
    before += ["-e", "inject=waitid:delay_exit=50000"]
    # The second of two ends 75 ms after the first: in the look that finds no other.
    script = 'trap "" TERM; (for i in 5 8; do sleep .$i & sleep .${i}75 & done)'
    command = ["sh", "-c", f"{script}; exit 7"]
    with Container(command, options=["-w"], mode=mode, before=before) as container:
        assert container.wait() == 7
        found = warnings(container.errors())
    assert "DELAYED" in log.read_text()
    assert {name for _, name, _ in found} == {"sleep"}


def test_without_w_nothing_is_said(mode: str) -> None:
    """Orphans are an init's daily bread."""
    assert run(["sh", "-c", "(sleep 0 &); exit 3"], mode=mode) == (3, "", "")
