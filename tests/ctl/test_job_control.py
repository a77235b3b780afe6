"""``pyinitctl run`` and ``exec`` are jobs of a shell: they stop with their command, and resume.

An init cannot stop itself as PID 1, and what it could stop is not what the shell waits for.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import termios
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import conftest
from tests.harness import DEADLINE_S, PYINITCTL, Container, children, python, status_field, until
from tests.spawning import line
from tests.terminals import (
    END,
    INTERRUPT,
    SETSID,
    SHELLS,
    SUSPEND,
    Terminal,
    find,
    finish,
    shell,
    state,
    talk,
    until_settled,
    until_stopped,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

CTL = " ".join(PYINITCTL)
# Every process here is in its own namespaces already: the init of `exec` is a subreaper.
EXEC = f"{CTL} exec $$"
RUN = f"{CTL} run"

Shell = tuple[Terminal, Container]


@pytest.fixture(params=SHELLS)
def interactive(request: pytest.FixtureRequest, namespaces: None) -> Iterator[Shell]:
    """Run each of the shells, one after the other."""
    conftest.need(request.param)
    with shell(request.param) as pair:
        yield pair


@pytest.fixture(params=[RUN, EXEC], ids=["run", "exec"])
def start(request: pytest.FixtureRequest) -> str:
    """Run the test with an init that is PID 1, and with one that is not."""
    return str(request.param)


def is_raw(terminal: Terminal) -> bool:
    """Return whether keys are passed on as they are."""
    return not termios.tcgetattr(terminal.slave)[3] & (termios.ICANON | termios.ISIG)


def test_suspend_stops_the_job_and_fg_resumes_it(interactive: Shell, start: str) -> None:
    """Twice; `unshare --pid` with an init, and docker-init, leave a terminal that does nothing."""
    terminal, container = interactive
    terminal.type(f"{start} -- cat\n")
    talk(terminal, "one")
    cat = find(container, "cat")
    for word in ("two", "three"):
        terminal.type(SUSPEND)
        until_stopped(terminal, container)
        terminal.type("fg\n")
        until(lambda: terminal.foreground() == cat, "the command has the terminal")
        talk(terminal, word)
    finish(terminal)


def test_bg_lets_the_job_run_without_the_terminal(interactive: Shell, start: str) -> None:
    """The command runs in the background, the shell has the terminal, and `fg` works from there."""
    terminal, container = interactive
    terminal.type(f"{start} -- sleep 1000\n")
    sleep = find(container, "sleep")
    until(lambda: terminal.foreground() == sleep, "the command has the terminal")
    terminal.type(SUSPEND)
    until_stopped(terminal, container)
    assert state(sleep) == "T"
    terminal.type("fg\n")
    until(lambda: terminal.foreground() == sleep, "the command has the terminal again")
    # A stop that comes before the CONT of `fg` is discarded by that; see signal(7).
    until(lambda: state(sleep) == "S", "the command goes on")
    terminal.type(SUSPEND)
    until_stopped(terminal, container)
    terminal.type("bg\n")
    until(lambda: state(sleep) == "S", "the command goes on")
    terminal.type("echo shell-has-the-terminal\n")
    terminal.expect("shell-has-the-terminal\r\n")
    assert terminal.foreground() == container.pid
    terminal.type("kill %1; wait; echo jobs-$(jobs | wc -l)\n")
    terminal.expect("jobs-0\r\n")


RECORD = " ".join(python("record.py", "CONT", "WINCH", "USR1"))


def family(container: Container) -> tuple[int, int, int]:
    """Return the only pyinitctl of a shell, its init and the command."""
    (ctl,) = children(container.pid)
    (init,) = children(ctl)
    (command,) = children(init)
    return ctl, init, command


def stopped_job(pair: Shell, start: str) -> tuple[int, int, int]:
    """Have a job that tells of CONT stopped by ^Z; return pyinitctl, its init and the command."""
    terminal, container = pair
    terminal.type(f"{start} -- {RECORD}\n")
    terminal.expect("ready\r\n")
    ctl, init, command = family(container)
    until(lambda: terminal.foreground() == command, "the command has the terminal")
    terminal.type(SUSPEND)
    until_stopped(terminal, container)
    # The stop of pyinitctl's group goes to the init too, which relays it.
    until_settled(init)
    return ctl, init, command


def is_off(pid: int) -> bool:
    """Return whether a process is stopped and has been switched away from.

    A state T alone is seen before that is counted; the kernel tells where one waits
    (proc(5)) only when it does no longer run (get_wchan in its sched/core.c).
    """
    return state(pid) == "T" and Path(f"/proc/{pid}/wchan").read_text(encoding="ascii") != "0"


def switches(pid: int) -> list[str]:
    """Return how often a process has been switched away from: once more if it was continued."""
    return [status_field(pid, f"{how}voluntary_ctxt_switches") for how in ("", "non")]


@pytest.mark.parametrize("to", ["init", "command"])
def test_a_late_continuation_undoes_no_later_stop(interactive: Shell, start: str, to: str) -> None:
    """The SIGCONT of ``fg`` goes to pyinitctl and init both, and pyinitctl passes its own on.

    Here the init, or even the command, gets it long before, and the command stops again in between.
    """
    terminal, container = interactive
    ctl, init, command = stopped_job(interactive, start)
    os.kill(init if to == "init" else command, signal.SIGCONT)
    terminal.expect("CONT\r\n")
    os.kill(command, signal.SIGTSTP)
    until(lambda: is_off(command), "the command has stopped again")
    until_settled(init)
    before = switches(command)
    os.kill(ctl, signal.SIGCONT)  # it runs once this has returned
    until(lambda: state(ctl) == "T", "pyinitctl has been told, and stops again")
    until_settled(init)
    assert (state(command), switches(command)) == ("T", before)
    until_stopped(terminal, container)
    terminal.type("fg\n")
    until(lambda: terminal.foreground() == command, "the command has the terminal")
    terminal.expect("CONT\r\n")
    # It comes after what is left of SIGCONT: pyinitctl has a queue, the others take what is lower.
    os.kill(ctl, signal.SIGWINCH)
    assert "CONT\r\n" not in terminal.until("WINCH\r\n")
    os.kill(init, signal.SIGTERM)
    until(lambda: terminal.foreground() == container.pid, "the shell has the terminal")


def test_a_continuation_of_pyinitctl_alone_is_passed_on(interactive: Shell, start: str) -> None:
    """As of ``kill -CONT`` with its PID; twice, for each stop has a continuation of its own."""
    terminal, _ = interactive
    ctl, _, command = stopped_job(interactive, start)
    for _ in range(2):
        os.kill(ctl, signal.SIGCONT)
        terminal.expect("CONT\r\n")
        os.kill(command, signal.SIGTSTP)
        until(lambda: state(command) == state(ctl) == "T", "both have stopped again")
    os.kill(ctl, signal.SIGTERM)
    os.kill(ctl, signal.SIGCONT)
    terminal.expect("TERM\r\n")


def test_a_background_job_that_reads_stops_and_gets_the_terminal_from_fg(
    interactive: Shell, start: str
) -> None:
    """The kernel stops the command alone."""
    terminal, container = interactive
    terminal.type(f"{start} -- cat &\n")
    cat = find(container, "cat")
    until(lambda: state(cat) == "T", "the command is stopped by its read")
    until(lambda: state(children(container.pid)[0]) == "T", "pyinitctl has stopped too")
    until_stopped(terminal, container)
    terminal.type("fg\n")
    talk(terminal, "one")
    finish(terminal)


def test_a_script_around_it_stops_with_it(interactive: Shell, start: str, tmp_path: Path) -> None:
    """The script is what the shell waits for."""
    terminal, container = interactive
    script = tmp_path / "script.sh"
    script.write_text(f'{start} -- cat\nread -r line\necho "script read $line"\n')
    terminal.type(f"sh {script} | cat\n")
    talk(terminal, "one")
    terminal.type(SUSPEND)
    until_stopped(terminal, container)
    terminal.type("fg\n")
    talk(terminal, "two")
    terminal.type(END)
    terminal.type("three\n")
    terminal.expect("script read three\r\n")


def test_with_a_terminal_of_its_own_too(interactive: Shell, start: str) -> None:
    """Ours is what it was while the job is stopped, and raw again after `fg`."""
    terminal, container = interactive
    before = termios.tcgetattr(terminal.slave)
    terminal.type(f"{start} -t -- sh -c 'stty -echo; exec cat'\n")
    find(container, "cat")
    talk(terminal, "one")
    for word in ("two", "three"):
        terminal.type(SUSPEND)
        until_stopped(terminal, container)
        assert termios.tcgetattr(terminal.slave) == before
        terminal.type("fg\n")
        until(lambda: is_raw(terminal), "keys are passed on")
        terminal.type(f"{word}\r")
        terminal.expect(f"{word}\r\n")
    terminal.type(END)
    until(lambda: terminal.foreground() == container.pid, "the shell has the terminal")
    assert termios.tcgetattr(terminal.slave) == before


def test_a_stopped_job_with_a_terminal_can_be_killed(interactive: Shell, start: str) -> None:
    """The shell continues it in the background for that, where it waits for nothing."""
    terminal, container = interactive
    terminal.type(f"{start} -t -- sleep 1000\n")
    find(container, "sleep")
    until(lambda: is_raw(terminal), "keys are passed on")
    terminal.type(SUSPEND)
    until_stopped(terminal, container)
    terminal.type("kill %1; kill -CONT %1; wait; echo jobs-$(jobs | wc -l)\n")
    terminal.expect("jobs-0\r\n")


def test_a_shell_inside_has_jobs_of_its_own(interactive: Shell, start: str) -> None:
    """The key is passed on, and stops what runs in the foreground there; nothing stops here."""
    terminal, container = interactive
    terminal.type(f"{start} -t -- bash --norc --noprofile --noediting -i\n")
    until(lambda: is_raw(terminal), "keys are passed on")
    terminal.type("stty -echo; PS1=; echo in''side\r")
    terminal.expect("inside\r\n")
    terminal.type("sleep 1000\r")
    sleep = find(container, "sleep")
    terminal.type(SUSPEND)
    terminal.expect("Stopped")
    terminal.type("jobs; echo that-is''-all\r")
    terminal.expect("sleep 1000", "that-is-all\r\n")
    terminal.type("fg\r")
    # A shell hands the terminal over before it continues the job.
    until(lambda: state(sleep) == "S", "the job goes on")
    terminal.type(INTERRUPT)
    terminal.type("exit 7\r")
    until(lambda: terminal.foreground() == container.pid, "the shell has the terminal")
    terminal.type("echo ended-with-$?\n")
    terminal.expect("ended-with-7\r\n")


# Blocked, the signal waits for who waits for it; a shell's `read` is not interrupted by one that
# came just before it, and a shell that starts a program (vfork(2)) does not stop until exec.
CONTINUED = (
    "import signal, sys; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCONT]); "
    'print("ready", flush=True); signal.sigwait([signal.SIGCONT]); '
    'print("continued", flush=True); sys.exit(8)'
)
WAITS = f"{sys.executable} -IS -c {CONTINUED!r}"


@pytest.mark.parametrize("options", ["", "-t"])
def test_where_no_shell_could_continue_it_nothing_stops(
    namespaces: None, start: str, options: str
) -> None:
    """As the kernel has it for an orphaned process group, and docker exec: the key does nothing."""
    with Terminal() as terminal:
        words = ["sh", "-c", f"{start} {options} -- {WAITS}"]
        with subprocess.Popen(
            [*SETSID, *words],
            stdin=terminal.slave,
            stdout=terminal.slave,
            stderr=terminal.slave,
        ) as process:
            try:
                terminal.expect("ready\r\n")
                terminal.type(SUSPEND)
                terminal.expect("continued\r\n")
                assert process.wait(DEADLINE_S) == 8
            finally:
                process.kill()


def test_without_a_keyboard_the_key_stops_nothing(namespaces: None) -> None:
    """Where what is typed comes from a pipe, there is no shell that waits for the job."""
    words = ["sh", "-c", f"{RUN} -t -- {WAITS}"]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            assert line(process.stdout) == "ready\r"
            process.stdin.write(SUSPEND.encode())
            process.stdin.flush()
            assert line(process.stdout).endswith("continued\r")
            assert process.wait(DEADLINE_S) == 8
        finally:
            process.kill()


def test_a_command_that_is_stopped_by_sigstop_stops_alone(interactive: Shell, start: str) -> None:
    """That is somebody's who wants it to stand still; CONT to pyinitctl continues it."""
    terminal, container = interactive
    terminal.type(f"{start} -- {' '.join(python('record.py', 'USR1', 'USR2', 'WINCH'))}\n")
    terminal.expect("ready")
    ctl, _, command = family(container)
    os.kill(command, signal.SIGSTOP)
    until(lambda: state(command) == "T", "the command is stopped")
    # After the first the init has seen the stop (SIGCHLD comes before it), after the
    # second pyinitctl could have been told of it: the third one shows that it runs on.
    for number in (signal.SIGWINCH, signal.SIGUSR2, signal.SIGUSR1):
        os.kill(ctl, number)
        until(lambda number=number: is_pending(command, number), "it is relayed")  # type: ignore[misc]
    os.kill(ctl, signal.SIGCONT)
    terminal.expect("USR1\r\n", "USR2\r\n", "WINCH\r\n")


def is_pending(pid: int, number: int) -> bool:
    """Return whether a signal waits for a process to go on."""
    return bool(int(status_field(pid, "ShdPnd"), 16) >> number - 1 & 1)


def test_sigterm_leaves_our_terminal_as_it_was(interactive: Shell, start: str) -> None:
    """It ends the command, and pyinitctl with it."""
    terminal, container = interactive
    before = termios.tcgetattr(terminal.slave)
    terminal.type(f"{start} -t -- sleep 1000\n")
    find(container, "sleep")
    until(lambda: is_raw(terminal), "keys are passed on")
    (ctl,) = children(container.pid)
    os.kill(ctl, signal.SIGTERM)
    until(lambda: terminal.foreground() == container.pid, "the shell has the terminal")
    terminal.type("echo ended-with-$?\n")
    terminal.expect("ended-with-143\r\n")
    assert termios.tcgetattr(terminal.slave) == before
