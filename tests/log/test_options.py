"""`--log-format`, `--log-fd`, `--log-file`: the form of the log, and where it goes."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.cases import in_turn
from tests.harness import PYINIT, Container, logged, python, run
from tests.terminals import session

if TYPE_CHECKING:
    from pathlib import Path


def test_elsewhere_than_on_a_terminal_it_is_json(namespaces: None) -> None:
    """A pipe or a file is read by programs."""
    code, _, err = run(["true"], options=["-v"])
    assert code == 0
    assert logged(err)[-1]["event"] == "exiting"


@pytest.mark.parametrize("mode", ["pid1", "subreaper"])
def test_on_a_terminal_it_is_for_people_and_in_colour(mode: str, namespaces: None) -> None:
    """Unless it is asked for otherwise."""
    env = {**os.environ, "TERM": "xterm"}
    env.pop("NO_COLOR", None)
    with session(["true"], mode=mode, options=["-v"], env=env) as (terminal, container):
        text = terminal.until("exiting")
        assert container.wait() == 0
    assert "\x1b[" in text
    assert "child_exited" in text
    assert '"event"' not in text


@pytest.mark.parametrize("variable", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_without_colour(variable: dict[str, str], namespaces: None) -> None:
    """Who does not want any says so by these, as to other programs."""
    env = {**os.environ, **variable}
    with session(["true"], mode="pid1", options=["-v"], env=env) as (terminal, container):
        text = terminal.until("exiting")
        assert container.wait() == 0
    assert "child_exited pid=2" in text
    assert "\x1b[" not in text


def test_console(mode: str) -> None:
    """Without colour in a pipe: time, level, event, fields."""
    _, _, err = run(["true"], mode=mode, options=["-v", "--log-format", "console"])
    first = err.splitlines()[0].split()
    assert first[0].endswith("Z")
    assert first[1:4] == ["[info", "]", "init_started"]
    assert "monotonic_s" not in err
    assert "\x1b" not in err


def test_logfmt(namespaces: None) -> None:
    """Words with an equals sign; what has blanks stands in quotes."""
    _, _, err = run(["sh", "-c", "exit 3"], options=["-v", "--log-format=logfmt"])
    last = err.splitlines()[-1]
    assert last.startswith("timestamp=")
    assert " level=info event=exiting " in last
    assert " exit_code=3 " in last
    assert ' cause="exited with 3"' in last


def test_a_variable_chooses_it_too(mode: str) -> None:
    """As for each option."""
    env = {**os.environ, "PYINIT_LOG_FORMAT": "LOGFMT", "PYINIT_LOG_LEVEL": "info"}
    assert " event=exiting " in run(["true"], mode=mode, env=env)[2]


def test_json_of_a_long_line_is_json(namespaces: None) -> None:
    """4,096 bytes at most: its longest field is cut, and the others are whole."""
    words = ["true", "é" * 3000, "x" * 9000, *map(str, range(3000))]
    _, _, err = run(words, options=["-v"])
    lines = err.splitlines()
    assert max(len(line.encode()) for line in lines) < 4096
    (started,) = (event for event in logged(err) if event["event"] == "child_started")
    assert started["command"][0] == "true"
    assert started["command"][-1] == "..."


@in_turn("style", ["console", "json", "logfmt"])
def test_no_style_lets_a_line_grow(style: str, mode: str) -> None:
    """Quotes and controls become longer when they are written; still each line is one."""
    word = '"\n\x1b=' * 3000
    _, _, err = run(["true", word], mode=mode, options=["-v", "--log-format", style])
    lines = err.splitlines()
    assert max(len(line.encode()) for line in lines) < 4096
    assert len(lines) == 4 + (style == "console")  # the summary


# -- Where it goes.


def test_a_file_gets_all_of_it(mode: str, tmp_path: Path) -> None:
    """And stderr nothing; a second run appends."""
    path = tmp_path / "log"
    for times in (1, 2):
        assert run(["true"], mode=mode, options=["-v", "--log-file", str(path)])[1:] == ("", "")
        events = [event["event"] for event in logged(path.read_text())]
        assert events.count("exiting") == times
    assert stat.S_IMODE(path.stat().st_mode) & 0o111 == 0


def test_a_file_survives_rotation_by_truncation(namespaces: None, tmp_path: Path) -> None:
    """It is appended to: after `copytruncate` the next line is at the beginning."""
    path = tmp_path / "log"
    options = ["-vv", "--log-file", str(path)]
    with Container(python("record.py"), options=options) as container:
        container.expect("ready")
        os.truncate(path, 0)
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        assert container.wait() == 0
    assert b"\0" not in path.read_bytes()
    assert logged(path.read_text())[-1]["event"] == "exiting"


def test_a_descriptor_gets_all_of_it_and_the_command_has_it_not(
    namespaces: None, tmp_path: Path
) -> None:
    """A pipe ends with pyinit, whoever of the command's lives on."""
    path = tmp_path / "log"
    look = ["sh", "-c", "ls -l /proc/self/fd"]
    script = f'exec "$@" 7>"{path}"'
    before = ["sh", "-c", script, "sh"]
    code, out, err = run(look, options=["-v", "--log-fd", "7"], before=before)
    assert (code, err) == (0, "")
    assert str(path) not in out
    assert logged(path.read_text())[-1]["event"] == "exiting"


