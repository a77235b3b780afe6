"""Under an interactive shell a job with pyinit in it stops, resumes and ends like any other.

The shell waits for the processes that it started: pyinit has to stop when its
child does, and has to hand the terminal on when the shell gives it the
foreground.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests import conftest
from tests.harness import Container, children, python, status_field, until
from tests.terminals import (
    END,
    INTERRUPT,
    SHELLS,
    SUSPEND,
    Terminal,
    find,
    finish,
    shell,
    state,
    talk,
    until_stopped,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Shell = tuple[Terminal, Container]


@pytest.fixture(params=SHELLS)
def interactive(request: pytest.FixtureRequest, namespaces: None) -> Iterator[Shell]:
    """Run each of the shells, one after the other."""
    conftest.need(request.param)
    with shell(request.param) as pair:
        yield pair


def test_suspend_stops_the_job_and_fg_resumes_it(interactive: Shell) -> None:
    """Twice, and what is typed after `fg` reaches the command."""
    terminal, container = interactive
    terminal.type("$PYINIT cat\n")
    talk(terminal, "one")
    cat = find(container, "cat")
    for word in ("two", "three"):
        terminal.type(SUSPEND)
        until_stopped(terminal, container)
        terminal.type("fg\n")
        until(lambda: terminal.foreground() == cat, "the command has the terminal")
        talk(terminal, word)
    finish(terminal)


def test_bg_lets_the_job_run_without_the_terminal(interactive: Shell) -> None:
    """The command runs in the background, the shell has the terminal, and `fg` works from there."""
    terminal, container = interactive
    terminal.type("$PYINIT sleep 1000\n")
    sleep = find(container, "sleep")
    until(lambda: terminal.foreground() == sleep, "the command has the terminal")
    terminal.type(SUSPEND)
    until_stopped(terminal, container)
    assert state(sleep) == "T"
    terminal.type("bg\n")
    until(lambda: state(sleep) == "S", "the command runs again")
    terminal.type("echo shell-has-the-terminal\n")
    terminal.expect("shell-has-the-terminal\r\n")
    assert terminal.foreground() == container.pid
    terminal.type("fg\n")
    # Nobody reads: the terminal is pyinit's, and Ctrl-C comes to the command through it.
    until(lambda: terminal.foreground() != container.pid, "the job has the terminal")
    terminal.type(INTERRUPT)
    terminal.type("echo ended-with-$?\n")
    terminal.expect("ended-with-130\r\n")


@pytest.mark.parametrize("line", ["$PYINIT cat | cat", "true | $PYINIT cat /dev/tty | cat"])
def test_a_pipeline_stops_as_a_whole(interactive: Shell, line: str) -> None:
    """Ctrl-Z reaches the command's group only, and a shell wants each process of a job to stop."""
    terminal, container = interactive
    terminal.type(f"{line}\n")
    talk(terminal, "one")
    terminal.type(SUSPEND)
    until_stopped(terminal, container)
    terminal.type("fg\n")
    talk(terminal, "two")
    finish(terminal)


def test_a_pipeline_stops_as_a_whole_from_an_init_in_an_init(interactive: Shell) -> None:
    """The outer one's child gets its stop from the inner one, not from the terminal."""
    terminal, container = interactive
    terminal.type("$PYINIT $PYINIT cat | cat\n")
    talk(terminal, "one")
    terminal.type(SUSPEND)
    until_stopped(terminal, container)
    terminal.type("fg\n")
    talk(terminal, "two")
    finish(terminal)


def test_a_script_around_pyinit_stops_with_it(interactive: Shell, tmp_path: Path) -> None:
    """The script is what the shell waits for; its group is pyinit's, not the command's."""
    terminal, container = interactive
    script = tmp_path / "script.sh"
    script.write_text('"$PYINIT" cat\nread -r line\necho "script read $line"\n')
    terminal.type(f"sh {script}\n")
    talk(terminal, "one")
    terminal.type(SUSPEND)
    until_stopped(terminal, container)
    terminal.type("fg\n")
    talk(terminal, "two")
    terminal.type(END)
    terminal.type("three\n")
    terminal.expect("script read three\r\n")


