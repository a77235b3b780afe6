"""`pyinit.run`: the calling process is the init until the command ends, and then what it was."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests import harness
from tests.cases import in_turn
from tests.harness import PID1, SUBREAPER, Container, embeds, python, run, unexplained

if TYPE_CHECKING:
    from pathlib import Path

SAME = "another []"


def lines_of(scenario: str, *command: str, mode: str, **options: object) -> list[str]:
    """Return what a scenario says, which has to end with 0 and with no warning but of its end."""
    code, out, err = run(command, mode=mode, init=embeds(scenario, **options))
    assert (code, unexplained(err)) == (0, "")
    return out.splitlines()


def test_the_end_is_that_of_the_command_line(mode: str) -> None:
    """One call after the other in the same process: exit codes, and signals that kill."""
    scripts = [
        "exit 0",
        "exit 3",
        "exit 255",
        "kill -9 $$",
        "kill -TERM $$",
        "exec 2>&-; no-such-command",
    ]
    told = lines_of("run_each", *scripts, mode=mode)
    for script, line in zip(scripts, told, strict=True):
        code, number = map(int, line.split())
        assert code == run(["sh", "-c", script], mode=mode)[0]
        assert number == (code - 128 if "kill" in script else 0)


def test_exit_codes_are_mapped(mode: str) -> None:
    """The signal that killed the command is told all the same."""
    told = lines_of("run_each", "kill $$", "exit 4", mode=mode, remap_exit={"TERM": 0, "4": 5})
    assert told == ["0 15", "5 0"]


@pytest.mark.parametrize(("command", "code"), [("/nowhere", 127), ("/", 126)])
def test_a_command_that_cannot_be_started_is_an_exception(
    mode: str, command: str, code: int
) -> None:
    """`StartError` says what the command line would, and its code is that exit code."""
    (told,) = lines_of("run", command, mode=mode)
    _, _, err = run([command], mode=mode)
    assert told == "StartError " + err.strip().removeprefix("pyinit: ")
    assert run([command], mode=mode)[0] == code


def test_a_command_that_cannot_be_started_is_in_the_report(mode: str, tmp_path: Path) -> None:
    """As of the command line."""
    report = tmp_path / "report"
    lines_of("run", "/nowhere", mode=mode, report=str(report))
    facts = json.loads(report.read_text())
    assert facts["exit_code"] == 127
    assert facts["cause"] == "could not be started: '/nowhere': not found"


@in_turn(
    ("child", "command", "options", "first"),
    [
        ("handler", ["true"], {}, "0 0"),
        ("ignored", ["true"], {}, "0 0"),
        ("handler", ["sh", "-c", "sleep 1000 & kill $$"], {"grace_s": 0.1}, "143 15"),
        ("default", ["sh", "-c", "sleep 1000 & kill $$"], {"grace_s": 0.1}, "143 15"),
        ("ignored", ["/nowhere"], {}, "StartError "),
        ("handler", ["/nowhere"], {}, "StartError "),
        ("handler", ["true"], {"grace_s": -1}, "ValueError "),
        ("default", ["true"], {"parent_death_signal": "USR1", "session": True}, "0 0"),
    ],
)
def test_the_process_is_what_it_was_afterwards(
    mode: str, child: str, command: list[str], options: dict[str, object], first: str
) -> None:
    """Mask, handlers, ignored signals, wake-up descriptor, and the attributes of prctl(2).

    A handler of SIGCHLD is not called for the command: nobody but the init knew of it.
    """
    told, *rest = lines_of("run_and_compare", *command, mode=mode, _child=child, **options)
    assert told.startswith(first)
    assert rest == [SAME]


@pytest.mark.parametrize("subreaper", [False, True])
def test_the_attributes_that_were_set_stay_set(mode: str, subreaper: bool) -> None:  # noqa: FBT001
    """Whatever the options say: PR_SET_CHILD_SUBREAPER and PR_SET_PDEATHSIG in prctl(2)."""
    told = lines_of(
        "run_and_compare",
        "true",
        mode=mode,
        subreaper=not subreaper,
        parent_death_signal="USR1",
        _subreaper=subreaper,
        _death_signal=int(signal.SIGUSR2),
    )
    assert told == ["0 0", SAME]


def test_descriptors_are_what_they_were_afterwards(namespaces: None, tmp_path: Path) -> None:
    """None is left open, and what a command inherited before it inherits again."""
    files = {f"{name}_file": str(tmp_path / f"{name}.prom") for name in ("status", "metrics")}
    scenario = "run_and_compare_descriptors"
    told = lines_of(scenario, "true", mode=PID1, verbose=1, log_format="json", **files)
    assert told == ["0 0", "0 0", SAME]


def test_the_command_gets_mask_and_ignored_signals_of_the_caller(mode: str) -> None:
    """What Python itself ignores is at its default, and no handler is inherited, as by exec(2)."""
    status = "while read key value; do case $key in Sig[BIC]*) echo $key $value;; esac; done"
    script = f"{status} </proc/self/status"
    shown = lines_of("run_with_handlers", "sh", "-c", script, mode=mode)
    sets = {key: int(value, 16) for key, value in (line.split() for line in shown[:3])}
    assert sets["SigBlk:"] == 1 << signal.SIGUSR2 - 1 | 1 << signal.SIGRTMIN + 6 - 1
    # 32 and 33 are the C library's: its posix_spawn(3) has them ignored.
    assert sets["SigIgn:"] & ~(1 << 32 - 1 | 1 << 33 - 1) == 1 << signal.SIGHUP - 1
    assert not sets["SigCgt:"] & (1 << signal.SIGUSR1 - 1 | 1 << signal.SIGTERM - 1)


def test_signals_are_relayed_and_handlers_wait(mode: str) -> None:
    """The program's own handlers are not called for them, but for those that come afterwards."""
    with Container(
        python("record.py", "USR1", "INT", "HUP"), mode=mode, init=embeds("run_with_handlers")
    ) as container:
        container.expect("ready")
        for name in ("USR1", "INT", "HUP", "USR1"):
            container.signal(signal.Signals[f"SIG{name}"])
            container.expect(name)
        container.signal(signal.SIGTERM)
        assert container.rest().splitlines() == ["TERM", "0 0", "handler SIGUSR1", "end"]
        assert container.wait() == 0


