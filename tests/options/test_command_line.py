"""The command line of a real pyinit: what it starts, what it says, and with which code it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from pyinit import __version__
from pyinit.options import help as help_text
from pyinit.options import parser
from tests.cases import in_turn
from tests.harness import PID1, PYINIT, SUBREAPER, Container, logged, python, run, unexplained

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def pyinit(
    *words: str | bytes, env: dict[str, str] | None = None, stdout: int | None = subprocess.PIPE
) -> tuple[int, bytes, bytes]:
    """Run pyinit without a namespace; return exit code, stdout and stderr."""
    environ = {**os.environ, **(env or {})}
    out = subprocess.run(
        [*PYINIT, *words],
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        check=False,
    )
    return out.returncode, out.stdout, out.stderr


# -- where the options end ----------------------------------------------------------------------


def test_parsing_stops_at_the_first_operand() -> None:
    """What looks like an option behind it is the command's."""
    assert pyinit("echo", "-h", "--version", "--", "-v") == (0, b"-h --version -- -v\n", b"")


def test_two_dashes_end_the_options() -> None:
    """Only the first ones: the command may have its own."""
    assert pyinit("--", "echo", "--", "-h") == (0, b"-- -h\n", b"")
    assert pyinit("-q", "--", "echo", "--", "-h") == (0, b"-- -h\n", b"")


def test_options_may_be_bundled_and_mixed() -> None:
    """Short ones in one word, then long ones with their value in either form."""
    for words in (["-gwq", "--grace=3"], ["-g", "-wq", "--grace", "3"]):
        assert pyinit(*words, "echo", "yes") == (0, b"yes\n", b"")


# -- usage errors -------------------------------------------------------------------------------


@in_turn(
    ("words", "env", "named", "right"),
    [
        (["--gruop", "--"], {}, "--gruop", "--group"),
        (["-gx", "--"], {}, "-x", "--help"),
        (["--quiet=1", "--"], {}, "--quiet=1", "--quiet"),
        (["--grace", "soon", "--"], {}, "soon", "number"),
        (["--grace=-3", "--"], {}, "-3", "number"),
        (["--"], {"PYINIT_GRACE": "5s"}, "PYINIT_GRACE", "number"),
        (["--"], {"PYINIT_GROUP": "x"}, "PYINIT_GROUP", "expected 1"),
        (["--"], {"PYINIT_VERBOSE": "x"}, "PYINIT_VERBOSE", "digit"),
        (["-rKILL:TERM", "--"], {}, "'KILL' cannot be caught", "such as TERM"),
        (["--"], {"PYINIT_STOP_SIGNALS": "TERM,,INT"}, "'TERM,,INT'", "between two items"),
        (["--escalate", "KILL", "--"], {}, "'KILL' is not a step", "KILL@28"),
        (["-e", "300", "--"], {}, "'300' is not an exit code", "143 or TERM"),
        (["--umask=rwx", "--"], {}, "'rwx' is not a umask", "022"),
        (["--env", "TZ", "--"], {}, "'TZ' sets no variable", "NAME=VALUE"),
        (["--user", ":app", "--"], {}, "':app' is not a user", "USER:GROUP"),
        (["--pre-stop=true", "--"], {}, "--pre-stop", "--drain 5"),
        (["--pause"], {}, "'touch' is too much", "--pause"),
        ([], {"PYINIT_PAUSE": "1"}, "'touch' is too much", "PYINIT_PAUSE"),
        (["-q", "--as", "tini", "--"], {}, "'--as'", "the first word"),
        (["--as", "s6", "--"], {}, "'s6'", "one of tini, "),
    ],
)
def test_a_usage_error_starts_nothing_and_exits_125(  # noqa: PLR0917 - the cases
    tmp_path: Path, mode: str, words: list[str], env: dict[str, str], named: str, right: str
) -> None:
    """One line names the word and what would be right; the command would have left a file."""
    file = tmp_path / "started"
    argv = [*PYINIT, *words, "touch", str(file)]
    code, out, err = run(argv, mode=mode, init=("env",), env={**os.environ, **env})
    assert (code, out) == (125, "")
    assert re.fullmatch(r"pyinit: [^\n]+\n", err)
    assert named in err
    assert right in err
    assert not file.exists()


@pytest.mark.parametrize("words", [[], ["-g"], ["--grace", "3"], ["--"], ["-v", "--"]])
def test_without_a_command_it_says_how_it_is_used(words: Sequence[str]) -> None:
    """Options alone start nothing."""
    code, out, err = pyinit(*words)
    assert (code, out) == (125, b"")
    assert parser.USAGE.encode() in err


def test_an_option_without_its_value_says_so() -> None:
    """There is no word after it."""
    assert pyinit("--grace") == (
        125,
        b"",
        b"pyinit: option '--grace' needs a value: expected --grace SECONDS\n",
    )