def test_a_background_job_does_not_take_the_terminal(interactive: Shell) -> None:
    """The shell reads on; tini and catatonit make their command the foreground here."""
    terminal, container = interactive
    terminal.type("$PYINIT sleep 1000 &\n")
    find(container, "sleep")
    assert terminal.foreground() == container.pid
    terminal.type("echo shell-reads\n")
    terminal.expect("shell-reads\r\n")
    assert terminal.foreground() == container.pid


def test_a_background_job_that_reads_stops_and_gets_the_terminal_from_fg(
    interactive: Shell,
) -> None:
    """The kernel stops the command alone: pyinit stops the job, and hands the terminal on."""
    terminal, container = interactive
    terminal.type("$PYINIT cat &\n")
    cat = find(container, "cat")
    until(lambda: state(cat) == "T", "the command is stopped by its read")
    until(lambda: state(children(container.pid)[0]) == "T", "pyinit has stopped too")
    until_stopped(terminal, container)
    terminal.type("fg\n")
    talk(terminal, "one")
    terminal.type(SUSPEND)
    until_stopped(terminal, container)
    terminal.type("fg\n")
    talk(terminal, "two")
    finish(terminal)


def test_fg_before_the_command_reads_gives_it_the_terminal(interactive: Shell) -> None:
    """The shell sends no SIGCONT to a job that it takes for running; the read is what shows."""
    terminal, container = interactive
    program = python("read_when_told.py")
    terminal.type(f"$PYINIT {' '.join(program)} &\n")
    terminal.expect("ready")
    child = children(children(container.pid)[0])[0]
    terminal.type("fg\n")
    until(lambda: terminal.foreground() != container.pid, "the job has the terminal")
    os.kill(child, signal.SIGUSR1)
    until(lambda: terminal.foreground() == child, "the command has the terminal")
    terminal.type("one\n")
    terminal.expect("read one\r\n")
    terminal.type("echo jobs-$(jobs | wc -l)\n")
    terminal.expect("jobs-0\r\n")


@pytest.mark.parametrize("end", ["true", "sh -c 'kill -9 $$'"])
def test_the_next_program_of_a_script_can_read_the_terminal(
    interactive: Shell, tmp_path: Path, end: str
) -> None:
    """Pyinit takes the foreground back from the command's group, which has gone."""
    terminal, _ = interactive
    script = tmp_path / "script.sh"
    script.write_text(f'"$PYINIT" {end}\nread -r line\necho "script read $line"\n')
    terminal.type(f"sh {script}\n")
    terminal.type("one\n")
    terminal.expect("script read one\r\n")


def test_the_next_program_can_read_after_a_command_with_jobs_of_its_own(
    interactive: Shell, tmp_path: Path
) -> None:
    """A killed shell leaves the foreground with the group of its job, which pyinit ends."""
    terminal, container = interactive
    script = tmp_path / "script.sh"
    script.write_text('"$PYINIT" dash -m -c "sleep 1000"\nread -r line\necho "read $line"\n')
    terminal.type(f"sh {script}\n")
    sleep = find(container, "sleep")
    until(lambda: terminal.foreground() == os.getpgid(sleep), "the job has the terminal")
    dash = int(status_field(sleep, "PPid"))
    assert os.getpgid(dash) != os.getpgid(sleep)
    os.kill(dash, signal.SIGKILL)
    terminal.type("one\n")
    terminal.expect("read one\r\n")


def test_the_next_program_can_read_after_a_command_that_got_the_terminal_late(
    interactive: Shell, tmp_path: Path
) -> None:
    """The job was started in the background: the command's terminal came with `fg`."""
    terminal, container = interactive
    script = tmp_path / "script.sh"
    script.write_text('"$PYINIT" cat\nread -r line\necho "script read $line"\n')
    terminal.type(f"sh {script} &\n")
    cat = find(container, "cat")
    until(lambda: state(cat) == "T", "the command is stopped by its read")
    until(lambda: state(children(container.pid)[0]) == "T", "the script has stopped too")
    until_stopped(terminal, container)
    terminal.type("fg\n")
    talk(terminal, "one")
    terminal.type(END)
    terminal.type("two\n")
    terminal.expect("script read two\r\n")
