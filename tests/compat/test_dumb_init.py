"""Called dumb-init, pyinit does as dumb-init 1.2.5 does: each scenario is run with both.

What they print, return and do to processes has to be what the test says, for
either of them.  Where they are to differ, `DIFFERENCES` says how and why, and
each is asserted on both sides.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

import pyinit
from tests import conftest
from tests.cases import in_turn
from tests.compat.differences import WHO, Difference, init, outcome
from tests.harness import PID1, SUBREAPER, Container, children, python, status_field, until
from tests.terminals import (
    INTERRUPT,
    SETSID,
    SUSPEND,
    Terminal,
    find,
    shell,
    state,
    until_settled,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

NAME = "dumb-init"

DIFFERENCES = {
    "mask": Difference(
        "the command gets the mask and the ignored signals that were given",
        ("0000000000000000", "0000000000000000"),
        ("0000000000000201", "0000000000000804"),
    ),
    "stopped": Difference(
        "as PID 1 it cannot stop itself: a stop signal continues the command, else it never acts",
        "T",
        "ended",
    ),
    "handled": Difference(
        "a command that handles TSTP goes on, and so does its init, when that is not PID 1",
        "T",
        "S",
    ),
    "child stops": Difference(
        "when not PID 1, whoever waits for the init hears of the command's stop", "S", "T"
    ),
    "orphaned group": Difference(
        "an init that nobody could continue does not stop: its group has no parent in the session",
        "T",
        "S",
    ),
    "version": Difference(
        "its beginning is what others read; the rest tells what runs",
        "",
        f" - pyinit {pyinit.__version__}",
    ),
    "names": Difference("a superset: every name that pyinit takes", 1, 0),
    "beyond 31": Difference("a superset: every signal that can be", 1, 0),
    "nonsense": Difference("what is no number is refused, not read up to where it ends", 0, 1),
    "not by stdin": Difference(
        "the controlling terminal is handed over whatever stdin is", False, True
    ),
}

SETSIDS = ("setsid", "child")
BOTH_MODES = {
    (debug, setsid): {"DUMB_INIT_DEBUG": debug, "DUMB_INIT_SETSID": setsid}
    for debug in ("0", "1")
    for setsid in ("0", "1")
}
STOPS = (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
NOT_RELAYED = {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}
# The last ends tests/programs/record.py.
STANDARD = sorted(set(range(1, 32)) - NOT_RELAYED - set(STOPS) - {signal.SIGTERM})
REAL_TIME = (signal.SIGRTMIN, signal.SIGRTMIN + 7, signal.SIGRTMAX)


@pytest.fixture(params=WHO)
def who(request: pytest.FixtureRequest, namespaces: None) -> str:
    """Run the test with dumb-init, and with pyinit called dumb-init."""
    conftest.need(NAME)
    return str(request.param)


@pytest.fixture(params=BOTH_MODES, ids=lambda pair: f"debug{pair[0]}-setsid{pair[1]}")
def variables(request: pytest.FixtureRequest) -> dict[str, str]:
    """Run the test in both debug modes times both setsid modes."""
    return BOTH_MODES[request.param]


def container(
    who: str,
    command: Sequence[str],
    *options: str,
    variables: dict[str, str] | None = None,
    mode: str = PID1,
    before: Sequence[str] = (),
    stdin: int | None = subprocess.DEVNULL,
) -> Container:
    """Return a container whose init is dumb-init, or pyinit as such."""
    return Container(
        command,
        init=init(NAME, who),
        options=options,
        mode=mode,
        env={**os.environ, **(variables or {})},
        before=before,
        stdin=stdin,
    )


def result(who: str, command: Sequence[str], *options: str, **more: object) -> tuple[int, str, str]:
    """Return exit code, stdout and stderr of a run."""
    with container(who, command, *options, **more) as each:  # type: ignore[arg-type]
        out, err = each.rest(), each.errors()
        return each.wait(), out, err


def name_of(number: int) -> str:
    """Return what tests/programs/record.py calls a signal."""
    if number >= signal.SIGRTMIN:
        return f"RTMIN+{number - signal.SIGRTMIN}"
    return signal.Signals(number).name[3:]


# -- Signals.


def test_every_signal_is_relayed(who: str, variables: dict[str, str]) -> None:
    """The seven synchronous ones too, when kill(2) sends them, and the real-time ones."""
    with container(who, python("record.py"), variables=variables) as each:
        each.expect("ready")
        for number in (*STANDARD, *REAL_TIME, signal.SIGTERM):
            each.signal(number)
            each.expect(name_of(number))
        assert each.wait() == 0


def test_signals_go_to_the_group_of_the_session(who: str, namespaces: None) -> None:
    """The command and a child of it: each once."""
    with container(who, python("pair.py")) as each:
        each.expect("ready")
        for number in (signal.SIGUSR1, signal.SIGHUP, signal.SIGRTMIN + 3, signal.SIGTERM):
            each.signal(number)
            assert {each.line(), each.line()} == {f"child {number:d}", f"member {number:d}"}


SINGLE = {
    "-c": (["-c"], {}),
    "--single-child": (["--single-child"], {}),
    "variable": ([], {"DUMB_INIT_SETSID": "0"}),
}


@pytest.mark.parametrize("way", SINGLE)
def test_signals_go_to_the_child_alone(who: str, namespaces: None, way: str) -> None:
    """A child of it gets only what is sent to it afterwards."""
    options, variables = SINGLE[way]
    command = python("pair.py")
    with container(who, command, *options, variables=variables) as each:
        each.expect("ready")
        for number in (signal.SIGUSR1, signal.SIGHUP):
            each.signal(number)
            each.expect(f"child {number:d}")
        os.kill(children(each.main_child())[0], signal.SIGUSR2)
        each.expect(f"member {signal.SIGUSR2:d}")


@pytest.mark.parametrize("spelling", [["-r"], ["--rewrite"]])
def test_signals_are_rewritten(who: str, variables: dict[str, str], spelling: list[str]) -> None:
    """Swapped, dropped (by 0), and to one that reports a fault; the rest stays as it is."""
    rules = ("1:10", "10:1", "2:0", "3:11", "12:15")
    words = [word for rule in rules for word in (*spelling, rule)]
    with container(who, python("record.py"), *words, variables=variables) as each:
        each.expect("ready")
        for sent, got in ((1, "USR1"), (10, "HUP"), (3, "SEGV"), (14, "ALRM")):
            each.signal(sent)
            each.expect(got)
        each.signal(signal.SIGINT)
        each.signal(signal.SIGUSR2)  # which shows that INT did not come
        each.expect("TERM")
        assert each.wait() == 0


def test_the_newest_rule_counts(who: str, namespaces: None) -> None:
    """Of two for one signal."""
    options = ("-r", "10:1", "-r", "10:12")
    with container(who, python("record.py"), *options) as each:
        each.expect("ready")
        each.signal(signal.SIGUSR1)
        each.expect("USR2")


@pytest.mark.parametrize("number", STOPS)
def test_job_signals_can_be_rewritten(who: str, number: signal.Signals) -> None:
    """Then they are not STOP; one that stands for itself goes to the command as it is.

    To one that has a handler: TSTP would be discarded else, and ours makes it STOP.
    """
    command = python("catch.py", name_of(number))
    with container(who, command, "-r", f"{number:d}:{number:d}") as each:
        each.expect("ready")
        each.signal(number)
        each.expect(name_of(number))


@pytest.mark.parametrize("number", STOPS)
def test_a_job_is_stopped_and_continued(who: str, mode: str, number: signal.Signals) -> None:
    """STOP to the whole group, and when not PID 1, to the init as well; CONT undoes it."""
    command = ["sh", "-c", "sleep 1000 & echo ready; wait"]
    wanted = "T" if mode == SUBREAPER else "S"
    with container(who, command, mode=mode, before=python("own_group.py")) as each:
        each.expect("ready")
        both = [each.main_child(), find(each, "sleep")]
        for _ in range(2):
            each.signal(number)
            for pid in both:
                until(lambda pid=pid: state(pid) == "T", f"{pid} is stopped")  # type: ignore[misc]
            until(lambda: state(each.pid) == wanted, f"the init is {wanted}")
            if mode == PID1:
                until_settled(each.pid)
            each.signal(signal.SIGCONT)
            for pid in (*both, each.pid):
                until(lambda pid=pid: state(pid) == "S", f"{pid} goes on")  # type: ignore[misc]


@pytest.mark.parametrize("number", STOPS)
def test_a_single_child_gets_the_job_signal_itself(who: str, number: signal.Signals) -> None:
    """STOP is for sessions; what the child makes of TSTP is its own matter."""
    with container(who, python("catch.py", name_of(number)), "-c") as each:
        each.expect("ready")
        each.signal(number)
        each.expect(name_of(number))


def test_a_command_that_handles_tstp(who: str) -> None:
    """DIFFERENCES: handled."""
    command = python("catch.py", "TSTP")
    with container(who, command, "-c", mode=SUBREAPER, before=python("own_group.py")) as each:
        each.expect("ready")
        each.signal(signal.SIGTSTP)
        each.expect("TSTP")
        wanted = outcome(DIFFERENCES["handled"], who)
        until(lambda: state(each.pid) == wanted, f"the init is {wanted}")
        if wanted == "S":
            until_settled(each.pid)
            assert state(each.pid) == wanted


def test_a_command_that_stops_itself(who: str) -> None:
    """DIFFERENCES: child stops."""
    with container(who, ["sleep", "1000"], mode=SUBREAPER, before=python("own_group.py")) as each:
        child = find(each, "sleep")
        os.kill(child, signal.SIGSTOP)
        until(lambda: state(child) == "T", "the command is stopped")
        wanted = outcome(DIFFERENCES["child stops"], who)
        until(lambda: state(each.pid) == wanted, f"the init is {wanted}")
        if wanted == "S":
            until_settled(each.pid)
            assert state(each.pid) == wanted


def test_a_stop_signal_for_a_stopped_command(who: str) -> None:
    """DIFFERENCES: stopped."""
    with container(who, ["sleep", "1000"]) as each:
        child = find(each, "sleep")
        each.signal(signal.SIGTSTP)
        until(lambda: state(child) == "T", "the command is stopped")
        until_settled(each.pid)
        each.signal(signal.SIGTERM)
        if outcome(DIFFERENCES["stopped"], who) == "ended":
            assert each.wait() == 128 + signal.SIGTERM
        else:
            until(lambda: int(status_field(child, "ShdPnd"), 16), "TERM waits for it")
            until_settled(each.pid)
            assert state(child) == outcome(DIFFERENCES["stopped"], who)


def test_eperm_is_no_reason_to_end(who: str, namespaces: None) -> None:
    """A command under another user that the init may not signal; its exit code arrives."""
    if os.geteuid() != 0:
        conftest.missing("root")
    conftest.need("setpriv")
    before = ("setpriv", "--bounding-set", "-kill", "--inh-caps", "-kill")
    user = ("setpriv", "--reuid", "65534", "--clear-groups")
    command = [*user, "sh", "-c", "echo ready; read -r line; exit 7"]
    reader, writer = os.pipe()
    try:
        with container(who, command, before=before, stdin=reader) as each:
            each.expect("ready")
            each.signal(signal.SIGUSR1)
            each.signal(signal.SIGTERM)
            until_settled(each.pid)
            os.write(writer, b"end\n")
            assert each.wait() == 7
    finally:
        os.close(reader)
        os.close(writer)


# -- The command: its place, and what it gets.


def fields(pid: int) -> list[int]:
    """Return process group and session of ``pid``, as the tests' namespace numbers them."""
    return [os.getpgid(pid), os.getsid(pid)]