def test_a_word_that_is_no_text_is_shown_by_its_bytes() -> None:
    """The message is UTF-8 in one line: no log and no terminal gets what it cannot show."""
    code, _, err = pyinit(b"--\xff\xc3\xa9\n\x1b[2J", "true")
    assert code == 125
    assert err.startswith("pyinit: unknown option '--\\xffé\\x0a\\x1b[2J': ".encode())
    code, _, err = pyinit(b"--grace=\xff", "true")
    assert b"'\\xff' is not a time" in err


def test_a_variable_that_is_no_text_is_shown_by_its_bytes() -> None:
    """As on the command line."""
    environ: dict[bytes, bytes] = {**os.environb, b"PYINIT_GRACE": b"\xff\n"}
    out = subprocess.run([*PYINIT, "true"], env=environ, capture_output=True, check=False)
    assert out.returncode == 125
    assert out.stderr.startswith(b"pyinit: variable PYINIT_GRACE: '\\xff\\x0a' is not a time")


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
def test_the_exit_code_needs_no_stderr(redirection: str) -> None:
    """Closed or on a full disk: the code says it as well."""
    script = f"exec {PYINIT[0]} --bogus true {redirection}"
    assert subprocess.run(["sh", "-c", script], check=False).returncode == 125


# -- help and version ---------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["-h", "--help", "-vh"])
def test_help_is_printed_on_stdout(word: str) -> None:
    """Whether or not a command follows; none is started."""
    assert pyinit(word, "false") == (0, help_text.render().encode(), b"")


def test_version_is_printed_on_stdout() -> None:
    """With the name of the program, for those who ask several."""
    assert pyinit("--version") == (0, f"pyinit {__version__}\n".encode(), b"")


@pytest.mark.parametrize("word", ["--help", "--version"])
@pytest.mark.parametrize(
    ("redirection", "reason"), [(">&-", "Bad file descriptor"), (">/dev/full", "No space left")]
)
def test_an_answer_that_cannot_be_written_is_an_error(
    word: str, redirection: str, reason: str
) -> None:
    """A script that stores the answer has to learn that it has none."""
    script = f"exec {PYINIT[0]} {word} {redirection}"
    out = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
    assert out.returncode == 125
    assert out.stderr.startswith(f"pyinit: cannot write to standard output: {reason}")


def test_an_answer_that_nobody_reads_is_an_error() -> None:
    """A pipe without a reader: no traceback, and no death by SIGPIPE without a word."""
    reader, writer = os.pipe()
    os.close(reader)
    code, _, err = pyinit("--help", stdout=writer)
    os.close(writer)
    assert (code, err) == (125, b"pyinit: cannot write to standard output: Broken pipe\n")


# -- what each option does, and its variable -----------------------------------------------------

AS_OPTION_OR_VARIABLE = pytest.mark.parametrize("way", ["option", "variable"])


def given(way: str, option: str, variable: str, value: str) -> dict[str, Any]:
    """Return the arguments of a `Container` that is given ``option``, or instead its variable."""
    if way == "option":
        return {"options": [option]}
    return {"env": {**os.environ, variable: value}}


# It ignores TERM, and has something to say before the default grace is over.
LEFTOVER = 'trap "" TERM; (sleep 3; echo survived) & exit 7'


@AS_OPTION_OR_VARIABLE
@in_turn("seconds", ["0", "0.01"])
def test_grace_is_how_long_leftovers_have(mode: str, way: str, seconds: str) -> None:
    """One that ignores TERM lives no longer; the variable is as good as the option."""
    words = given(way, f"--grace={seconds}", "PYINIT_GRACE", seconds)
    code, out, err = run(["sh", "-c", LEFTOVER], mode=mode, **words)
    assert (code, out, unexplained(err)) == (7, "", "")


def test_the_command_line_wins_over_the_variable(mode: str) -> None:
    """Of two graces, it is the shorter one of the command line that holds."""
    env = {**os.environ, "PYINIT_GRACE": "1000"}
    assert run(["sh", "-c", LEFTOVER], mode=mode, options=["--grace", "0"], env=env)[:2] == (7, "")


def family(mode: str, words: dict[str, Any]) -> list[str]:
    """Send USR1, then USR2, to pyinit around a process and its child; return who got what."""
    with Container(python("family.py"), mode=mode, **words) as container:
        container.expect("ready")
        container.signal(signal.SIGUSR1)
        container.signal(signal.SIGUSR2)
        lines = container.rest().splitlines()
        assert container.wait() == 0
        return lines


