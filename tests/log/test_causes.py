"""What ended the command, in words: each way is gone on purpose, and the sentence read."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from pathlib import Path

import pytest

from tests.harness import PID1, Container, python, until
from tests.log import reports
from tests.log.reports import cause, finish, reported
from tests.start.test_parent_death import Family
from tests.terminals import INTERRUPT, session, until_settled

OUTSIDE = "from outside the namespace"
NOT_SENT = "which pyinit did not send"
ITSELF = "from the command itself"


def no_core() -> None:
    """Have no core dumped, in a new process; a limit of 0 is none where core(5) has it piped."""
    resource.setrlimit(resource.RLIMIT_CORE, (1, 1))


def asks(name: str) -> list[str]:
    """Return a command that has pyinit relay a signal to it, and does nothing else."""
    return ["sh", "-c", f"kill -{name} $PPID; exec sleep 1000"]


@pytest.mark.parametrize(
    ("script", "code", "words"),
    [
        ("exit 0", 0, "exited with 0"),
        ("exit 3", 3, "exited with 3"),
        ("exit 137", 137, "exited with 137, as a shell does whose command was ended by SIGKILL"),
        ("exit 255", 255, "exited with 255"),
        ("kill -KILL $$", 137, (f"killed by SIGKILL, {NOT_SENT}: a process inside or outside of "
         "the namespace did, or the kernel")),
        ("kill -TERM $$", 143, (f"ended by SIGTERM, {NOT_SENT}: "
         "the command itself or another process did")),
        ("kill -PIPE $$", 141, (f"ended by SIGPIPE, {NOT_SENT}: "
         "it wrote to a pipe or socket without a reader, or a process did")),
        ("kill -SEGV $$", 139, "crashed by SIGSEGV"),
        ("kill -ABRT $$", 134, "crashed by SIGABRT"),
    ],
)  # fmt: skip
def test_the_command_ends_itself(
    script: str, code: int, words: str, namespaces: None, tmp_path: Path
) -> None:
    """An exit, or a signal that did not come by pyinit."""
    found, report = reported(tmp_path, ["sh", "-c", script], preexec=no_core)
    assert (found, report["exit_code"], cause(report)) == (code, code, words)
    assert report["child"]["exit_code"] == code
    assert report["stop"] is None


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("TERM", (), f"ended by SIGTERM T after the stop {ITSELF}"),
        ("INT", (), f"ended by SIGINT T after the stop {ITSELF}"),
        ("HUP", (), f"ended by SIGHUP, which pyinit relayed T before {ITSELF}"),
        ("RTMIN+3", (), f"ended by SIGRTMIN+3, which pyinit relayed T before {ITSELF}"),
        ("TERM", ("--rewrite", "TERM:QUIT"),
         f"ended by SIGQUIT, which pyinit made of SIGTERM, T after the stop {ITSELF}"),
        ("HUP", ("--rewrite", "HUP:TERM"),
         f"ended by SIGTERM, which pyinit made of SIGHUP T before {ITSELF}"),
        ("TERM", ("--rewrite", "TERM:KILL"),
         f"killed by SIGKILL, which pyinit made of SIGTERM, T after the stop {ITSELF}"),
        ("HUP", ("--stop-signals", "HUP"), f"ended by SIGHUP T after the stop {ITSELF}"),
        ("TERM", ("--stop-signals", "HUP"),
         f"ended by SIGTERM, which pyinit relayed T before {ITSELF}"),
        ("TERM", ("--drain", "0.05"),
         f"ended by SIGTERM T after the stop {ITSELF}, of which T drain"),
    ],
)  # fmt: skip
def test_what_pyinit_relays_ends_it(
    name: str, options: tuple[str, ...], words: str, namespaces: None, tmp_path: Path
) -> None:
    """By the name that the command got, and the one that pyinit got if that is another."""
    _, report = reported(tmp_path, asks(name), *options, preexec=no_core)
    assert cause(report) == words


def test_a_stop_from_outside(namespaces: None, tmp_path: Path) -> None:
    """As docker stop does it; the command may have its own way to end."""
    path = tmp_path / "report"
    with Container(python("record.py", "TERM"), options=reports.option(path)) as one:
        one.expect("ready")
        one.signal(signal.SIGTERM)
        report = finish(one, path)
    assert cause(report) == f"exited with 0, T after the stop by SIGTERM {OUTSIDE}"
    stop = report["stop"]
    assert (stop["origin"], stop["sender_pid"], stop["sender_name"]) == ("outside", None, None)
    assert stop["took_s"] >= stop["relayed_after_s"] >= 0
    assert stop["at_s"] + stop["took_s"] == pytest.approx(report["child"]["at_s"])


@pytest.mark.parametrize("name", ["KILL", "USR1"])
def test_the_plan_of_the_stop_ends_it(name: str, namespaces: None, tmp_path: Path) -> None:
    """It is pyinit then that has killed the command, and when it was stopped, by whom."""
    path = tmp_path / "report"
    options = [*reports.option(path), "--escalate", f"HUP@0,{name}@0.01"]
    command = ["sh", "-c", "trap '' TERM HUP; echo ready; exec sleep 1000"]
    with Container(command, options=options) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        report = finish(container, path)
    verb = "killed" if name == "KILL" else "ended"
    words = f"{verb} by pyinit with SIG{name}, T after the stop by SIGTERM {OUTSIDE}"
    assert cause(report) == words
    assert report["stop"]["escalated"] == [
        {"signal": "SIGHUP", "after_s": 0.0},
        {"signal": f"SIG{name}", "after_s": 0.01},
    ]


def test_killed_by_somebody_else(namespaces: None, tmp_path: Path) -> None:
    """From above, which nobody in the namespace can see; pyinit says that it was not itself."""
    path = tmp_path / "report"
    with Container(python("record.py", "-"), options=reports.option(path)) as container:
        container.expect("ready")
        os.kill(container.main_child(), signal.SIGKILL)
        report = finish(container, path)
    assert cause(report).startswith(f"killed by SIGKILL, {NOT_SENT}: ")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_another_end_than_the_stop_s(number: int, namespaces: None, tmp_path: Path) -> None:
    """The command outlives the stop signal, and ends by one that did not come of it."""
    path = tmp_path / "report"
    command = python("record.py", "-", "TERM")
    with Container(command, options=reports.option(path), preexec=no_core) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        os.kill(container.main_child(), number)
        report = finish(container, path)
    how = {
        signal.SIGKILL: f"killed by SIGKILL, {NOT_SENT}",
        signal.SIGSEGV: "crashed by SIGSEGV",
    }[signal.Signals(number)]
    assert cause(report) == f"{how}, T after the stop by SIGTERM {OUTSIDE}"


def test_it_ends_while_it_drains(namespaces: None, tmp_path: Path) -> None:
    """By itself: nothing was relayed yet."""
    path = tmp_path / "report"
    command = ["sh", "-c", "echo ready; read _; exit 7"]
    options = [*reports.option(path), "--drain", "1000", "-v"]
    with Container(command, options=options, stdin=subprocess.PIPE) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        while "drain_started" not in container.line(2):
            pass
        container.close_stdin()
        report = finish(container, path)
    words = f"exited with 7, T after the stop by SIGTERM {OUTSIDE}, during its drain"
    assert cause(report) == words
    assert report["stop"]["drain_s"] == 1000
    assert report["stop"]["relayed_as"] is None


def test_a_stop_that_is_not_relayed(namespaces: None, tmp_path: Path) -> None:
    """--rewrite drops it: it came before the end, but not to the command."""
    path = tmp_path / "report"
    options = [*reports.option(path), "--rewrite", "TERM:ignore"]
    command = ["sh", "-c", "echo ready; read _; exit 7"]
    with Container(command, options=options, stdin=subprocess.PIPE) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        until_settled(container.pid)
        container.close_stdin()
        report = finish(container, path)
    words = f"exited with 7, T after the stop by SIGTERM {OUTSIDE}, which was not relayed"
    assert cause(report) == words


def test_a_drain_that_is_cut_short(namespaces: None, tmp_path: Path) -> None:
    """By a second stop signal: it says how long it drained, not how long it would have."""
    path = tmp_path / "report"
    options = [*reports.option(path), "--drain", "1000", "-v"]
    command = ["sh", "-c", "echo ready; exec sleep 1000"]
    with Container(command, options=options) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        while "drain_started" not in container.line(2):
            pass
        container.signal(signal.SIGTERM)
        report = finish(container, path)
    words = f"ended by SIGTERM T after the stop {OUTSIDE}, of which T drain"
    assert cause(report) == words
    assert report["stop"]["count"] == 2
    assert report["stop"]["relayed_after_s"] < 1000


def test_a_stop_after_the_end_is_not_its_cause(namespaces: None, tmp_path: Path) -> None:
    """The command had ended by itself; two stop signals only hurry the end of what it left."""
    path = tmp_path / "report"
    options = [*reports.option(path), "--grace", "1000"]
    command = python("leave.py", "session", "ignore")
    with Container(command, options=options, stdin=subprocess.PIPE) as container:
        container.expect("ready")
        container.close_stdin()
        container.expect("TERM")
        container.signal(signal.SIGTERM)
        # Two of them would be one to whom has not taken the first yet.
        container.signal(signal.SIGINT)
        report = finish(container, path)
    assert cause(report) == "exited with 7"
    assert report["stop"]["took_s"] is None
    assert report["stop"]["count"] == 2
    assert report["teardown"]["kills"] == 1


def test_a_key_of_the_terminal(namespaces: None, tmp_path: Path) -> None:
    """^C goes to the command's group alone, so pyinit has to guess."""
    path = tmp_path / "report"
    command = ["sh", "-c", "echo ready; exec sleep 1000"]
    with session(command, options=reports.option(path)) as (terminal, container):
        terminal.expect("ready")
        terminal.type(INTERRUPT)
        report = finish(container, path)
    assert cause(report) == f"ended by SIGINT, {NOT_SENT}: ^C at its terminal, or a process did"