def test_the_command_leads_a_session(who: str, namespaces: None) -> None:
    """And so a process group."""
    with container(who, ["sleep", "1000"]) as each:
        pid = find(each, "sleep")
        assert fields(pid) == [pid, pid]


@pytest.mark.parametrize("way", SINGLE)
def test_a_single_child_stays_in_the_group(who: str, namespaces: None, way: str) -> None:
    """In that of its init."""
    options, variables = SINGLE[way]
    with container(who, ["sleep", "1000"], *options, variables=variables) as each:
        assert fields(find(each, "sleep")) == fields(each.pid)


def test_the_directories(who: str, namespaces: None, variables: dict[str, str]) -> None:
    """The command has the one that was given, and its init the root directory."""
    # It changes it after it has started the command.
    until_so = 'until [ "$(readlink /proc/$PPID/cwd)" = / ]; do :; done'
    command = ["sh", "-c", f"pwd; {until_so}; readlink /proc/$PPID/cwd"]
    before = ["env", "--chdir=/tmp"]
    _, out, _ = result(who, command, before=before, variables=variables)
    assert out.splitlines() == ["/tmp", "/"]


def test_the_environment_is_handed_on(who: str, variables: dict[str, str]) -> None:
    """With its own variables in it."""
    code, out, _ = result(who, ["env"], variables=variables)
    assert code == 0
    wanted = sorted(f"{key}={value}" for key, value in {**os.environ, **variables}.items())
    assert sorted(out.splitlines()) == sorted("\n".join(wanted).splitlines())


