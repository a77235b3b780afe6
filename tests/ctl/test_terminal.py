"""``pyinitctl run -t`` and ``exec -t``: a terminal for the command, shown on ours."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import termios
from typing import TYPE_CHECKING

import pytest

from tests import harness
from tests.harness import DEADLINE_S, PYINITCTL, UNSHARE_USER, Container, children, python, until
from tests.terminals import END, INTERRUPT, SETSID, Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RUN = (*PYINITCTL, "run", *(("--map-root-user",) if UNSHARE_USER else ()), "-t", "--")


@pytest.fixture(params=["run", "exec"])
def start(request: pytest.FixtureRequest, namespaces: None) -> Iterator[tuple[str, ...]]:
    """Run the test with `run -t`, and with `exec -t` in a container."""
    if request.param == "run":
        yield RUN
        return
    with Container(python("record.py", "TERM")) as container:
        container.expect("ready")
        yield (*PYINITCTL, "exec", str(container.pid), "-t", "--grace", "1000", "--")


@contextlib.contextmanager
def shown(*words: str) -> Iterator[tuple[Terminal, subprocess.Popen[bytes]]]:
    """Start a command on a terminal that is its controlling one."""
    with Terminal() as terminal:
        terminal.resize(30, 100)
        with subprocess.Popen(
            [*SETSID, *words],
            stdin=terminal.slave,
            stdout=terminal.slave,
            stderr=terminal.slave,
        ) as process:
            try:
                yield terminal, process
            finally:
                process.kill()


def is_raw(terminal: Terminal) -> bool:
    """Return whether keys are passed on as they are."""
    return not termios.tcgetattr(terminal.slave)[3] & (termios.ICANON | termios.ISIG)


def test_it_is_a_terminal_of_its_own(start: Sequence[str]) -> None:
    """The controlling one, with its foreground, of the size that ours has."""
    script = (
        "test -t 0 && test -t 1 && test -t 2 && : </dev/tty && stty size && exec ps -o stat= $$"
    )
    with shown(*start, "sh", "-c", script) as (terminal, process):
        terminal.expect("30 100\r\n", "+")
        assert process.wait(DEADLINE_S) == 0


def test_ours_is_raw_meanwhile_and_restored(start: Sequence[str]) -> None:
    """All attributes, whatever the exit code."""
    with shown(*start, "sh", "-c", "echo ready; read -r line; exit 5") as (terminal, process):
        terminal.expect("ready\r\n")
        assert is_raw(terminal)
        terminal.type("line\r")
        assert process.wait(DEADLINE_S) == 5
        assert termios.tcgetattr(terminal.slave) == terminal.attributes


def test_a_new_size_is_passed_on(start: Sequence[str]) -> None:
    """The command gets WINCH from its own terminal."""
    script = "trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done"
    with shown(*start, "sh", "-c", script) as (terminal, _):
        terminal.expect("ready\r\n")
        terminal.resize(41, 141)
        terminal.expect("41 141\r\n")


def test_keys_that_interrupt_reach_the_command(start: Sequence[str]) -> None:
    """Not pyinitctl: the command's own terminal makes the signal."""
    with shown(*start, "sh", "-c", "trap 'echo got; exit 6' INT; echo ready; read -r _") as (
        terminal,
        process,
    ):
        terminal.expect("ready\r\n")
        # The line ends a read that has begun when the signal had already been noted.
        terminal.type(f"{INTERRUPT}\r")
        terminal.expect("got\r\n")
        assert process.wait(DEADLINE_S) == 6


def test_the_key_that_ends_the_input(start: Sequence[str]) -> None:
    """Is the command's end of file."""
    with shown(*start, "sh", "-c", "echo ready; cat; echo end") as (terminal, process):
        terminal.expect("ready\r\n")
        terminal.type(f"text\r{END}")
        terminal.expect("text\r\n", "end\r\n")
        assert process.wait(DEADLINE_S) == 0


