"""``pyinitctl status --watch``: again and again until the init's end, which it tells."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import termios
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests import conftest
from tests.ctl.views import run
from tests.harness import DEADLINE_S, PYINITCTL, Container, python, status_field, until
from tests.kept import until_told
from tests.terminals import INTERRUPT, SUSPEND, Terminal, state

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("namespaces")

WAITING = python("record.py", "USR1", "TERM")
OTHER_SCREEN = "\x1b[?1049h"
FIRST_SCREEN = "\x1b[?1049l"
HOME = "\x1b[H"
CURSOR = "\x1b[?25h"


@contextlib.contextmanager
def watching(*words: str) -> Iterator[subprocess.Popen[str]]:
    """Watch, with the output in a pipe."""
    command = [*PYINITCTL, "status", "--watch", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def line(process: subprocess.Popen[str]) -> Any:
    """Return what the next line says."""
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


def test_one_object_a_line(tmp_path: Path) -> None:
    """The last one says that the init has ended, and how."""
    path = tmp_path / "status"
    with Container(WAITING, options=["--status-file", str(path)]) as container:
        container.expect("ready")
        until_told(path, lambda told: told["child"], container)
        words = ("--json", "--interval", "0.1", str(container.pid))
        with watching(*words) as process:
            first, second = line(process), line(process)
            assert (first["cpu_over_s"], first["ended"]) == (None, False)
            assert second["cpu_over_s"] >= 0.09
            assert len(second["processes"]) == 2
            container.signal(signal.SIGTERM)
            while not (last := line(process))["ended"]:
                pass
            assert process.wait(DEADLINE_S) == 0
        assert last["facts"]["state"] == "done"
        assert last["facts"]["exit_code"] == 0
        assert last["facts"]["stop"]["signal"] == "SIGTERM"
        assert last["processes"] == []


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_one_block_after_the_other(end: signal.Signals, tmp_path: Path) -> None:
    """An init that was killed could not write that it ends, and this is told too."""
    path = tmp_path / "status"
    with Container(WAITING, options=["--status-file", str(path)]) as container:
        container.expect("ready")
        until_told(path, lambda told: told["child"], container)
        with watching("--interval", "1000", str(container.pid)) as process:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("init ")
            while process.stdout.readline() != "\n":
                pass  # the heading
            assert process.stdout.readline().split()[-1] == "COMMAND"
            container.signal(end)
            rest = process.stdout.read()
            assert process.wait(DEADLINE_S) == 0
        assert "\x1b" not in rest
        last = rest.strip().split("\n\n")[-1].split("\n")
        assert last[0].startswith("init ")
        if end == signal.SIGTERM:
            assert last[-1].startswith("end          exit code 0: exited with 0, ")
        else:
            expected = "end          the init was killed: its status file says nothing of an end"
            assert last[-1] == expected


def test_the_last_state_is_read_where_it_was(tmp_path: Path) -> None:
    """In a mount namespace that has gone with the init."""
    mount = f'mount -t tmpfs none {tmp_path} && exec "$@"'
    options = ["--status-file", str(tmp_path / "status")]
    before = ["/bin/sh", "-c", mount, "sh"]
    with Container(WAITING, options=options, before=before) as container:
        container.expect("ready")
        path = tmp_path.__class__(f"/proc/{container.pid}/root{tmp_path}/status")
        until_told(path, lambda told: told["child"], container)
        with watching("--json", "--interval", "1000", str(container.pid)) as process:
            assert line(process)["facts"]["state"] == "running"
            container.signal(signal.SIGTERM)
            assert line(process)["facts"]["state"] == "done"


def test_what_is_used_between_two_looks() -> None:
    """One that did nothing uses nothing, whatever it has used before."""
    burn = (
        "import time\n"
        "while time.process_time() < 0.5: pass\n"
        "print('ready', flush=True); input()\n"
        "while True: time.sleep(0.01); [i for i in range(10000)]\n"
    )
    with Container([sys.executable, "-IS", "-c", burn], stdin=subprocess.PIPE) as container:
        container.expect("ready")
        until(lambda: state(container.main_child()) == "S", "it waits for a line")
        with watching("--json", "--interval", "0.2", str(container.pid)) as process:
            assert line(process)["processes"][0]["cpu_percent"] > 0
            (second,) = (
                each for each in line(process)["processes"] if each["pid"] != container.pid
            )
            assert second["cpu_percent"] == 0
            assert second["cpu_s"] >= 0.49
            assert container.process.stdin is not None
            container.process.stdin.write(b"\n")
            container.process.stdin.flush()
            while not line(process)["processes"][0]["cpu_percent"] > 0:
                pass


@contextlib.contextmanager
def on_terminal(terminal: Terminal, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """Watch on a terminal, as its foreground."""
    env = {**os.environ, "TERM": "xterm"}
    env.pop("COLUMNS", None)
    process = subprocess.Popen(
        ["setsid", "--ctty", *PYINITCTL, "status", "--watch", "--interval", "1000", *words],
        stdin=terminal.slave,
        stdout=terminal.slave,
        stderr=terminal.slave,
        env=env,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def expect_first_look(terminal: Terminal) -> None:
    """See that it is shown on the other screen."""
    terminal.expect(OTHER_SCREEN, HOME, "init  ", "COMMAND", "\x1b[J")


@pytest.mark.parametrize("way", ["^C", "TERM"])
def test_the_terminal_is_restored(way: str) -> None:
    """And what was shown last stays there; ^C is how one leaves, other signals are told."""
    with Container(WAITING) as container, Terminal() as terminal:
        container.expect("ready")
        terminal.resize(24, 80)
        with on_terminal(terminal, str(container.pid)) as process:
            expect_first_look(terminal)
            if way == "^C":
                terminal.type(INTERRUPT)
            else:
                process.send_signal(signal.SIGTERM)
            terminal.expect(CURSOR, FIRST_SCREEN, "init  ", "COMMAND")
            assert process.wait(DEADLINE_S) == (0 if way == "^C" else -signal.SIGTERM)


def test_a_new_size_is_heeded_at_once() -> None:
    """Not only at the next look, for which this test would not wait."""
    command = ["sh", "-c", "echo ready; read _; :", "x" * 100]
    with Container(command, stdin=subprocess.PIPE) as container, Terminal() as terminal:
        container.expect("ready")
        terminal.resize(24, 80)
        with on_terminal(terminal, str(container.pid)):
            expect_first_look(terminal)
            terminal.resize(24, 400)
            terminal.expect(HOME, "x" * 100)
            terminal.resize(4, 80)
            terminal.expect(HOME, "init  ", "uptime", "status file", "processes", "\x1b[J")


def test_it_can_be_stopped_for_a_while() -> None:
    """The shell finds its screen as it was; then all is shown again."""
    with Container(WAITING) as container, Terminal() as terminal:
        container.expect("ready")
        terminal.resize(24, 80)
        with on_terminal(terminal, str(container.pid)) as process:
            expect_first_look(terminal)
            terminal.type(SUSPEND)
            terminal.expect(FIRST_SCREEN)
            until(lambda: state(process.pid) == "T", "it has stopped", process.pid)
            process.send_signal(signal.SIGCONT)
            expect_first_look(terminal)


def test_the_end_of_the_init_ends_it() -> None:
    """It is said on the first screen."""
    with Container(WAITING) as container, Terminal() as terminal:
        container.expect("ready")
        terminal.resize(24, 80)
        with on_terminal(terminal, str(container.pid)) as process:
            expect_first_look(terminal)
            container.signal(signal.SIGTERM)
            terminal.expect(FIRST_SCREEN, "init  ", "end          the init has ended")
            assert process.wait(DEADLINE_S) == 0


def test_a_reader_that_has_enough_ends_it() -> None:
    """In silence, at the next look."""
    with Container(WAITING) as container:
        container.expect("ready")
        reader, writer = os.pipe()
        os.close(reader)
        words = ["status", "--watch", "--interval", "0.1", str(container.pid)]
        done = subprocess.run(
            [*PYINITCTL, *words], stdout=writer, stderr=subprocess.PIPE, check=False
        )
        os.close(writer)
        assert (done.returncode, done.stderr) == (-signal.SIGPIPE, b"")


def unfinished(log: Path) -> str:
    """Return the wait that strace(1) has seen begin, and nothing else since; or nothing."""
    last = log.read_text().rpartition("\n")[2]
    return last if last.startswith("rt_sigtimedwait(") else ""


def test_the_init_makes_no_system_call_for_it(tmp_path: Path) -> None:
    """One wait is all there is, from before the looks to the signal that comes after them."""
    conftest.need("strace")
    log, path = tmp_path / "log", tmp_path / "status"
    before = ["strace", "-D", "-qq", "-o", str(log)]
    options = ["--status-file", str(path)]
    with Container(WAITING, before=before, options=options) as container:
        container.expect("ready")
        until_told(path, lambda told: told["child"], container)
        until(lambda: unfinished(log), "the init waits", container.pid)
        before_looks = log.read_text()
        for words in ([], ["--json"]):
            run("status", str(container.pid), *words)
        with watching("--json", "--interval", "0.1", str(container.pid)) as process:
            for _ in range(3):
                assert line(process)["facts"]["state"] == "running"
        assert log.read_text() == before_looks
        container.signal(signal.SIGUSR1)
        container.expect("USR1")
        answer = log.read_text().removeprefix(before_looks)
        assert re.match(r"\{si_signo=SIGUSR1.*\) = 10 \(SIGUSR1\)\n", answer), answer


def waits(pid: int) -> bool:
    """Return whether it waits for a signal and has been switched away from, as a state S is not.

    The kernel tells where only of one that has (get_wchan in its sched/core.c).
    """
    return "sigtimedwait" in Path(f"/proc/{pid}/wchan").read_text(encoding="ascii")


def test_nothing_wakes_the_init_up(mode: str, tmp_path: Path) -> None:
    """The scheduler counts how often it went to sleep: not once more."""
    path = tmp_path / "status"
    with Container(WAITING, mode=mode, options=["--status-file", str(path)]) as container:
        container.expect("ready")
        until_told(path, lambda told: told["child"], container)
        until(lambda: waits(container.pid), "the init waits", container.pid)
        before = status_field(container.pid, "voluntary_ctxt_switches")
        with watching("--json", "--interval", "0.1", str(container.pid)) as process:
            for _ in range(3):
                line(process)
        assert status_field(container.pid, "voluntary_ctxt_switches") == before
        container.signal(signal.SIGUSR1)
        container.expect("USR1")
        until(
            lambda: int(status_field(container.pid, "voluntary_ctxt_switches")) > int(before),
            "the signal has woken it up",
            container.pid,
        )


def test_keys_sort_scroll_and_end_it() -> None:
    """As in top(1): s, the arrow keys, q; then the terminal is as it was."""
    command = ["sh", "-c", "sleep 1001 & sleep 1002 & sleep 1003 & echo ready; read _"]
    with Container(command, stdin=subprocess.PIPE) as container, Terminal() as terminal:
        container.expect("ready")
        terminal.resize(10, 80)
        before = termios.tcgetattr(terminal.slave)
        with on_terminal(terminal, "--sort", "start", str(container.pid)) as process:
            terminal.expect(HOME, "pyinit", "2 more, sorted by start")
            terminal.type("\x1b[B")
            terminal.expect(HOME, "1 above, 1 more, sorted by start")
            terminal.type("\x1bOA")
            terminal.expect(HOME, "2 more, sorted by start")
            terminal.type("s")
            terminal.expect(HOME, "2 more, sorted by pid")
            terminal.type("\x1b[C")
            terminal.expect(HOME, "COMMAND", "1001")  # of `sleep 1001`, 8 columns further
            terminal.type("\x1bOC\x1b[D\x1b[D")
            terminal.expect(HOME, "COMMAND", "sleep 1001")
            terminal.type("q")
            terminal.expect(CURSOR, FIRST_SCREEN)
            assert process.wait(DEADLINE_S) == 0
        assert termios.tcgetattr(terminal.slave) == before
