"""Called catatonit, pyinit does as catatonit 0.1.7 does: each scenario is run with both.

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

from tests import conftest, harness
from tests.cases import in_turn
from tests.compat.differences import WHO, Difference, init, outcome
from tests.harness import PID1, SUBREAPER, Container, children, python, status_field, until
from tests.terminals import (
    END,
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

NAME = "catatonit"
DEBUG = {"CATATONIT_DEBUG": "1"}

DIFFERENCES = {
    "TSTP": Difference(
        "a request to stop reaches the command, as all do that a user can send", [], ["TSTP"]
    ),
    "SIGCHLD ignored": Difference(
        "the kernel would drop the status and the original waits for ever: it is reset first",
        None,
        7,
    ),
    "mask": Difference(
        "the mask is the one that was given, without the three stops that the original adds",
        0x380201,
        0x201,
    ),
    "terminal's stop": Difference(
        "a key that stops the foreground stops the command: nothing of it is blocked",
        "S",
        "T",
    ),
    "background job": Difference(
        "only the foreground hands the terminal over: a job does not steal it", "S", "T"
    ),
    "first word": Difference(
        "options end at the command, as with every other init: its own need no --", 1, 7
    ),
    "TTIN line": Difference(
        "a signal that is not relayed is nothing to tell: whether a terminal sent it is not known",
        True,
        False,
    ),
    "child stops": Difference(
        "when not PID 1, whoever waits for the init hears of the command's stop", "S", "T"
    ),
}

NOT_RELAYED = {
    signal.SIGKILL,
    signal.SIGSTOP,
    signal.SIGCHLD,
    signal.SIGTSTP,
    signal.SIGTTIN,
    signal.SIGTTOU,
    # What reports a fault of its receiver.
    signal.SIGILL,
    signal.SIGTRAP,
    signal.SIGABRT,
    signal.SIGBUS,
    signal.SIGFPE,
    signal.SIGSEGV,
    signal.SIGSYS,
    signal.SIGTERM,  # ends tests/programs/record.py
}
# posix_spawn(3) leaves the two signals ignored that glibc keeps to itself.
GLIBCS = 1 << 31 | 1 << 32
RELAYED = sorted(signal.valid_signals() - NOT_RELAYED)


@pytest.fixture(params=WHO)
def who(request: pytest.FixtureRequest, namespaces: None) -> str:
    """Run the test with catatonit, and with pyinit called catatonit."""
    conftest.need(NAME)
    return str(request.param)


def container(
    who: str,
    command: Sequence[str],
    *options: str,
    variables: dict[str, str] | None = None,
    mode: str = PID1,
    before: Sequence[str] = (),
    stdin: int | None = subprocess.DEVNULL,
) -> Container:
    """Return a container whose init is catatonit, or pyinit as such."""
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


@pytest.mark.parametrize("options", [[], ["-g"]])
def test_signals_are_relayed(who: str, namespaces: None, options: list[str]) -> None:
    """All but those of a stop, those that report a fault, and SIGCHLD."""
    with container(who, python("record.py"), *options) as each:
        each.expect("ready")
        for number in (*RELAYED, signal.SIGTERM):
            each.signal(number)
            each.expect(name_of(number))
        assert each.wait() == 0


@pytest.mark.parametrize(
    "name", ["TTIN", "TTOU", "ILL", "TRAP", "ABRT", "BUS", "FPE", "SEGV", "SYS"]
)
def test_signals_that_are_not_relayed(who: str, name: str) -> None:
    """Neither does one of them end PID 1: USR1, which comes afterwards, is the next."""
    with container(who, python("record.py")) as each:
        each.expect("ready")
        each.signal(signal.Signals[f"SIG{name}"])
        until_settled_but_blocked(each)
        each.signal(signal.SIGUSR1)
        each.expect("USR1")


def until_settled_but_blocked(each: Container) -> None:
    """Wait until the init waits again."""
    until(lambda: state(each.pid) == "S", "the init waits")


def test_tstp(who: str, namespaces: None) -> None:
    """DIFFERENCES: TSTP.  USR1, which comes afterwards, is taken first where both wait."""
    with container(who, python("catch.py", "TSTP", "USR1")) as each:
        each.expect("ready")
        each.signal(signal.SIGTSTP)
        for line in outcome(DIFFERENCES["TSTP"], who):  # type: ignore[attr-defined]
            each.expect(line)
        until_settled(each.pid)
        each.signal(signal.SIGUSR1)
        each.expect("USR1")


def test_with_g_signals_go_to_the_group(who: str, namespaces: None) -> None:
    """The command and a child of it: each once."""
    with container(who, python("pair.py"), "-g") as each:
        each.expect("ready")
        for number in (signal.SIGUSR1, signal.SIGHUP, signal.SIGRTMIN + 3, signal.SIGTERM):
            each.signal(number)
            assert {each.line(), each.line()} == {f"child {number:d}", f"member {number:d}"}


def test_without_g_signals_go_to_the_command_alone(who: str, namespaces: None) -> None:
    """A child of it gets only what is sent to it afterwards."""
    with container(who, python("pair.py")) as each:
        each.expect("ready")
        for number in (signal.SIGUSR1, signal.SIGHUP):
            each.signal(number)
            each.expect(f"child {number:d}")
        os.kill(children(each.main_child())[0], signal.SIGUSR2)
        each.expect(f"member {signal.SIGUSR2:d}")


@contextlib.contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    """Make a pipe: the end to read from, and the end to write to."""
    reader, writer = os.pipe()
    try:
        yield reader, writer
    finally:
        os.close(reader)
        os.close(writer)


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


# -- The command: its place, and what it gets.


def test_the_command_leads_a_group_of_the_session(who: str, namespaces: None) -> None:
    """Its own group, in the session of its init."""
    with container(who, ["sleep", "1000"]) as each:
        pid = find(each, "sleep")
        assert os.getpgid(pid) == pid
        assert os.getsid(pid) == os.getsid(each.pid)


def test_mask_and_ignored_signals(who: str, namespaces: None) -> None:
    """The command ignores what was given.  DIFFERENCES: mask."""
    spec = {"blocked": [1, 10], "ignored": [3, 12]}
    command = ["sed", "-nE", "s/Sig(Blk|Ign):.//p", "/proc/self/status"]
    before = (*python("enter.py", json.dumps(spec)), *absolute(who))
    with Container(command, init=before) as each:
        blocked, ignored = (int(word, 16) for word in each.rest().split())
        assert each.wait() == 0
    assert (blocked, ignored & ~GLIBCS) == (outcome(DIFFERENCES["mask"], who), 0x804)


def absolute(who: str) -> list[str]:
    """Return the init by its path, which tests/programs/enter.py needs."""
    first, *rest = init(NAME, who)
    return [subprocess.check_output(["which", first], text=True).strip(), *rest]


def test_an_ignored_sigchld(who: str, namespaces: None) -> None:
    """DIFFERENCES: SIGCHLD ignored.  The original goes on to wait without a command."""
    spec = json.dumps({"ignored": [int(signal.SIGCHLD)]})
    before = (*python("enter.py", spec), *absolute(who))
    command = ["sh", "-c", "echo ready; read -r line; exit 7"]
    with Container(command, init=before, stdin=subprocess.PIPE) as each:
        each.expect("ready")
        # The original looks once whether its command is there, and ends if it is not.
        until_settled(each.pid)
        each.close_stdin()
        code = outcome(DIFFERENCES["SIGCHLD ignored"], who)
        if code is not None:
            assert each.wait() == code
            return
        until(lambda: not children(each.pid), "the kernel has reaped the command")
        until(lambda: state(each.pid) == "S", "the init waits")


def test_a_closed_stdin_does_no_harm(who: str, mode: str) -> None:
    """Nor does it change the exit code."""
    before = ["sh", "-c", 'exec 0<&-; exec "$@"', "sh"]
    assert result(who, ["sh", "-c", "exit 3"], mode=mode, before=before) == (3, "", "")


def test_activation(who: str, mode: str) -> None:
    """LISTEN_PID is the command's where it was the init's; LISTEN_FDS stays."""
    before = ["sh", "-c", 'export LISTEN_PID=$$ LISTEN_FDS=2; exec "$@"', "sh"]
    command = ["sh", "-c", "echo $((LISTEN_PID - $$)) $LISTEN_FDS"]
    assert result(who, command, mode=mode, before=before) == (0, "0 2\n", "")


def test_the_environment_is_handed_on(who: str) -> None:
    """With its own variable in it."""
    _, out, _ = result(who, ["printenv", "CATATONIT_DEBUG"], variables={"CATATONIT_DEBUG": "x"})
    assert out == "x\n"


# -- The terminal.


@contextlib.contextmanager
def session(
    who: str, command: Sequence[str], *, mode: str = PID1
) -> Iterator[tuple[Terminal, Container]]:
    """Run the init as the leader of a session with a terminal of its own."""
    with (
        Terminal() as terminal,
        Container(
            command,
            init=init(NAME, who),
            before=SETSID,
            mode=mode,
            stdin=terminal.slave,
            stdout=terminal.slave,
            stderr=terminal.slave,
        ) as each,
    ):
        yield terminal, each


def test_the_command_gets_the_foreground(who: str, namespaces: None) -> None:
    """Typed lines reach it, and their end."""
    with session(who, ["sed", "-u", ""]) as (terminal, each):
        sed = find(each, "sed")
        until(lambda: terminal.foreground() == sed, "the command has the terminal")
        terminal.type("one\n")
        terminal.expect("one\r\n")
        terminal.type(END)
        assert each.wait() == 0


def test_what_is_typed_reaches_the_command_once(who: str, namespaces: None) -> None:
    """The init is not in the foreground: it has nothing to relay."""
    with session(who, python("catch.py", "INT", "USR1")) as (terminal, each):
        terminal.expect("ready\r\n")
        until(lambda: terminal.foreground() == each.main_child(), "the command has the terminal")
        for _ in range(2):
            terminal.type(INTERRUPT)
            terminal.expect_only("INT")
        each.signal(signal.SIGUSR1)
        terminal.expect_only("USR1")


def test_a_stop_by_a_key(who: str) -> None:
    """DIFFERENCES: terminal's stop.  CONT is relayed."""
    with session(who, ["sed", "-u", ""]) as (terminal, each):
        sed = find(each, "sed")
        until(lambda: terminal.foreground() == sed, "the command has the terminal")
        terminal.type(SUSPEND)
        wanted = outcome(DIFFERENCES["terminal's stop"], who)
        if wanted == "S":
            until(lambda: int(status_field(sed, "ShdPnd"), 16), "TSTP waits for the command")
            until(lambda: state(sed) == wanted, "the command goes on")
            return
        until(lambda: state(sed) == wanted, "the command is stopped")
        until_settled(each.pid)
        each.signal(signal.SIGCONT)
        until(lambda: state(sed) == "S", "the command goes on")