def test_a_key_of_the_terminal_that_is_ours_too(namespaces: None, tmp_path: Path) -> None:
    """A command in pyinit's group has it already; pyinit knows that the kernel sent it."""
    path = tmp_path / "report"
    command = [*python("join.py", "foreground"), "sh", "-c", "echo ready; exec sleep 1000"]
    with session(command, options=reports.option(path)) as (terminal, container):
        terminal.expect("ready")
        until_settled(container.pid)  # whoever still starts may see the end before the signal
        terminal.type(INTERRUPT)
        report = finish(container, path)
    assert cause(report) == "ended by SIGINT T after the stop from the terminal, as for ^C"
    assert report["stop"]["origin"] == "kernel"


def test_the_end_of_the_parent(mode: str, tmp_path: Path) -> None:
    """As PID 1 nobody can tell whether it was that: the parent is outside."""
    path = tmp_path / "report"
    options = [*reports.option(path), "-p", "TERM", "-v"]
    with Family(mode, options, python("record.py", "TERM")) as container:
        container.expect("ready")
        while "child_started" not in container.line(2):
            pass  # until then pyinit has not looked at its parent
        container.end_parent()
        until(lambda: not os.path.exists(f"/proc/{container.pyinit}"), "pyinit has ended")
        report = reports.read(path)
    end = "at the end of pyinit's parent"
    sender = f"{OUTSIDE}, or {end}" if mode == PID1 else end
    assert cause(report) == f"exited with 0, T after the stop by SIGTERM {sender}"


