"""Called tini, tini-static or docker-init, pyinit does as tini 0.19 does: both run each scenario.

What they print, return and do to processes has to be what the test says, for
tini itself, for a link to pyinit and for ``--as``.  Where they are to differ,
`DIFFERENCES` says how and why, and each is asserted on both sides.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import pyinit
from pyinit import signals
from pyinit.compat import peers as words
from tests import conftest, harness, peers
from tests.compat.differences import Difference, outcome
from tests.harness import PID1, SUBREAPER, Container, children, python, status_field, until
from tests.peers import AS, LINK, REAL, Variant
from tests.terminals import (
    END,
    INTERRUPT,
    SETSID,
    Terminal,
    find,
    shell,
    state,
    until_settled,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

DIFFERENCES = {
    "flags behind the command": Difference(
        "flags end at the command, as with every other init: its own need no --", 1, 7
    ),
    "a signal by another name": Difference("a superset: every name that pyinit takes", 1, 0),
    "no format": Difference(
        "a shell is given no binary to read, for it would run what it takes for words", 5, 126
    ),
    "version": Difference(
        "its beginning is what others read; the rest tells what runs",
        "",
        f" - pyinit {pyinit.__version__}",
    ),
    "where the log goes": Difference("stdout is the command's", "stdout", "stderr"),
    "lines of the loop": Difference(
        "what tells of the steps of another program's loop would be made up",
        {
            "[TRACE tini (N)] Registered as child subreaper",
            "[DEBUG tini (N)] Received SIGCHLD",
            "[TRACE tini (N)] No child to wait",
        },
        set(),
    ),
    "verbosity below 0": Difference("less than nothing is nothing", "TRACE", ""),
    "stdin closed": Difference("a terminal is nothing that a command must have", 1, 7),
    "SIGCHLD ignored": Difference(
        "the kernel would drop the status and the original waits for ever: it is reset first",
        None,
        7,
    ),
    "EPERM": Difference("a signal that cannot be sent is no reason to end the container", 1, 7),
    "background job": Difference(
        "only the foreground hands the terminal over: a job does not steal it", "S", "T"
    ),
    "not by stdin": Difference(
        "the controlling terminal is handed over whatever stdin is", False, True
    ),
    "stopped": Difference(
        "a command that is stopped acts on no stop signal: CONT follows", "T", "ended"
    ),
    "child stops": Difference(
        "when not PID 1, whoever waits for the init hears of the command's stop", "S", "T"
    ),
}

NOT_A_REAPER = [
    "[WARN  tini (N)] Tini is not running as PID N and isn't registered as a child subreaper.",
    "Zombie processes will not be re-parented to Tini, so zombie reaping won't work.",
]
# Becomes what follows, and the kernel keeps the flag over execve(2).
BECOME_SUBREAPER = (
    sys.executable,
    "-IS",
    "-c",
    (
        "import ctypes, os, sys; ctypes.CDLL(None).prctl(36, 1, 0, 0, 0); "
        "os.execvp(sys.argv[1], sys.argv[1:])"
    ),
)

ALL_NAMES = ("tini", "tini-static", "docker-init")
OURS = (LINK, AS)

# After one more word --as is what a link of the name is: a few tests see to it that it is.
tini = pytest.mark.parametrize("init", [Variant("tini", REAL), Variant("tini", LINK)], ids=str)
tini_in_all_ways = pytest.mark.parametrize("init", peers.variants("tini"), ids=str)
every_name = pytest.mark.parametrize("init", peers.variants(*ALL_NAMES), ids=str)


pytestmark = pytest.mark.usefixtures("namespaces")


def expected(what: str, init: Variant) -> object:
    """Return what the row ``what`` of `DIFFERENCES` says of ``init``."""
    return outcome(DIFFERENCES[what], init.how)


# -- The command line.


@every_name
def test_the_version(init: Variant) -> None:
    """`docker info` and podman read its beginning.  DIFFERENCES: version."""
    done = init.run("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("tini version 0.19.0")
    assert done.stdout.endswith(f"{expected('version', init)}\n")


@tini
def test_the_version_is_asked_for_by_a_single_word(init: Variant) -> None:
    """With another word beside it, it is a flag that there is not, or a command."""
    assert init.run("--version", "true").returncode == 1
    assert init.run("-s", "--version").returncode == 1
    assert init.run("--", "--version").returncode == 127


@every_name
def test_its_answers(init: Variant) -> None:
    """On stdout, with 0, before a later mistake is met, whatever the verbosity."""
    done = init.run("-h", "-x")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{init.name} (tini version 0.19.0")
    done = init.run("-sl")
    assert (done.returncode, done.stderr) == (0, "")
    assert "MIT" in done.stdout


@tini
@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        ([], "tini (tini version 0.19.0"),
        (["--"], "tini (tini version 0.19.0"),
        (["-s"], "tini (tini version 0.19.0"),
        (["-x", "true"], "tini: invalid option -- 'x'"),
        (["-gx", "true"], "tini: invalid option -- 'x'"),
        (["--help"], "tini: invalid option -- '-'"),
        (["--subreaper"], "tini: invalid option -- '-'"),
        (["-e"], "tini: option requires an argument -- 'e'"),
        (["-sp"], "tini: option requires an argument -- 'p'"),
        (["-e", "256", "true"], "[FATAL tini (N)] Not a valid option for -e: 256"),
        (["-e256", "true"], "[FATAL tini (N)] Not a valid option for -e: 256"),
        (["-e", "-1", "true"], "[FATAL tini (N)] Not a valid option for -e: -1"),
        (["-e", "1x", "true"], "[FATAL tini (N)] Not a valid option for -e: 1x"),
        (["-e", "TERM", "true"], "[FATAL tini (N)] Not a valid option for -e: TERM"),
        (["-p", "SIGFOO", "true"], "[FATAL tini (N)] Not a valid option for -p: SIGFOO"),
        (["-vp", "", "true"], "[FATAL tini (N)] Not a valid option for -p: "),
    ],
)
def test_a_mistake_on_the_command_line_is_1(init: Variant, mistake: list[str], said: str) -> None:
    """The first line names it; nothing is started."""
    done = init.run(*mistake)
    # getopt(3) names the path by which the program was called.
    line = peers.normal(done.stderr).splitlines()[0].replace(init.init[0], init.name)
    assert done.returncode == 1
    assert line.startswith(said)
    assert done.stdout == ""


@tini
def test_flags_behind_the_command(init: Variant) -> None:
    """DIFFERENCES: flags behind the command."""
    code = init.run("-s", "sh", "-c", "exit 7").returncode
    assert code == expected("flags behind the command", init)


@tini
@pytest.mark.parametrize("name", ["15", "TERM", "sigterm", "RTMIN+1"])
def test_a_signal_by_another_name(init: Variant, name: str) -> None:
    """DIFFERENCES: a signal by another name."""
    code = init.run("-s", "-p", name, "true").returncode
    assert code == expected("a signal by another name", init)


# -- Exit codes.


def codes(init: Variant, *flags: str) -> list[str]:
    """Return a line for each exit code of a command: it, and what the init makes of it."""
    if not init.is_real:
        # One process that has loaded pyinit forks all of them, which takes a second.
        path = str(Path(pyinit.__file__).parents[1])
        all_codes = python("exit_codes.py", path, "0", "255", "--as", "tini", "-s", *flags)
        return subprocess.check_output(all_codes, text=True).splitlines()
    script = f"""
    for code in $(seq 0 255); do
        {" ".join(init.init)} -s "$@" -- sh -c "exit $code"
        echo $code $?
    done
    """
    return subprocess.check_output(["sh", "-c", script, "sh", *flags], text=True).splitlines()


@pytest.mark.parametrize("init", [Variant("tini", REAL), Variant("tini", AS)], ids=str)
def test_all_256_exit_codes(init: Variant) -> None:
    """0 for each code that has a rule, here a drawn half of them; the others are passed on."""
    ruled = harness.draw("codes").sample(range(256), 128)
    flags = [f"-e{code}" for code in ruled]
    wanted = [f"{code} {0 if code in ruled else code}" for code in range(256)]
    assert codes(init, *flags) == wanted


@tini_in_all_ways
@pytest.mark.parametrize("code", [0, 1, 127, 128, 255])
def test_one_exit_code(init: Variant, code: int) -> None:
    """The flag and its value as one word, as two, bundled with others, and repeated."""
    command = ("--", "sh", "-c", f"exit {code}")
    other = str((code + 1) % 256)
    assert init.run("-s", f"-e{code}", *command).returncode == 0
    assert init.run("-se", other, *command).returncode == code
    assert init.run("-s", "-e", other, "-e", str(code), *command).returncode == 0


@tini
@pytest.mark.parametrize("value", ["+3", " 3", "03"])
def test_a_code_is_read_as_strtol_does(init: Variant, value: str) -> None:
    """With a sign, behind blanks; and an empty word, which is 0."""
    assert init.run("-s", "-e", value, "--", "sh", "-c", "exit 3").returncode == 0
    assert init.run("-s", "-e", "", "--", "sh", "-c", "exit 3").returncode == 3


@tini
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, 34, 64])
def test_a_killed_child(init: Variant, number: int) -> None:
    """128 and the signal; -e takes that sum."""
    command = ("--", "sh", "-c", f"kill -{int(number)} $$")
    assert init.run("-s", *command).returncode == 128 + number
    assert init.run("-s", "-e", str(128 + number), *command).returncode == 0


# -- A command that cannot be started.


@pytest.fixture
def commands(tmp_path: Path) -> Path:
    """Return a directory of commands, most of which cannot be started."""
    texts = {
        "no-interpreter": "#!/no/such\n",
        "no-line": "exit 5\n",
        "no-format": "\x7fELF\0\nexit 5\n",
        "no-bit": "#!/bin/sh\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "no-bit").chmod(0o644)
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("nowhere")
    return tmp_path


@tini
@pytest.mark.parametrize(
    ("name", "code", "reason"),
    [
        ("no-such-command", 127, "No such file or directory"),
        ("", 127, "No such file or directory"),
        ("-", 127, "No such file or directory"),
        ("{}/absent", 127, "No such file or directory"),
        ("{}/dangling", 127, "No such file or directory"),
        ("{}/no-interpreter", 127, "No such file or directory"),
        ("{}/no-bit", 126, "Permission denied"),
        ("{}", 126, "Permission denied"),
        ("{}/no-bit/x", 1, "Not a directory"),
        ("{}/loop", 1, "Too many levels of symbolic links"),
    ],
)
def test_a_command_that_cannot_be_started(
    init: Variant, commands: Path, name: str, code: int, reason: str
) -> None:
    """The code tells a missing one from one that may not be executed; so says one line."""
    command = name.format(commands)
    done = init.run("-s", "--", command)
    assert (done.returncode, done.stdout) == (code, "")
    assert peers.normal(done.stderr) == f"[FATAL tini (N)] exec {command} failed: {reason}\n"


@tini_in_all_ways
def test_it_is_said_at_any_verbosity(init: Variant) -> None:
    """That a command cannot be started."""
    done = init.run("-s", "--", "no-such-command", env={"TINI_VERBOSITY": "0"})
    assert "[FATAL tini (" in done.stderr


@tini
def test_a_script_without_a_first_line(init: Variant, commands: Path) -> None:
    """A shell runs it, as execvp(3) has it."""
    assert init.run("-s", "--", str(commands / "no-line")).returncode == 5


@tini
def test_a_binary_of_no_format(init: Variant, commands: Path) -> None:
    """DIFFERENCES: no format."""
    code = init.run("-s", "--", str(commands / "no-format")).returncode
    assert code == expected("no format", init)


# -- Signals.


@tini_in_all_ways
def test_every_signal_is_relayed(init: Variant) -> None:
    """But those that a background terminal sends and those that tell of a fault of the receiver."""
    dropped = {*signals.SYNCHRONOUS, signal.SIGTTIN, signal.SIGTTOU, signal.SIGCHLD}
    with init.contain(python("record.py")) as container:
        container.expect("ready")
        for number in sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}):
            if number == signal.SIGTERM:
                continue
            container.signal(number)
            if number in dropped:
                container.signal(signal.SIGUSR1)
                container.expect("USR1")
            elif number >= signal.SIGRTMIN:
                container.expect(f"RTMIN+{number - signal.SIGRTMIN}")
            else:
                container.expect(signal.Signals(number).name[3:])
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        assert container.wait() == 0


@tini
@pytest.mark.parametrize("how", [["-g"], {"TINI_KILL_PROCESS_GROUP": ""}, []], ids=repr)
def test_the_group_gets_it_too(init: Variant, how: list[str] | dict[str, str]) -> None:
    """With -g or the variable, which may be empty; otherwise the child alone."""
    options, env = (how, None) if isinstance(how, list) else ([], how)
    with init.contain(python("pair.py"), *options, env=env) as container:
        container.expect("ready")
        for number in (signal.SIGUSR1, signal.SIGHUP, signal.SIGTERM, signal.SIGRTMIN + 3):
            container.signal(number)
            got = {container.line()} | ({container.line()} if how else set())
            both = {f"child {int(number)}", f"member {int(number)}"}
            assert got == (both if how else {f"child {int(number)}"})


@tini
def test_a_stopped_command(init: Variant) -> None:
    """TSTP and CONT are relayed.  DIFFERENCES: stopped."""
    with init.contain(["sleep", "1000"]) as container:
        child = find(container, "sleep")
        for _ in range(2):
            container.signal(signal.SIGTSTP)
            until(lambda: state(child) == "T", "the command is stopped")
            until_settled(container.pid)
            container.signal(signal.SIGCONT)
            until(lambda: state(child) == "S", "the command goes on")
            until_settled(container.pid)
        container.signal(signal.SIGTSTP)
        until(lambda: state(child) == "T", "the command is stopped")
        until_settled(container.pid)
        container.signal(signal.SIGTERM)
        if expected("stopped", init) == "ended":
            assert container.wait() == 128 + signal.SIGTERM
            return
        until(lambda: int(status_field(child, "ShdPnd"), 16), "TERM waits for the command")
        until_settled(container.pid)
        assert state(child) == expected("stopped", init)


@tini
def test_a_command_that_stops_itself(init: Variant) -> None:
    """DIFFERENCES: child stops."""
    before = python("own_group.py")
    with init.contain(["sleep", "1000"], "-s", mode=SUBREAPER, before=before) as container:
        child = find(container, "sleep")
        os.kill(child, signal.SIGSTOP)
        until(lambda: state(child) == "T", "the command is stopped")
        wanted = expected("child stops", init)
        until(lambda: state(container.pid) == wanted, f"the init is {wanted}")
        until_settled(container.pid)
        assert state(container.pid) == wanted


@tini
def test_a_signal_that_may_not_be_sent(init: Variant) -> None:
    """To a command under another user.  Both say it in the same words.  DIFFERENCES: EPERM."""
    if os.geteuid() != 0:
        conftest.missing("root")
    conftest.need("setpriv")
    other = ("setpriv", "--reuid", "65534", "--clear-groups")
    without = ("setpriv", "--bounding-set", "-kill", "--inh-caps", "-kill")
    command = [*other, "sh", "-c", "echo ready; read -r line; exit 7"]
    code = expected("EPERM", init)
    with init.contain(command, before=without, stdin=subprocess.PIPE) as container:
        container.expect("ready")
        container.signal(signal.SIGUSR1)
        said = "Unexpected error when forwarding signal: 'Operation not permitted'"
        assert said in container.line(2)
        if code == 7:
            assert container.process.stdin is not None
            container.process.stdin.write(b"end\n")
            container.process.stdin.flush()
        assert container.wait() == code


# -- The command: its place, and what it gets.


@tini
def test_the_command_leads_a_group_of_the_session(init: Variant) -> None:
    """Its own group, in the session of its init."""
    with init.contain(["sleep", "1000"]) as container:
        pid = find(container, "sleep")
        assert os.getpgid(pid) == pid
        assert os.getsid(pid) == os.getsid(container.pid)


@tini
def test_mask_and_ignored_signals_are_handed_on(init: Variant) -> None:
    """As they were given, SIGCHLD as well."""
    spec = {"blocked": [1, 10, 34], "ignored": [3, 12, 35]}
    command = ["sed", "-nE", "s/Sig(Blk|Ign):.//p", "/proc/self/status"]
    before = python("enter.py", json.dumps(spec))
    path = str(shutil.which(init.init[0]))
    with Container(command, init=[*before, path, *init.init[1:]]) as container:
        blocked, ignored = (int(word, 16) for word in container.rest().split())
        assert container.wait() == 0
    for number in signal.valid_signals():
        assert bool(blocked >> number - 1 & 1) == (number in spec["blocked"]), number
        assert bool(ignored >> number - 1 & 1) == (number in spec["ignored"]), number


@tini
def test_the_environment_is_handed_on(init: Variant) -> None:
    """With its own variables in it."""
    variables = {"TINI_SUBREAPER": "", "TINI_VERBOSITY": "1", "TINI_KILL_PROCESS_GROUP": "no"}
    done = init.run("--", "sh", "-c", "env | grep ^TINI_ | sort", env=variables)
    assert done.stdout.split() == sorted(f"{key}={value}" for key, value in variables.items())


@tini
def test_sigchld_ignored_on_entry(init: Variant) -> None:
    """DIFFERENCES: SIGCHLD ignored.  Without a command, the original goes on to take signals."""
    before = ("env", "--ignore-signal=CHLD")
    with init.contain(["sh", "-c", "echo ready; exit 7"], before=before) as container:
        container.expect("ready")
        code = expected("SIGCHLD ignored", init)
        if code is not None:
            assert container.wait() == code
            return
        until(lambda: not children(container.pid), "the kernel has reaped the command")
        container.signal(signal.SIGUSR1)
        until_settled(container.pid)
        assert state(container.pid) == "S"


@tini
def test_a_closed_stdin(init: Variant) -> None:
    """DIFFERENCES: stdin closed."""
    before = ("sh", "-c", 'exec "$@" <&-', "sh")
    code, _, _ = init.run_contained(["sh", "-c", "exit 7"], before=before)
    assert code == expected("stdin closed", init)


# -- The terminal.


@contextlib.contextmanager
def session(
    init: Variant, command: Sequence[str], *, before: Sequence[str] = SETSID, mode: str = PID1
) -> Iterator[tuple[Terminal, Container]]:
    """Run the init as the leader of a session with a terminal of its own."""
    with (
        Terminal() as terminal,
        init.contain(
            command,
            "-s",
            before=before,
            mode=mode,
            stdin=terminal.slave,
            stdout=terminal.slave,
            stderr=terminal.slave,
        ) as container,
    ):
        yield terminal, container


@tini
@pytest.mark.parametrize("mode", harness.MODES)
def test_the_command_gets_the_foreground(init: Variant, mode: str) -> None:
    """Typed lines reach it, and their end."""
    with session(init, ["sed", "-u", ""], mode=mode) as (terminal, container):
        sed = find(container, "sed")
        until(lambda: terminal.foreground() == sed, "the command has the terminal")
        terminal.type("one\n")
        terminal.expect("one\r\n")
        terminal.type(END)
        assert container.wait() == 0


@tini
def test_what_is_typed_reaches_the_command_once(init: Variant) -> None:
    """The init is not in the foreground: it has nothing to relay."""
    with session(init, python("catch.py", "INT", "USR1")) as (terminal, container):
        terminal.expect("ready\r\n")
        child = container.main_child()
        until(lambda: terminal.foreground() == child, "the command has the terminal")
        for _ in range(2):
            terminal.type(INTERRUPT)
            terminal.expect_only("INT")
        container.signal(signal.SIGUSR1)
        terminal.expect_only("USR1")


@tini
def test_a_terminal_that_is_not_stdin(init: Variant) -> None:
    """DIFFERENCES: not by stdin."""
    before = [*SETSID, "sh", "-c", 'exec "$@" </dev/null', "sh"]
    with session(init, ["sleep", "1000"], before=before) as (terminal, container):
        pid = find(container, "sleep")
        has = expected("not by stdin", init)
        assert (terminal.foreground() == pid) == has


@tini
def test_a_background_job(init: Variant) -> None:
    """DIFFERENCES: background job.  What it does to the terminal shows when the command reads."""
    program = " ".join(python("read_when_told.py"))
    with shell("bash") as (terminal, container):
        terminal.type(f"{' '.join(init.init)} -s -- {program} &\n")
        if expected("background job", init) != "T":
            # The shell, which reads in the background then, gets EIO and exits, sooner or later.
            until(lambda: terminal.foreground() != container.pid, "the job has taken the terminal")
            return
        terminal.expect("ready\r\n")
        reader = container.descendants()[-1]
        os.kill(reader, signal.SIGUSR1)
        until(lambda: state(reader) == "T", "the kernel has stopped a background reader")
        assert terminal.foreground() == container.pid


# -- The end.


@contextlib.contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    """Make a pipe: the end to read from, and the end to write to."""
    reader, writer = os.pipe()
    try:
        yield reader, writer
    finally:
        os.close(reader)
        os.close(writer)


@contextlib.contextmanager
def leaves_one(
    init: Variant, tmp_path: Path, *flags: str, env: Mapping[str, str] | None = None
) -> Iterator[Container]:
    """Run the init when not PID 1; its command ends with 7 and leaves a recorder of signals.

    When the init has ended the exit code is printed, and then WINCH sent to the recorder.
    """
    file = tmp_path / "pid"
    record = " ".join(python("record.py", "-", "TERM", "HUP", "CONT", "WINCH"))
    command = f"{record} & echo $! >{file}; read -r line; exit 7"
    outer = f'"$@"; echo $?; kill -WINCH $(cat {file}); read -r line'
    inner = [*init.init, *flags, "--", "sh", "-c", command]
    with (
        pipe() as (reader, writer),
        Container(
            ["sh", "-c", outer, "sh", *inner],
            init=(),
            stdin=reader,
            env={**os.environ, **(env or {})},
        ) as container,
    ):
        container.expect("ready")
        os.write(writer, b"\n")
        yield container


@tini
@pytest.mark.parametrize("flags", [[], ["-s"], ["-g"]], ids=repr)
def test_leftovers_get_nothing(init: Variant, flags: list[str], tmp_path: Path) -> None:
    """They live on when not PID 1; WINCH, which comes afterwards, is the first that they get."""
    with leaves_one(init, tmp_path, *flags) as container:
        container.expect("7")
        container.expect("WINCH")


@pytest.mark.parametrize("how", OURS)
def test_our_grace_ends_what_is_left(how: str, tmp_path: Path) -> None:
    """TERM and CONT, and after the grace KILL: with PYINIT_GRACE it does what pyinit does."""
    env = {"PYINIT_GRACE": "1"}  # long enough for the recorder to say its lines on a busy machine
    with leaves_one(Variant("tini", how), tmp_path, "-s", env=env) as container:
        for line in ("TERM", "CONT", "7"):
            container.expect(line)
        # kill(1) of the recorder has failed: there is none.
        assert "No such process" in container.line(2)


@tini_in_all_ways
def test_the_namespace_goes_with_pid_1(init: Variant) -> None:
    """The kernel ends who is left, at once: who ignores TERM is not waited for."""
    stubborn = " ".join(python("record.py", "-"))
    with init.contain(["sh", "-c", f"{stubborn} >&2 & exec sleep 1000"]) as container:
        container.expect("ready", fd=2)
        os.kill(find(container, "sleep"), signal.SIGKILL)
        assert container.wait() == 128 + signal.SIGKILL


@tini
def test_a_command_outlives_a_killed_init(init: Variant, tmp_path: Path) -> None:
    """When not PID 1: nothing is asked of the kernel for that case.  It goes on to take signals."""
    file = tmp_path / "pid"
    inner = f"echo $$ >{file}; exec {' '.join(python('record.py', 'USR1'))}"
    outer = f'"$@"; echo $?; kill -USR1 $(cat {file}) && read -r line'
    command = ["sh", "-c", outer, "sh", *init.init, "-s", "--", "sh", "-c", inner]
    with Container(command, init=(), stdin=subprocess.PIPE) as container:
        container.expect("ready")
        os.kill(children(container.pid)[0], signal.SIGKILL)
        container.expect(str(128 + signal.SIGKILL))
        container.expect("USR1")


# -- Orphans.


def reaps_two(init: Variant, *flags: str, env: Mapping[str, str] | None = None) -> str:
    """Return what the init says when it reaps two orphans while its command lives on."""
    with init.contain(python("orphans.py", "2"), *flags, env=env) as container:
        container.expect("ready")
        container.expect("ended")
        until(lambda: len(children(container.pid)) == 1, "the orphans are reaped", container.pid)
        container.signal(signal.SIGTERM)
        assert container.wait() == 7
        return peers.normal(container.errors())


@tini
def test_it_warns_of_what_it_reaps(init: Variant) -> None:
    """With -w, one line an orphan; never of its own child."""
    assert reaps_two(init, "-w") == 2 * "[WARN  tini (N)] Reaped zombie process with pid=N\n"


@tini
def test_it_does_not_warn_without_the_flag(init: Variant) -> None:
    """Nor at verbosity 0 with it."""
    assert reaps_two(init) == ""
    assert reaps_two(init, "-w", env={"TINI_VERBOSITY": "0"}) == ""


# -- What is said.

SPAWNED = "[INFO  tini (N)] Spawned child process 'sh' with pid 'N'"
REAPED = "[DEBUG tini (N)] Reaped child with pid: 'N'"
EXITED = "[INFO  tini (N)] Main child exited normally (with status '7')"
EXITING = "[TRACE tini (N)] Exiting: child has exited"
INFO = [SPAWNED, EXITED]
DEBUG = [SPAWNED, REAPED, EXITED]
TRACE = [SPAWNED, REAPED, EXITED, EXITING]
LOOP: set[str] = DIFFERENCES["lines of the loop"].original  # type: ignore[assignment]


def said(
    init: Variant, script: str, *flags: str, env: Mapping[str, str] | None = None
) -> list[str]:
    """Return the lines of the log for a shell that runs ``script`` and prints nothing."""
    done = init.run(*flags, "-s", "--", "sh", "-c", script, env=env)
    return peers.normal(done.stdout + done.stderr).splitlines()


@tini
@pytest.mark.parametrize(
    ("flags", "env", "lines"),
    [
        ([], {}, []),
        (["-v"], {}, INFO),
        (["-v", "-v"], {}, DEBUG),
        (["-vv"], {}, DEBUG),
        (["-vvv"], {}, TRACE),
        (["-vvvvv"], {}, TRACE),
        ([], {"TINI_VERBOSITY": "0"}, []),
        ([], {"TINI_VERBOSITY": ""}, []),
        ([], {"TINI_VERBOSITY": "abc"}, []),
        ([], {"TINI_VERBOSITY": "1"}, []),
        ([], {"TINI_VERBOSITY": "2"}, INFO),
        ([], {"TINI_VERBOSITY": " +2x"}, INFO),
        (["-vvv"], {"TINI_VERBOSITY": "2"}, INFO),
        ([], {"TINI_VERBOSITY": "4"}, TRACE),
    ],
)
def test_what_is_said_at_each_verbosity(
    init: Variant, flags: list[str], env: dict[str, str], lines: list[str]
) -> None:
    """The variable counts more than the flags, is read as atoi(3) does, and starts from 0."""
    assert [line for line in said(init, "exit 7", *flags, env=env) if line not in LOOP] == lines


@tini
def test_lines_of_its_loop(init: Variant) -> None:
    """DIFFERENCES: lines of the loop."""
    lines = said(init, "exit 7", "-vvv")
    assert {line for line in lines if line not in TRACE} == expected("lines of the loop", init)


@tini
def test_a_negative_verbosity(init: Variant) -> None:
    """DIFFERENCES: verbosity below 0."""
    lines = said(init, "exit 7", env={"TINI_VERBOSITY": "-1"})
    assert ("TRACE" if EXITING in lines else "".join(lines)) == expected("verbosity below 0", init)


@tini
def test_where_the_log_goes(init: Variant) -> None:
    """DIFFERENCES: where the log goes.  Warnings are on stderr with both."""
    done = init.run("-v", "--", "true")
    assert ("stdout" if "Spawned" in done.stdout else "stderr") == expected(
        "where the log goes", init
    )
    assert ("Spawned" in done.stdout) != ("Spawned" in done.stderr)
    assert NOT_A_REAPER[0] in peers.normal(done.stderr)


@tini
@pytest.mark.parametrize(
    ("script", "end"),
    [
        ("exit 143", "normally (with status '143')"),
        ("kill $$", "with signal (with signal 'Terminated')"),
        ("kill -SEGV $$", "with signal (with signal 'Segmentation fault')"),
    ],
)
def test_the_end_is_told_in_words(init: Variant, script: str, end: str) -> None:
    """A killed command is another end than one with the same exit code."""
    assert said(init, script, "-v") == [SPAWNED, f"[INFO  tini (N)] Main child exited {end}"]


@tini
def test_a_relayed_signal_is_told_in_words(init: Variant) -> None:
    """At the level of debugging."""
    with init.contain(python("record.py"), "-vv") as container:
        while container.line() != "ready":
            pass
        container.signal(signal.SIGTERM)
        assert container.wait() == 0
        lines = peers.normal(container.rest() + container.errors()).splitlines()
    assert "[DEBUG tini (N)] Passing signal: 'Terminated'" in lines


@tini_in_all_ways
def test_it_warns_where_it_is_no_reaper(init: Variant) -> None:
    """Three lines, which -s or its variable or the verbosity 0 prevent; the command runs anyway."""
    done = init.run("--", "true")
    lines = peers.normal(done.stderr).splitlines()
    assert (done.returncode, lines[:2], len(lines)) == (0, NOT_A_REAPER, 3)
    assert init.run("-s", "--", "true").stderr == ""
    assert init.run("--", "true", env={"TINI_SUBREAPER": ""}).stderr == ""
    assert init.run("--", "true", env={"TINI_VERBOSITY": "0"}).stderr == ""


@tini
def test_it_does_not_warn_where_it_is_one_already(init: Variant) -> None:
    """That outlives an exec (prctl(2)): whoever ran it may have asked for it."""
    assert init.run("--", "true", before=BECOME_SUBREAPER).stderr == ""


@tini
@pytest.mark.parametrize("flags", [[], ["-s"]])
def test_pid_1_has_nothing_to_warn_of(init: Variant, flags: list[str]) -> None:
    """It is the reaper of its namespace, -s or not."""
    assert init.run_contained(["true"], *flags) == (0, "", "")


@tini
@pytest.mark.parametrize("flags", [["-s"], []])
def test_orphans_come_to_a_subreaper_alone(init: Variant, flags: list[str]) -> None:
    """With -s; without it they are the business of whoever is above."""
    with init.contain(python("leave_orphans.py"), *flags, mode=SUBREAPER) as container:
        container.expect("pyinit" if flags else "another")


PARENT = """
import subprocess, sys
child = subprocess.Popen(sys.argv[1:])
sys.stdin.read()
"""


@tini
def test_the_parents_end_is_a_signal(init: Variant) -> None:
    """-p: it comes to the init, which relays it."""
    inner = [*init.init, "-s", "-p", "SIGUSR1", "--", *python("record.py")]
    with Container(
        [sys.executable, "-IS", "-c", PARENT, *inner],
        init=python("stays.py"),
        stdin=subprocess.PIPE,
    ) as container:
        container.expect("ready")
        parent = children(container.pid)[0]
        child = children(parent)[0]
        container.close_stdin()
        container.expect("USR1")
        os.kill(child, signal.SIGTERM)
        container.expect("TERM")


# -- pyinit's own variables, and how it gets its name.


def test_what_was_set_by_its_own_words_counts_as_given() -> None:
    """Our variables have no say then; they have against what is only the program's default."""
    theirs = {b"TINI_KILL_PROCESS_GROUP": b"", b"TINI_SUBREAPER": b"", b"TINI_VERBOSITY": b"1"}
    off = {b"PYINIT_GROUP": b"0", b"PYINIT_SUBREAPER": b"0", b"PYINIT_VERBOSE": b"2"}
    settings = words.parse("tini", ["true"], theirs | off)
    assert (settings.group, settings.subreaper, settings.verbose) == (True, True, 0)
    settings = words.parse("tini", ["-gs", "-v", "-e1", "-p15", "true"], off)
    assert (settings.group, settings.subreaper, settings.verbose) == (True, True, 1)
    on = {b"PYINIT_GROUP": b"1", b"PYINIT_SUBREAPER": b"1", b"PYINIT_VERBOSE": b"2"}
    settings = words.parse("tini", ["true"], on)
    assert (settings.group, settings.subreaper, settings.verbose) == (True, True, 2)