def test_a_background_job(who: str) -> None:
    """DIFFERENCES: background job.  What it does to the terminal shows when the command reads."""
    program = " ".join(python("read_when_told.py"))
    with shell("bash") as (terminal, each):
        terminal.type(f"{' '.join(init(NAME, who))} -- {program} &\n")
        if outcome(DIFFERENCES["background job"], who) != "T":
            # The shell, which reads in the background then, gets EIO and exits, sooner or later.
            until(lambda: terminal.foreground() != each.pid, "the job has taken the terminal")
            return
        terminal.expect("ready\r\n")
        reader = each.descendants()[-1]
        os.kill(reader, signal.SIGUSR1)
        until(lambda: state(reader) == "T", "the kernel has stopped a background reader")
        assert terminal.foreground() == each.pid


# -- The end.


@pytest.mark.parametrize("code", [0, 1, 2, 7, 125, 126, 127, 128, 143, 255])
def test_the_exit_code(who: str, code: int) -> None:
    """That of the command."""
    assert result(who, ["sh", "-c", f"exit {code}"]) == (code, "", "")


@in_turn("name", ["HUP", "INT", "QUIT", "SEGV", "KILL", "USR1", "ALRM", "TERM"])
def test_the_exit_code_of_a_killed_command(who: str, mode: str, name: str) -> None:
    """128 and the signal."""
    number = signal.Signals[f"SIG{name}"]
    assert result(who, ["sh", "-c", f"kill -{name} $$"], mode=mode) == (128 + number, "", "")