@AS_OPTION_OR_VARIABLE
def test_group_relays_to_all_of_the_childs_process_group(namespaces: None, way: str) -> None:
    """The command's own child gets the signals as well."""
    lines = family(PID1, given(way, "--group", "PYINIT_GROUP", "1"))
    assert sorted(lines) == ["child USR1", "child USR2", "parent USR1", "parent USR2"]


def test_without_group_signals_go_to_the_command_alone(mode: str) -> None:
    """The first one that its child gets is the one that the command itself sends."""
    assert family(mode, {}) == ["parent USR1", "parent USR2", "child USR2"]


@AS_OPTION_OR_VARIABLE
def test_warn_on_reap_names_each_orphan(namespaces: None, way: str) -> None:
    """And how it ended."""
    words = given(way, "--warn-on-reap", "PYINIT_WARN_ON_REAP", "1")
    err = run(python("leave_orphans.py"), **words)[2]
    assert "orphan_reaped" in err
    (event,) = logged(err)
    assert (event["name"], event["exit_code"]) == ("orphan", 3)


def test_pyinit_is_silent_unless_it_is_asked_to_speak(mode: str) -> None:
    """Its stderr is the command's: an orphan is all in a day's work."""
    assert run(python("leave_orphans.py"), mode=mode) == (0, "pyinit\n", "")


@AS_OPTION_OR_VARIABLE
def test_quiet_silences_warnings(mode: str, way: str) -> None:
    """Also those that were asked for."""
    words = given(way, "--quiet", "PYINIT_QUIET", "1")
    words["options"] = ["-w", *words.get("options", [])]
    assert run(python("leave_orphans.py"), mode=mode, **words)[2] == ""


@pytest.mark.parametrize(
    ("words", "adopter"),
    [
        ({}, "pyinit"),
        ({"options": ["-s"]}, "pyinit"),
        ({"options": ["--no-subreaper"]}, "another"),
        ({"env": {**os.environ, "PYINIT_SUBREAPER": "0"}}, "another"),
        ({"options": ["-s"], "env": {**os.environ, "PYINIT_SUBREAPER": "0"}}, "pyinit"),
        (
            {"options": ["--no-subreaper"], "env": {**os.environ, "PYINIT_SUBREAPER": "1"}},
            "another",
        ),
    ],
)
def test_orphans_come_to_a_subreaper(words: dict[str, Any], adopter: str, namespaces: None) -> None:
    """When not PID 1 that is the default, and can be switched off."""
    assert run(python("leave_orphans.py"), mode=SUBREAPER, **words)[1] == f"{adopter}\n"


def test_pid_1_adopts_orphans_in_any_case(namespaces: None) -> None:
    """The kernel makes it so; the options change nothing there."""
    assert run(python("leave_orphans.py"), options=["--no-subreaper"])[1] == "pyinit\n"


@in_turn(
    ("words", "says", "keeps_to_itself"),
    [
        ({"options": ["-v"]}, "child_started", "signal_relayed"),
        ({"env": {**os.environ, "PYINIT_VERBOSE": "1"}}, "child_started", "signal_relayed"),
        ({"options": ["-vv"]}, "signal_relayed", "internal_error"),
        ({"options": ["--log-level", "debug"]}, "signal_relayed", "internal_error"),
        ({"options": ["--log-level=info"]}, "child_started", "signal_relayed"),
        ({"env": {**os.environ, "PYINIT_LOG_LEVEL": "INFO"}}, "child_started", "signal_relayed"),
        ({"options": ["-v", "--log-level", "warning"]}, "", "child_started"),
        ({"options": ["--log-level", "info", "-v"]}, "signal_relayed", "internal_error"),
        ({"options": ["-v", "--verbose"]}, "signal_relayed", "internal_error"),
        ({"env": {**os.environ, "PYINIT_VERBOSE": "2"}}, "signal_relayed", "internal_error"),
        ({"options": ["-v"], "env": {**os.environ, "PYINIT_QUIET": "1"}}, "child_started", "error"),
    ],
)
def test_verbose_says_more_each_time(
    mode: str, words: dict[str, Any], says: str, keeps_to_itself: str
) -> None:
    """Once: start and end; twice: every signal."""
    with Container(python("record.py"), mode=mode, **words) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        err = container.errors()
        assert container.wait() == 0
    assert says in err
    assert keeps_to_itself not in err


def test_a_misspelt_variable_is_warned_of(namespaces: None) -> None:
    """With the one that was meant; the command runs all the same."""
    env = {**os.environ, "PYINIT_GARCE": "3", "PYINIT_PORT": "tcp://10.0.0.1:80"}
    code, out, err = run([*PYINIT, "echo", "x"], init=("env",), env=env)
    assert (code, out) == (0, "x\n")
    (line,) = logged(err)
    assert line["event"] == "unknown_variable"
    assert (line["variable"], line["meant"]) == ("PYINIT_GARCE", "PYINIT_GRACE")