def test_mask_and_ignored_signals(who: str, namespaces: None) -> None:
    """DIFFERENCES: mask."""
    spec = {"blocked": [1, 10], "ignored": [3, 12]}
    command = ["sed", "-nE", "s/Sig(Blk|Ign):.//p", "/proc/self/status"]
    with Container(
        command,
        init=(*python("enter.py", json.dumps(spec)), *absolute(who)),
    ) as each:
        blocked, ignored = each.rest().split()
        assert each.wait() == 0
    assert (blocked, ignored) == outcome(DIFFERENCES["mask"], who)


def absolute(who: str) -> list[str]:
    """Return the init by its path, which tests/programs/enter.py needs."""
    first, *rest = init(NAME, who)
    return [subprocess.check_output(["which", first], text=True).strip(), *rest]


def test_an_ignored_sigchld_does_no_harm(who: str, namespaces: None) -> None:
    """The status of the command is known all the same."""
    before = python("enter.py", json.dumps({"ignored": [int(signal.SIGCHLD)]}))
    with Container(["sh", "-c", "exit 7"], init=(*before, *absolute(who))) as each:
        assert each.wait() == 7


def test_a_closed_stdin_does_no_harm(who: str, mode: str) -> None:
    """Nor does it change the exit code."""
    before = ["sh", "-c", 'exec 0<&-; exec "$@"', "sh"]
    assert result(who, ["sh", "-c", "exit 3"], mode=mode, before=before) == (3, "", "")