@in_turn(
    ("command", "reason"),
    [
        ("/no/such/command", "No such file or directory"),
        ("no-such-command", "No such file or directory"),
        ("", "No such file or directory"),
        ("/etc/passwd", "Permission denied"),
        ("/etc", "Permission denied"),
    ],
)
def test_a_command_that_cannot_be_started(who: str, mode: str, command: str, reason: str) -> None:
    """The exit code is 1, and the message has the reason."""
    code, out, err = result(who, [command], mode=mode)
    assert (code, out) == (1, "")
    assert err.startswith("ERROR (catatonit:")
    assert err.endswith(f"failed to exec pid1: {reason}\n")


@pytest.mark.parametrize("before", ["", "setsid"])
def test_leftovers_get_nothing(who: str, before: str, tmp_path: Path) -> None:
    """They live on when not PID 1; WINCH, which comes afterwards, is the first that they get."""
    file = tmp_path / "pid"
    record = " ".join([before, *python("record.py", "-", "TERM", "HUP", "CONT", "WINCH")])
    command = f"{record} & echo $! >{file}; read -r line; exit 7"
    outer = f'"$@"; echo $?; kill -WINCH $(cat {file}); read -r line'
    words = ["sh", "-c", outer, "sh", *init(NAME, who), "--", "sh", "-c", command]
    with pipe() as (reader, writer), Container(words, init=(), stdin=reader) as each:
        each.expect("ready")
        os.write(writer, b"\n")
        each.expect("7")
        each.expect("WINCH")