def test_stdout_can_be_the_place(namespaces: None) -> None:
    """1 is a descriptor like any other, but stays the command's."""
    _, out, err = run(["echo", "word"], options=["-v", "--log-fd", "1"])
    assert err == ""
    assert "word" in out.splitlines()
    assert logged("\n".join(line for line in out.splitlines() if line != "word"))


def test_a_path_of_a_descriptor_is_that_descriptor(namespaces: None) -> None:
    """Also a socket, which cannot be opened."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        how = {"options": ["-v", "--log-file", "/dev/stderr"], "stderr": theirs.fileno()}
        with Container(["true"], **how) as container:  # type: ignore[arg-type]
            assert container.wait() == 0
        assert logged(ours.recv(65536).decode())[-1]["event"] == "exiting"


def test_a_fifo_that_nobody_reads_any_more_stops_nobody(namespaces: None, tmp_path: Path) -> None:
    """Its reader goes away: EPIPE for each line, and SIGPIPE is not the command's."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    options = ["-vv", "--log-file", str(path)]
    with Container(python("record.py"), options=options) as container:
        container.expect("ready")
        os.close(reader)
        for _ in range(3):
            container.signal(signal.SIGRTMIN + 1)
            container.expect("RTMIN+1")
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        assert container.wait() == 0


# -- What is wrong is said before anything is started.


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--log-format", "xml"], ("--log-format", "'xml'", "console, json, logfmt")),
        (["--log-level", "loud"], ("--log-level", "'loud'", "error, warning, info, debug")),
        (["--log-fd", "x"], ("--log-fd", "'x'", "such as 3")),
        (["--log-fd", "99"], ("--log-fd", "99", "is not open")),
        (
            ["--log-file", "/no/such/place"],
            ("--log-file", "/no/such/place", "there is no directory '/no'"),
        ),
        (["--log-file", "/"], ("--log-file", "'/'", "expected a path")),
        (["--log-file", ""], ("--log-file", "''", "expected a path")),
        (["--log-fd", "0"], ("--log-fd", "0", "open for reading")),
    ],
)
def test_a_wrong_place_or_form(options: list[str], words: tuple[str, ...]) -> None:
    """Exit code 125, one line that names the option, and the command is not run."""
    with open(os.devnull, "rb") as nothing:
        done = subprocess.run(
            [*PYINIT, "-v", *options, "--", "echo", "ran"],
            stdin=nothing,
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stdout) == (125, "")
    (line,) = done.stderr.splitlines()
    for word in words:
        assert word in line


def test_a_fifo_without_a_reader(tmp_path: Path) -> None:
    """To open it for writing would wait for one; it is said what it is."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    done = subprocess.run(
        [*PYINIT, "--log-file", str(path), "true"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 125
    assert "no process reads" in done.stderr


def test_the_log_of_a_program_of_another_name(tmp_path: Path) -> None:
    """Who asks for a format gets pyinit's own words, under whatever name."""
    link = tmp_path / "tini"
    link.symlink_to(PYINIT[-1])
    env = {**os.environ, "PYINIT_LOG_FORMAT": "json"}
    done = subprocess.run(
        [str(link), "-s", "-vvv", "true"], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    events = [json.loads(line)["event"] for line in done.stderr.splitlines()]
    assert "exiting" in events