# -- The terminal.


@contextlib.contextmanager
def session(
    who: str, command: Sequence[str], *options: str, mode: str = PID1, entry: Sequence[str] = ()
) -> Iterator[tuple[Terminal, Container]]:
    """Run the init as the leader of a session with a terminal of its own."""
    with (
        Terminal() as terminal,
        Container(
            command,
            init=init(NAME, who),
            options=options,
            before=[*SETSID, *entry],
            mode=mode,
            stdin=terminal.slave,
            stdout=terminal.slave,
            stderr=terminal.slave,
        ) as each,
    ):
        yield terminal, each


def test_the_commands_session_takes_over_the_terminal(who: str, namespaces: None) -> None:
    """The command is the foreground, and the hang-up that goes with it reaches nobody."""
    with session(who, python("record.py", "HUP", "CONT", "USR1")) as (terminal, each):
        terminal.expect("ready\r\n")
        command = each.main_child()
        assert terminal.foreground() == command
        assert fields(command) == [command, command]
        each.signal(signal.SIGUSR1)
        terminal.expect_only("USR1")
        each.signal(signal.SIGHUP)
        terminal.expect_only("HUP")


def test_what_is_typed_reaches_the_command_once(who: str, namespaces: None) -> None:
    """The init is not in the foreground: it has nothing to relay."""
    with session(who, python("catch.py", "INT", "USR1")) as (terminal, each):
        terminal.expect("ready\r\n")
        for _ in range(2):
            terminal.type(INTERRUPT)
            terminal.expect_only("INT")
        each.signal(signal.SIGUSR1)
        terminal.expect_only("USR1")


