"""`pyinit.fork_init`: a program that finds itself PID 1 becomes two, the init and itself."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys

import pytest

from tests import harness
from tests.harness import (
    MODES,
    PID1,
    SUBREAPER,
    Container,
    embeds,
    logged,
    open_files,
    python,
    run,
    until,
)
from tests.terminals import END, INTERRUPT, SETSID, Terminal

NOTHING = {PID1: {}, SUBREAPER: {"always": True}}


def forks(scenario: str, mode: str, **options: object) -> tuple[str, ...]:
    """Return the program that forks in both modes; when not PID 1 it has to be asked for."""
    return embeds(scenario, **NOTHING[mode], **options)


def lines_of(scenario: str, *command: str, mode: str, **options: object) -> list[str]:
    """Return what a scenario says, which has to end with 0 and without a word on stderr."""
    code, out, err = run(command, mode=mode, init=forks(scenario, mode, **options))
    assert (code, err) == (0, "")
    return out.splitlines()


def test_the_child_goes_on_as_the_program(mode: str) -> None:
    """Its parent is who it was itself, and it leads a process group, as a command does."""
    assert lines_of("fork", mode=mode) == ["forked below it leads a group"]


def test_nothing_happens_when_not_pid_1(namespaces: None) -> None:
    """The program goes on as it is, options or not."""
    for options in ({}, {"grace_s": 1}, {"parent_death_signal": "TERM"}):
        code, out, err = run([], mode=SUBREAPER, init=embeds("fork", **options))
        assert (code, out.split()[:2], err) == (0, ["the", "same"], "")


def test_wrong_options_are_refused_when_not_pid_1_too(namespaces: None) -> None:
    """A mistake shows on the developer's machine, not in the container alone."""
    _, out, _ = run([], mode=SUBREAPER, init=embeds("refused", grace_s=-1))
    assert out.startswith("ValueError grace_s: -1 is not a time")


@pytest.mark.parametrize(
    "option",
    [
        "user",
        "chdir",
        "add_env",
        "unset_env",
        "umask",
        "no_new_privs",
        "oom_score_adj",
        "session",
        "pause",
    ],
)
def test_options_of_a_command_are_refused(option: str) -> None:
    """A program does that to itself."""
    argv = embeds("refused", **{option: True})
    told = subprocess.run((*argv, "--"), check=True, capture_output=True, text=True).stdout
    assert told.startswith(f"ValueError {option} changes what a command gets")


@pytest.mark.parametrize(
    ("script", "code"), [("exit 0", 0), ("exit 3", 3), ("exit 255", 255), ("kill -9 $$", 137)]
)
def test_the_init_exits_with_the_status_of_the_program(mode: str, script: str, code: int) -> None:
    """128+n for signal n."""
    assert run(["sh", "-c", script], mode=mode, init=forks("fork", mode))[:2] == (code, "")


def test_exit_codes_are_mapped(mode: str) -> None:
    """As by --remap-exit."""
    init = forks("fork", mode, remap_exit={"TERM": 4})
    assert run(["sh", "-c", "kill $$"], mode=mode, init=init)[:2] == (4, "")


def test_buffers_and_exit_handlers_are_the_child_s_alone(mode: str) -> None:
    """What stood in the buffer at the fork is written once, and handlers of atexit run once."""
    code, out, err = run([], mode=mode, init=forks("fork_with_buffers", mode))
    assert (code, out, err) == (3, "buffered and flushed\natexit\n", "")


@pytest.mark.parametrize("child", ["handler", "ignored", "default"])
def test_the_child_is_what_the_program_was(mode: str, child: str) -> None:
    """Mask, handlers, ignored signals and wake-up descriptor.

    The parent-death signal stays the init's (fork(2) clears it), which unshare(1) has set for
    PID 1; not PID 1, the child is killed when its init is.
    """
    assert lines_of("fork_and_compare", mode=mode, _child=child) == ["another ['death signal']"]


def test_signals_that_came_before_the_fork_are_relayed(mode: str) -> None:
    """They wait for the parent (fork(2): the child has none pending), which passes them on."""
    assert lines_of("fork_with_pending", mode=mode) == ["all"]


def test_signals_are_relayed(mode: str) -> None:
    """To the program, whose end by one of them is the init's."""
    with Container(
        python("record.py", "USR1", "HUP"), mode=mode, init=forks("fork", mode)
    ) as container:
        container.expect("ready")
        for name in ("USR1", "HUP"):
            container.signal(signal.Signals[f"SIG{name}"])
            container.expect(name)
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        assert container.wait() == 0


def test_signals_are_relayed_to_the_group(mode: str) -> None:
    """With ``group``, also to the program's own child."""
    script = 'trap "" TERM; "$@" & wait'
    with Container(
        ["sh", "-c", script, "sh", *python("record.py")],
        mode=mode,
        init=forks("fork", mode, group=True),
    ) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        assert container.wait() == 0