def piped(start: Sequence[str], *command: str, data: bytes = b"") -> tuple[int, bytes]:
    """Run a command with a pipe on either side; return exit code and output."""
    done = subprocess.run(
        [*start, *command],
        input=data,
        stdout=subprocess.PIPE,
        timeout=DEADLINE_S,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("text", ["line\n", "line\nrest", "", "rest"])
def test_the_end_of_a_pipe_is_an_end_of_file(start: Sequence[str], text: str) -> None:
    """Also in the middle of a line."""
    command = ("sh", "-c", "stty -echo; echo ready; cat; echo; echo end")
    with subprocess.Popen(
        [*start, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\r\n"
        process.stdin.write(text.encode())
        process.stdin.close()
        assert process.stdout.read() == text.replace("\n", "\r\n").encode() + b"\r\nend\r\n"
        assert process.wait(DEADLINE_S) == 0


def test_a_big_output_is_whole(start: Sequence[str]) -> None:
    """What is still in the terminal when the command ends is shown too."""
    code, out = piped(start, "seq", "60000")
    assert code == 0
    assert out == b"".join(b"%d\r\n" % number for number in range(1, 60001))


def test_big_input_and_output_do_not_wait_for_each_other(start: Sequence[str]) -> None:
    """A command that writes as it reads, with a reader as fast as the writer."""
    data = b"".join(b"%d\n" % number for number in range(30000))
    code, out = piped(start, "sh", "-c", "stty -echo -icanon min 1; head -c 168890", data=data)
    assert code == 0
    assert out.replace(b"\r\n", b"\n").endswith(data[-1000:]), (len(out), len(data))


def test_input_that_is_not_read_does_not_keep_signals_back(start: Sequence[str]) -> None:
    """Nor the end: more than a terminal holds waits to be typed."""
    with subprocess.Popen(
        [
            *start,
            "sh",
            "-c",
            "stty raw; trap 'exit 7' USR1; echo ready; while :; do sleep 0.05; done",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stdout.readline().strip() == b"ready"
            os.set_blocking(process.stdin.fileno(), False)
            fd = process.stdin.fileno()
            until(lambda: fill(fd), "nothing more is taken")
            process.send_signal(signal.SIGUSR1)
            assert process.wait(DEADLINE_S) == 7
        finally:
            process.kill()


def fill(fd: int) -> bool:
    """Write; return whether there is no more room."""
    try:
        os.write(fd, bytes(65536))
    except BlockingIOError:
        return True
    return False


def test_output_that_is_not_read_does_not_keep_signals_back(start: Sequence[str]) -> None:
    """The command is killed though whoever reads its output has stopped."""
    with subprocess.Popen(
        [*start, "sh", "-c", "echo ready; exec cat /dev/zero"], stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            # A terminal can give the line in two pieces.
            assert process.stdout.readline() == b"ready\r\n"
            (init,) = children(process.pid)
            until(lambda: waits(children(init)), "cat waits")
            process.terminate()
            process.terminate()
            assert init_ends(init)
        finally:
            process.kill()


def waits(pids: Sequence[int]) -> bool:
    """Return whether the only process sleeps."""
    return len(pids) == 1 and harness.status_field(pids[0], "State")[0] == "S"


def init_ends(pid: int) -> bool:
    """Wait until it is a zombie or gone."""
    until(lambda: not children(pid), "it has no children any more")
    return True


def test_a_reader_that_goes_away_is_a_hang_up(start: Sequence[str]) -> None:
    """As when a window is closed: the command gets HUP."""
    with subprocess.Popen(
        [*start, "sh", "-c", "trap 'exit 9' HUP; while :; do echo more; sleep 0.05; done"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline()
            process.stdout.close()
            assert process.wait(DEADLINE_S) == 9
        finally:
            process.kill()


def test_a_process_that_keeps_the_terminal_open_keeps_nobody(start: Sequence[str]) -> None:
    """It is ended with the command, and heard of until then."""
    leave = python("leave.py", "daemon", "slow")
    code, out = piped(start, "sh", "-c", f"stty -echo; {' '.join(leave)} </dev/null")
    assert code == 7
    assert out.split() == [b"ready", b"TERM", b"done"]


def test_with_stdin_closed(start: Sequence[str]) -> None:
    """There is nothing to be typed."""
    words = ["sh", "-c", 'exec "$@" <&-', "sh", *start, "echo", "shown"]
    done = subprocess.run(words, capture_output=True, timeout=DEADLINE_S, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"shown\r\n", b"")


def test_a_timeout_with_a_terminal(namespaces: None) -> None:
    """124, and our terminal is as it was."""
    with Container(python("record.py", "TERM")) as container:
        container.expect("ready")
        words = (
            *PYINITCTL,
            "exec",
            str(container.pid),
            "-t",
            "--timeout",
            "0.3",
            "--",
            "sleep",
            "1000",
        )
        with shown(*words) as (terminal, process):
            assert process.wait(DEADLINE_S) == 124
            assert termios.tcgetattr(terminal.slave) == terminal.attributes