def test_a_shell_as_the_command_has_job_control(who: str, namespaces: None) -> None:
    """It leads the session of its terminal: a job of it is stopped by a key, and continued."""
    command = ["bash", "--norc", "--noprofile", "--noediting", "-i"]
    with session(who, command, entry=["env", "PS1=", "PS2="]) as (terminal, each):
        terminal.type("echo shell-is-ready\n")
        terminal.expect("shell-is-ready\r\n")
        terminal.type("sleep 1000\n")
        sleep = find(each, "sleep")
        until(lambda: terminal.foreground() == sleep, "the job has the terminal")
        terminal.type(SUSPEND)
        terminal.expect("Stopped")
        terminal.type("echo shell-reads\n")
        terminal.expect("shell-reads\r\n")
        terminal.type("exit 7\nexit 7\n")
        assert each.wait() == 7


def test_a_hang_up_reaches_the_command(who: str, namespaces: None) -> None:
    """From the kernel: it is the leader of the session now."""
    with session(who, ["sleep", "1000"]) as (terminal, each):
        sleep = find(each, "sleep")
        until(lambda: terminal.foreground() == sleep, "the command has the terminal")
        terminal.hang_up()
        assert each.wait() == 128 + signal.SIGHUP


def test_a_single_child_shares_the_terminal(who: str, namespaces: None) -> None:
    """It is in the foreground's group, with its init."""
    with session(who, ["cat"], "-c") as (terminal, each):
        terminal.type("one\n")
        terminal.expect("one\r\n")
        assert terminal.foreground() == os.getpgid(each.pid) == os.getpgid(find(each, "cat"))


def test_a_background_job_leaves_the_terminal_alone(who: str) -> None:
    """The shell that started it goes on to read."""
    with shell("bash") as (terminal, each):
        terminal.type(f"{' '.join(init(NAME, who))} sleep 1000 &\n")
        find(each, "sleep")
        terminal.type("echo shell-reads\n")
        terminal.expect("shell-reads\r\n")
        assert terminal.foreground() == each.pid


def test_a_terminal_that_is_not_stdin(who: str) -> None:
    """DIFFERENCES: not by stdin."""
    entry = ["sh", "-c", 'exec "$@" </dev/null', "sh"]
    command = ["sh", "-c", "if (: </dev/tty); then echo one; else echo none; fi 2>/dev/null"]
    with session(who, command, entry=entry) as (terminal, _):
        has = outcome(DIFFERENCES["not by stdin"], who)
        terminal.expect_only("one" if has else "none")


# -- The end.


@pytest.mark.parametrize("code", [0, 1, 2, 7, 125, 126, 127, 128, 143, 255])
def test_the_exit_code(who: str, code: int) -> None:
    """That of the command."""
    assert result(who, ["sh", "-c", f"exit {code}"]) == (code, "", "")


@in_turn("name", ["HUP", "INT", "QUIT", "SEGV", "KILL", "USR1", "PIPE", "TERM"])
def test_the_exit_code_of_a_killed_command(who: str, mode: str, name: str) -> None:
    """128 and the signal."""
    number = signal.Signals[f"SIG{name}"]
    assert result(who, ["sh", "-c", f"kill -{name} $$"], mode=mode) == (128 + number, "", "")