def test_the_namespace_goes_with_pid_1(who: str) -> None:
    """The kernel ends who is left, at once: who ignores TERM is not waited for."""
    stubborn = " ".join(python("record.py", "-"))
    with container(who, ["sh", "-c", f"{stubborn} >&2 & exec sleep 1000"]) as each:
        each.expect("ready", fd=2)
        os.kill(find(each, "sleep"), signal.SIGKILL)
        assert each.wait() == 128 + signal.SIGKILL


def test_orphans_are_reaped(who: str, namespaces: None) -> None:
    """As PID 1, and as the subreaper that it makes itself when not."""
    with container(who, python("leave_orphans.py")) as each:
        each.expect("pyinit")


def test_a_command_outlives_a_killed_init(who: str) -> None:
    """When not PID 1: nothing is asked of the kernel for that case."""
    with container(who, python("record.py"), mode=SUBREAPER) as each:
        each.expect("ready")
        each.signal(signal.SIGKILL)
        assert each.wait() == -signal.SIGKILL
        assert len(each.survivors) == 1


# -- The pause.


@contextlib.contextmanager
def pause(who: str, mode: str, *options: str) -> Iterator[Container]:
    """Run the pause, once it takes signals."""
    with container(who, [], "-P", *options, mode=mode) as each:
        until(lambda: waits(each), "the init waits for signals")
        yield each