def test_a_handler_in_c_stays(mode: str) -> None:
    """Python could not put it back: signal.getsignal() does not know it, such as faulthandler's."""
    first, *called, last = lines_of("run_with_handler_in_c", "true", mode=mode)
    assert (first, last) == ("0 0", "end")
    assert any("in run_with_handler_in_c" in line for line in called)


def test_an_interrupt_is_the_command_s_until_it_ends(mode: str) -> None:
    """Then it is KeyboardInterrupt again, and the next command gets its own."""
    interrupted = ["sh", "-c", "kill -INT $PPID; exec sleep 1000"]
    told = lines_of("run_and_interrupt", *interrupted, mode=mode)
    assert told == ["130 2", "KeyboardInterrupt", "130 2"]


def test_what_is_left_is_ended(mode: str) -> None:
    """TERM, the grace, KILL, as by the command line, a daemon too; and nobody is a zombie."""
    with Container(
        python("leave.py", "daemon", "ignore"),
        mode=mode,
        init=embeds("run_and_look", grace_s=0.1),
        stdin=subprocess.PIPE,
    ) as container:
        container.expect("ready")
        container.close_stdin()
        assert container.rest().splitlines()[-2:] == ["7 0", "nobody is left"]
        assert container.wait() == 0


def test_the_grace_ends_early(mode: str) -> None:
    """As soon as nobody is left."""
    told = lines_of("run_and_look", "sh", "-c", "sleep 1000 & exit 2", mode=mode, grace_s=1000)
    assert told == ["2 0", "nobody is left"]


def test_a_pause_ends_with_a_stop_signal(mode: str) -> None:
    """Without a command; another signal is not the end of it."""
    with Container([], mode=mode, init=embeds("run", pause=True, verbose=1)) as container:
        assert any("pausing" in line for line in iter(lambda: container.line(2), ""))
        container.signal(signal.SIGUSR1)
        container.signal(signal.SIGTERM)
        assert container.rest() == "0 0\n"
        assert container.wait() == 0


def test_another_thread_is_refused(mode: str) -> None:
    """Nothing is started: Python lets the main thread alone take care of signals."""
    (told,) = lines_of("run_in_thread", "echo", "started", mode=mode)
    assert re.match("RuntimeError .*main thread", told)


def test_a_child_of_before_is_not_taken(namespaces: None) -> None:
    """An init that is not PID 1 would reap and end it: that is refused, and the child untouched."""
    told, child = lines_of("run_with_child", "echo", "started", mode=SUBREAPER)
    assert re.match(r"RuntimeError .*children already.*pyinit\.spawn\(\)", told)
    assert child == "still 0 0"


def test_pid_1_takes_all_children(namespaces: None) -> None:
    """They are its namespace's like everybody else, and end with the command."""
    told = lines_of("run_with_child", "echo", "started", mode=PID1)
    assert told == ["started", "0 0", "no child"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"grace_s": "5"}, "TypeError grace_s: expected a time in seconds, not '5'"),
        (
            {"graces": 5},
            "TypeError run() has no keyword 'graces': did you mean 'grace_s'? expected some of ",
        ),
        ({"umask": 0o1000}, "ValueError umask: 0o1000 is not a umask: expected 0 to 0o777"),
        ({"pause": True}, "ValueError pause=True runs no command: expected an empty argv"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_started(
    options: dict[str, object], told: str, namespaces: None
) -> None:
    """The message names the keyword and what would be right; all of them: test_api_options.py."""
    (line,) = lines_of("run", "echo", "started", mode=SUBREAPER, **options)
    assert line.startswith(told)


def test_the_command_dies_with_a_program_that_is_killed(namespaces: None) -> None:
    """Not PID 1, the kernel does it by PR_SET_PDEATHSIG; see prctl(2)."""
    lives_on = ["sh", "-c", '"$@"; echo $?; kill -STOP $$', "sh"]
    with Container(
        python("record.py", "-"), init=embeds("run"), before=lives_on, mode=SUBREAPER
    ) as container:
        container.expect("ready")
        (program,) = harness.children(container.pid)
        pidfd = os.pidfd_open(harness.children(program)[0])
        try:
            os.kill(program, signal.SIGKILL)
            container.expect(str(128 + signal.SIGKILL))
            ended, _, _ = select.select([pidfd], [], [], harness.DEADLINE_S)
            assert ended, harness.process_table(container.pid)
        finally:
            os.close(pidfd)