@in_turn(
    ("command", "reason", "setsid"),
    [
        ("/no/such/command", "No such file or directory", "0"),
        ("no-such-command", "No such file or directory", "1"),
        ("", "No such file or directory", "0"),
        ("/etc/passwd", "Permission denied", "1"),
        ("/etc", "Permission denied", "0"),
        ("/no/such/command", "No such file or directory", "1"),
    ],
)
def test_a_command_that_cannot_be_started(
    who: str, mode: str, command: str, reason: str, setsid: str
) -> None:
    """The exit code is 2, and the message has the reason."""
    code, out, err = result(who, [command], mode=mode, variables={"DUMB_INIT_SETSID": setsid})
    assert (code, out) == (2, "")
    assert err == f"[dumb-init] {command}: {reason}\n"


LEFTOVERS = {
    "group": ([], "", ["TERM"]),
    "rewritten": (["-r", "15:10"], "", ["USR1"]),
    "dropped": (["-r", "15:0"], "", []),
    "single child": (["-c"], "", []),
    "own session": ([], "setsid", []),
}


@pytest.mark.parametrize("case", LEFTOVERS)
def test_what_happens_to_leftovers(who: str, case: str, tmp_path: Path) -> None:
    """TERM to the group, as the rules rewrite it, and no waiting: they live on when not PID 1.

    WINCH, which comes afterwards, shows that nothing else did.
    """
    options, before, got = LEFTOVERS[case]
    file = tmp_path / "pid"
    record = " ".join([before, *python("record.py", "-", "TERM", "USR1", "WINCH")])
    command = f"{record} & echo $! >{file}; read -r line; exit 7"
    outer = f'"$@"; echo $?; kill -WINCH $(cat {file}); read -r line'
    reader, writer = os.pipe()
    try:
        with Container(
            ["sh", "-c", outer, "sh", *init(NAME, who), *options, "sh", "-c", command],
            init=(),
            stdin=reader,
        ) as each:
            each.expect("ready")
            os.write(writer, b"\n")
            lines = [each.line() for _ in range(len(got) + 2)]
            assert sorted(lines) == sorted(["7", *got, "WINCH"])
            assert lines[-1] == "WINCH"
    finally:
        os.close(reader)
        os.close(writer)


def test_the_namespace_goes_with_pid_1(who: str) -> None:
    """The kernel ends who is left, at once: who ignores TERM is not waited for."""
    stubborn = " ".join(python("record.py", "-"))
    with container(who, ["sh", "-c", f"{stubborn} >&2 & exec sleep 1000"]) as each:
        each.expect("ready", fd=2)
        os.kill(find(each, "sleep"), signal.SIGKILL)
        assert each.wait() == 128 + signal.SIGKILL


def test_orphans_are_reaped(who: str) -> None:
    """As PID 1, whatever they were."""
    script = "for i in 1 2 3; do (sleep 0 & exec true); done; echo ready; read -r line"
    reader, writer = os.pipe()
    try:
        with container(who, ["sh", "-c", script], stdin=reader) as each:
            each.expect("ready")
            until(lambda: len(children(each.pid)) == 1, "the orphans are gone", each.pid)
    finally:
        os.close(reader)
        os.close(writer)


def test_it_is_no_subreaper(who: str, mode: str) -> None:
    """When not PID 1, an orphan is the child of another."""
    with container(who, python("leave_orphans.py"), mode=mode) as each:
        each.expect("pyinit" if mode == PID1 else "another")


def test_a_command_outlives_a_killed_init(who: str) -> None:
    """When not PID 1: nothing is asked of the kernel for that case."""
    with container(who, python("record.py"), mode=SUBREAPER) as each:
        each.expect("ready")
        each.signal(signal.SIGKILL)
        assert each.wait() == -signal.SIGKILL
        assert len(each.survivors) == 1


# -- What is said.