@pytest.mark.parametrize(
    ("command", "code", "reason"), [("/nobody/is/here", 127, "not found"), ("/etc/passwd", 126, "")]
)
def test_it_could_not_be_started(
    command: str, code: int, reason: str, namespaces: None, tmp_path: Path
) -> None:
    """The words are those of the message."""
    path = tmp_path / "report"
    with Container([command], options=reports.option(path)) as container:
        errors = container.errors()
        report = finish(container, path)
    assert report["exit_code"] == code
    assert f"pyinit: {report['cause'].removeprefix('could not be started: ')}\n" == errors
    assert reason in report["cause"]
    assert report["child"] is None
    assert report["state"] == "done"


def test_a_pause(namespaces: None, tmp_path: Path) -> None:
    """There is no command: who has stopped it is told."""
    path = tmp_path / "report"
    options = [*reports.option(path), "--pause", "-v"]
    with Container([], options=options) as container:
        while "pausing" not in container.line(2):
            pass
        container.signal(signal.SIGTERM)
        report = finish(container, path)
    assert report["cause"] == f"stopped by SIGTERM {OUTSIDE}"
    assert (report["child"], report["command"]) == (None, [])


def test_a_mapped_exit_code(namespaces: None, tmp_path: Path) -> None:
    """The command's own stands beside the one that pyinit exits with."""
    code, report = reported(tmp_path, asks("TERM"), "--remap-exit", "TERM:0")
    assert (code, report["exit_code"]) == (0, 0)
    assert (report["child"]["exit_code"], report["child"]["signal"]) == (143, "SIGTERM")


def test_a_core(namespaces: None, tmp_path: Path) -> None:
    """Whether there is one depends on the machine, core(5); what is said is what wait(2) says."""
    script = 'cd "$1" && ulimit -S -c "$(ulimit -H -c)" && kill -SEGV $$'
    _, report = reported(tmp_path, ["sh", "-c", script, "sh", str(tmp_path)])
    dumped = report["child"]["core_dumped"]
    assert report["cause"] == "crashed by SIGSEGV" + ", core dumped" * dumped
    if Path("/proc/sys/kernel/core_pattern").read_text().strip() == "core":
        assert dumped == any(tmp_path.glob("core*"))