def test_what_the_program_leaves_is_ended(mode: str) -> None:
    """TERM, the grace, KILL; and the end is that of the program."""
    with Container(
        python("leave.py", "daemon", "ignore"),
        mode=mode,
        init=forks("fork", mode, grace_s=0.1),
        stdin=subprocess.PIPE,
    ) as container:
        container.expect("ready")
        container.close_stdin()  # which the program reads: it is the child's
        assert container.wait() == 7
        if mode == SUBREAPER:
            assert container.survivors == []


def test_the_log_names_the_program(mode: str) -> None:
    """Its words are those of the interpreter."""
    code, _, err = run([], mode=mode, init=forks("fork", mode, verbose=1))
    assert code == 0
    events = {event["event"]: event for event in logged(err)}
    assert any("embeds.py" in word for word in events["child_started"]["command"])
    assert events["child_exited"]["exit_code"] == 0
    _, _, quiet = run([], mode=mode, init=forks("fork", mode, verbose=1, quiet=True))
    assert quiet == ""


@pytest.mark.parametrize("mode", MODES)
def test_the_program_has_the_terminal(mode: str, namespaces: None) -> None:
    """What is typed comes to it, and ^C as its own signal, once."""
    with (
        Terminal() as terminal,
        Container(
            python("record.py", "INT"),
            mode=mode,
            before=SETSID,
            init=forks("fork", mode),
            stdin=terminal.slave,
        ) as container,
    ):
        container.expect("ready")
        terminal.type(INTERRUPT)
        container.expect("INT")
        program = container.main_child()
        assert os.tcgetpgrp(terminal.master) in (0, program)
        container.signal(signal.SIGTERM)
        container.expect("TERM")  # and not a second INT before
        assert container.wait() == 0


@pytest.mark.parametrize("mode", MODES)
def test_neither_of_the_two_keeps_the_terminal_open(mode: str, namespaces: None) -> None:
    """The descriptor by which it was handed over is closed in both, and where fork(2) fails."""
    init = forks("fork_and_compare_descriptors", mode)
    with (
        Terminal() as terminal,
        Container([], mode=mode, before=SETSID, init=init, stdin=terminal.slave) as container,
    ):
        container.expect("fork []")
        container.expect("forked []")
        until(lambda: terminals(container.pid) == [0], "only stdin is the terminal")
        terminal.type(END)
        assert container.wait() == 0


def terminals(pid: int) -> list[int]:
    """Return which descriptors of a process are a terminal."""
    places = ("/dev/pts", "/dev/tty")
    return sorted(fd for fd, file in open_files(pid).items() if file.startswith(places))


def test_threads_and_children_of_before_are_refused(mode: str) -> None:
    """fork(2) copies no other thread.  A subreaper would take children that are not its own."""
    thread, child = lines_of("fork_with_thread", mode=mode)
    assert re.match("RuntimeError .*threads already.*call fork_init.. first", thread)
    if mode == SUBREAPER:
        assert re.match("RuntimeError .*children already.*call fork_init.. first", child)
    else:
        assert child == "forked"


def test_the_program_dies_with_its_init(namespaces: None) -> None:
    """Not PID 1, the kernel does it by PR_SET_PDEATHSIG; see prctl(2)."""
    lives_on = ["sh", "-c", '"$@"; echo $?; kill -STOP $$', "sh"]
    init = forks("fork", SUBREAPER)
    with Container(
        python("record.py", "-"), init=init, before=lives_on, mode=SUBREAPER
    ) as container:
        container.expect("ready")
        (parent,) = harness.children(container.pid)
        pidfd = os.pidfd_open(harness.children(parent)[0])
        try:
            os.kill(parent, signal.SIGKILL)
            container.expect(str(128 + signal.SIGKILL))
            ended, _, _ = select.select([pidfd], [], [], harness.DEADLINE_S)
            assert ended, harness.process_table(container.pid)
        finally:
            os.close(pidfd)


def test_a_quiet_fork_loads_next_to_nothing(namespaces: None) -> None:
    """Into the program, what keeps its init going when nothing can be loaded any more.

    What else the init needs is loaded by the init, after its first signal.
    """
    (told,) = lines_of("fork_and_list", mode=PID1)
    assert {*told.split()} - {"_thread"} == {"pyinit.standby"}
    code = "import sys; sys.path.append(sys.argv[1]); before = {*sys.modules}; import pyinit; "
    code += "pyinit.fork_init(); print(*sorted({*sys.modules} - before))"
    packages = embeds("")[3]
    argv = [sys.executable, "-IS", "-c", code, packages]
    told = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    assert {*told.split()} - {"_thread"} == {"pyinit", "pyinit.standby"}