def said(who: str, *words: str, **variables: str) -> tuple[int, str, str]:
    """Return exit code, stdout and stderr of the program with ``words``, without a namespace."""
    done = subprocess.run(
        [*init(NAME, who), *words],
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("words", [["-V"], ["--version"], ["-V", "true"], ["-cV"], ["--vers"]])
def test_the_version(who: str, words: list[str]) -> None:
    """On stderr, with dumb-init's own number.  DIFFERENCES: version."""
    rest = outcome(DIFFERENCES["version"], who)
    assert said(who, *words) == (0, "", f"dumb-init v1.2.5{rest}\n")


@pytest.mark.parametrize(
    ("difference", "rule"),
    [
        ("names", "TERM:INT"),
        ("names", "15:SIGINT"),
        ("names", "WINCH:ignore"),
        ("beyond 31", "64:3"),
        ("beyond 31", "15:64"),
        ("nonsense", "15:3abc"),
        ("nonsense", "15:3,1:2"),
    ],
)
def test_rules_that_only_one_of_them_takes(who: str, difference: str, rule: str) -> None:
    """DIFFERENCES: names, beyond 31, nonsense."""
    assert said(who, "-r", rule, "true")[0] == outcome(DIFFERENCES[difference], who)


def test_an_init_that_nobody_could_continue(who: str) -> None:
    """DIFFERENCES: orphaned group."""
    command = python("record.py", "USR1")
    with container(who, command, mode=SUBREAPER, before=["setsid"]) as each:
        each.expect("ready")
        child = each.main_child()
        each.signal(signal.SIGTSTP)
        until(lambda: state(child) == "T", "the command is stopped")
        wanted = outcome(DIFFERENCES["orphaned group"], who)
        until(lambda: state(each.pid) == wanted, f"the init is {wanted}")
        each.signal(signal.SIGCONT)
        until(lambda: state(child) == "S", "the command goes on")


@pytest.mark.parametrize("option", ["-h", "--help", "-hV"])
def test_the_help(who: str, option: str) -> None:
    """On stderr, and it names the version and all options."""
    code, out, err = said(who, option)
    assert (code, out) == (0, "")
    assert err.startswith("dumb-init v1.2.5")
    assert "\nUsage: dumb-init " in err
    for word in ("-c", "--single-child", "-r", "--rewrite", "-v", "--verbose", "-h", "-V"):
        assert word in err


WRONG = {
    "nothing": [],
    "an unknown option": ["-z", "true"],
    "an unknown long option": ["--foo", "true"],
    "a value too many": ["--version=3"],
    "a value too few": ["-r"],
    "a rule without a colon": ["-r", "15", "true"],
    "a rule of words": ["-r", "foo", "true"],
    "signal 0": ["-r", "0:3", "true"],
    "signal 32": ["-r", "32:3", "true"],
    "to signal 32": ["-r", "31:32", "true"],
    "a negative signal": ["-r", "-1:3", "true"],
    "to a negative signal": ["-r", "15:-3", "true"],
    "an ambiguous long option": ["--ver", "true"],
}


@pytest.mark.parametrize("case", WRONG)
def test_a_usage_error(who: str, case: str) -> None:
    """The exit code is 1, and nothing is started."""
    code, out, err = said(who, *WRONG[case])
    assert (code, out) == (1, "")
    assert "dumb-init" in err or "-r option" in err


@pytest.mark.parametrize(
    "words",
    [
        ["-cv", "--"],
        ["-vc"],
        ["--verbose", "--single-child"],
        ["--verb", "--si"],
        ["-c", "-v", "-v"],
    ],
)
def test_options_in_other_spellings(who: str, words: list[str]) -> None:
    """Bundled, short for long, repeated; those behind the command are the command's."""
    code, out, err = said(who, *words, "echo", "-V")
    assert (code, out) == (0, "-V\n")
    assert err.startswith("[dumb-init] Child spawned with PID ")
    assert err.endswith("[dumb-init] Child exited with status 0. Goodbye.\n")