def waits(each: Container) -> bool:
    """Return whether the init sleeps, and TERM is waited for.

    In sigtimedwait(2) /proc shows it as not blocked; pyinit has a handler for it then.
    """
    taken = int(status_field(each.pid, "SigBlk"), 16) | int(status_field(each.pid, "SigCgt"), 16)
    name = status_field(each.pid, "Name")
    return bool(taken >> (signal.SIGTERM - 1) & 1) and state(each.pid) == "S" and name == NAME


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_pause_ends_with_0(who: str, namespaces: None, number: signal.Signals) -> None:
    """On INT and TERM, and others before them do nothing."""
    with pause(who, PID1) as each:
        for other in (signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGTSTP):
            each.signal(other)
        each.signal(number)
        assert each.wait() == 0
        assert (each.rest(), each.errors()) == ("", "")


def test_a_pause_takes_no_notice_of_a_command(who: str) -> None:
    """It is not started."""
    with container(who, ["echo", "started"], "-P") as each:
        until(lambda: waits(each), "the init waits for signals")
        each.signal(signal.SIGTERM)
        assert (each.wait(), each.rest()) == (0, "")


# -- What is said.


def said(who: str, *words: str, **variables: str) -> tuple[int, str, str]:
    """Return exit code, stdout and stderr of the program with ``words``, as PID 1."""
    done = subprocess.run(
        [*harness.UNSHARE, *init(NAME, who), *words],
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("words", [["-V"], ["--version"], ["-V", "true"], ["-gV"], ["--vers"]])
def test_the_version(who: str, words: list[str]) -> None:
    """It begins as tini's does, which podman looks for."""
    code, out, err = said(who, *words)
    assert (code, err) == (0, "")
    assert out.startswith("tini version 0.1.7_catatonit")


def test_the_help(who: str) -> None:
    """On stderr, and it names all options."""
    code, out, err = said(who, "-h")
    assert (code, out) == (0, "")
    assert err.startswith("usage: catatonit [-ghLPV] [--] <progname> [<arguments>...]\n")
    for word in ("-g", "-h", "-L", "-P", "-V", "--version"):
        assert f"  {word}" in err or f" {word} " in err


def test_the_license(who: str) -> None:
    """On stdout; each has its own."""
    code, out, err = said(who, "-L")
    assert (code, err) == (0, "")
    assert out.startswith("catatonit")


WRONG = {
    "an unknown option": (["-z", "true"], "catatonit: invalid option -- 'z'"),
    "an unknown long option": (["--foo", "true"], "catatonit: unrecognized option '--foo'"),
    "a value too many": (
        ["--version=1"],
        "catatonit: option '--version' doesn't allow an argument",
    ),
    "nothing": ([], "ERROR (catatonit:1): missing program name"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_usage_error(who: str, case: str) -> None:
    """The exit code is 1, and the usage follows."""
    words, message = WRONG[case]
    code, out, err = said(who, *words)
    assert (code, out) == (1, "")
    usage = "usage: catatonit [-ghLPV] [--] <progname> [<arguments>...]"
    assert err.splitlines()[:2] == [message, usage]


def test_options_after_the_command(who: str) -> None:
    """DIFFERENCES: first word."""
    assert said(who, "sh", "-c", "exit 7")[0] == outcome(DIFFERENCES["first word"], who)


@pytest.mark.parametrize("value", ["", "1", "0"])
def test_debug_lines(who: str, value: str) -> None:
    """With the variable, whatever its value: the start.  DIFFERENCES: TTIN line."""
    with container(who, python("record.py"), variables={"CATATONIT_DEBUG": value}) as each:
        each.expect("ready")
        until_line(each, f"DEBUG (catatonit:1): pid1 (2) spawned: {python('record.py')[0]}")
        each.signal(signal.SIGTTIN)
        if outcome(DIFFERENCES["TTIN line"], who):
            line = "ignoring kernel attempting to stop us: tty has TOSTOP set"
            until_line(each, f"DEBUG (catatonit:1): {line}")
        each.signal(signal.SIGTERM)
        assert each.wait() == 0
        if not outcome(DIFFERENCES["TTIN line"], who):
            assert "TOSTOP" not in each.errors()


def until_line(each: Container, text: str) -> None:
    """Read lines of stderr until one is ``text``."""
    while (line := each.line(fd=2)) != text:
        assert line, f"no line is {text!r}"