def test_the_rules_of_ours_stand_beside_its_own() -> None:
    """A rewriting by PYINIT_REWRITE leaves TTIN and TTOU what they are, unless it names them."""
    rule = {b"PYINIT_REWRITE": b"TERM:QUIT,TTIN:HUP"}
    expected = {signal.SIGTERM: signal.SIGQUIT, signal.SIGTTIN: signal.SIGHUP, signal.SIGTTOU: 0}
    assert words.parse("tini", ["true"], rule).rewrite == expected


@pytest.mark.parametrize("how", OURS)
@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("PYINIT_GRACE", "1x", "variable PYINIT_GRACE: '1x' is not a time in seconds"),
        ("PYINIT_USER", "no-such-user", "there is no user 'no-such-user'"),
    ],
)
def test_a_mistake_in_a_variable_of_ours(how: str, variable: str, value: str, said: str) -> None:
    """As that program says what is wrong, with its exit code."""
    done = Variant("tini", how).run("-s", "true", env={variable: value})
    assert done.returncode == 1
    assert peers.normal(done.stderr).startswith("[FATAL tini (N)] ")
    assert said in done.stderr


def test_its_log_needs_neither_structlog_nor_psutil() -> None:
    """Under another name neither is loaded for a line of it."""
    script = (
        "import sys; sys.argv = ['tini', '-vvv', '-s', 'true']; import posix, _signal; "
        "end = posix._exit; "
        "posix._exit = lambda code: (print(*{'structlog', 'psutil'} & set(sys.modules)), "
        "sys.stdout.flush(), end(code)); "
        "from pyinit.cli import main; "
        "main(_signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert "Exiting: child has exited" in done.stderr
    assert (done.returncode, done.stdout) == (0, "\n")


@pytest.mark.parametrize(
    ("name", "kind"), list(zip(ALL_NAMES, ["install", "install --name", "pyz"], strict=True))
)
def test_a_file_of_that_name(tmp_path: Path, single_file: Path, name: str, kind: str) -> None:
    """What pyinitctl writes is that program, as PID 1 and as a subreaper."""
    path = tmp_path / name
    if kind == "pyz":
        shutil.copy(single_file, path)
    else:
        words = [str(path)] if kind == "install" else [str(tmp_path / "init"), "--name", name]
        command = [*harness.PYINITCTL, "install", *words]
        subprocess.run(command, check=True, capture_output=True)
    run = subprocess.run([path, "--version"], env={}, check=True, capture_output=True, text=True)
    assert run.stdout == f"tini version 0.19.0 - pyinit {pyinit.__version__}\n"
    lines = "".join(f"{line}\n" for line in TRACE)
    for mode in harness.MODES:
        result = harness.run(
            ["sh", "-c", "exit 7"], init=[str(path)], options=["-vvvse7"], mode=mode
        )
        assert (result[0], result[1], peers.normal(result[2])) == (0, "", lines)
