"""The options as keywords: all that the command line has, each to the same effect, and checked."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import pyinit
from pyinit.api import keywords
from pyinit.options import parser, table
from tests.cases import in_one_test

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# Every keyword with a value, and the words that ask for the same.
SAME: list[tuple[dict[str, Any], list[str]]] = [
    ({"group": True}, ["--group"]),
    (
        {"rewrite": {"TERM": "QUIT", signal.SIGHUP: 10, "WINCH": "ignore", "RTMIN+1": 0}},
        ["--rewrite", "TERM:QUIT,HUP:10,WINCH:ignore,RTMIN+1:0"],
    ),
    ({"stop_signals": ["TERM", 1, signal.SIGUSR2]}, ["--stop-signals", "TERM,1,USR2"]),
    ({"drain_s": 2}, ["--drain", "2"]),
    ({"drain_s": 2, "pre_stop": "true"}, ["--drain", "2", "--pre-stop", "true"]),
    ({"escalate": [("KILL", 8), ("QUIT", 5.5)]}, ["--escalate", "KILL@8,QUIT@5.5"]),
    ({"stop_timeout_s": 28}, ["--stop-timeout", "28"]),
    (
        {"escalate": [("INT", 4)], "stop_timeout_s": 2},
        ["--escalate", "INT@4", "--stop-timeout", "2"],
    ),
    ({"grace_s": 0}, ["--grace", "0"]),
    ({"remap_exit": {143: 0, "KILL": 7, 3: 4}}, ["--remap-exit", "143:0,KILL:7,3:4"]),
    ({"user": "app:1000"}, ["--user", "app:1000"]),
    ({"chdir": Path("/srv")}, ["--chdir", "/srv"]),
    ({"add_env": {"A": "1", "B": "x=y"}}, ["--env", "A=1", "--env", "B=x=y"]),
    ({"unset_env": ["A", "B"]}, ["--unset-env", "A", "--unset-env", "B"]),
    # A map has no order against a list: what is set is set.
    ({"add_env": {"A": "1"}, "unset_env": ["A"]}, ["--unset-env", "A", "--env", "A=1"]),
    ({"umask": 0o027}, ["--umask", "027"]),
    ({"no_new_privs": True}, ["--no-new-privs"]),
    ({"oom_score_adj": 500}, ["--oom-score-adj", "500"]),
    ({"session": True}, ["--session"]),
    ({"parent_death_signal": "TERM"}, ["--parent-death-signal", "TERM"]),
    ({"notify": True}, ["--notify"]),
    ({"subreaper": True}, ["--subreaper"]),
    ({"subreaper": False}, ["--no-subreaper"]),
    ({"warn_on_reap": True}, ["--warn-on-reap"]),
    ({"verbose": 2}, ["-vv"]),
    ({"quiet": True}, ["--quiet"]),
    ({"on_oom": "stop"}, ["--on-oom", "stop"]),
    ({"leftovers": "all"}, ["--leftovers", "all"]),
    ({"wait_all": True}, ["--wait-all"]),
    ({"log_level": "info"}, ["--log-level", "info"]),
    ({"log_format": "json"}, ["--log-format", "json"]),
    ({"log_fd": 7}, ["--log-fd", "7"]),
    ({"log_file": Path("/l")}, ["--log-file", "/l"]),
    ({"report": 5}, ["--report", "fd:5"]),
    ({"report": Path("/r")}, ["--report", "/r"]),
    ({"termination_log": True}, ["--termination-log"]),
    ({"status_file": "/s"}, ["--status-file", "/s"]),
    ({"metrics_file": "/m.prom"}, ["--metrics-file", "/m.prom"]),
]

# Rows of the table of options that no keyword stands for: they are requests, or said by the call.
NO_KEYWORD = {"alias", "control", "help", "services", "version"}


def test_every_option_has_a_keyword() -> None:
    """A row that is added to the table of options has to have one, or be listed here."""
    with_keyword = {option.attribute for option in table.TABLE if option.keyword}
    assert {option.attribute for option in table.TABLE} - with_keyword == NO_KEYWORD
    assert set(pyinit.Options.__annotations__) == set(keywords.KEYWORDS)


@in_one_test(("settings", "words"), SAME)
def test_a_keyword_does_what_the_option_does(settings: dict[str, Any], words: list[str]) -> None:
    """It leads to the same settings."""
    by_keyword = vars(keywords.settings_of(["true"], settings, pyinit.run))  # type: ignore[arg-type]
    by_word = vars(parser.parse([*words, "true"], {}))
    assert by_keyword == by_word


def kinds_of(names: Iterable[str]) -> set[table.Kind]:
    """Return the kinds of the values that these keywords have."""
    return {keywords.KEYWORDS[name].kind for name in names}


def test_each_kind_is_among_them() -> None:
    """So that every keyword is checked as one of them is; and pause, which has no command."""
    assert kinds_of(name for settings, _ in SAME for name in settings) == kinds_of(
        keywords.KEYWORDS
    )
    by_keyword = vars(keywords.settings_of([], {"pause": True}, pyinit.run))
    assert by_keyword == vars(parser.parse(["--pause"], {}))


@in_one_test("switch", ["group", "no_new_privs", "session", "notify", "warn_on_reap", "quiet"])
def test_a_switch_can_be_off(switch: str) -> None:
    """False is the default, said aloud."""
    settings = keywords.settings_of(["true"], {switch: False}, pyinit.run)  # type: ignore[misc]
    default = keywords.settings_of(["true"], {}, pyinit.run)
    assert {**vars(default), **vars(settings)} == vars(settings)
    assert all(getattr(default, name) == value for name, value in vars(settings).items())


TYPES: list[tuple[str, Any, str]] = [
    ("group", "yes", "expected True or False"),
    ("group", 1, "expected True or False"),
    ("session", None, "expected True or False"),
    ("pause", 0, "expected True or False"),
    ("rewrite", "TERM:QUIT", "expected a map such as"),
    ("rewrite", {"TERM": None}, "expected a signal's number or name"),
    ("rewrite", {1.5: "TERM"}, "expected a signal's number or name"),
    ("stop_signals", "TERM", "expected a collection of signals"),
    ("stop_signals", 15, "expected a collection of signals"),
    ("stop_signals", [True], "expected a signal's number or name"),
    ("drain_s", "5", "expected a time in seconds"),
    ("grace_s", None, "expected a time in seconds"),
    ("grace_s", True, "expected a time in seconds"),
    ("stop_timeout_s", "8", "expected a time in seconds"),
    ("pre_stop", ["true"], "expected a string"),
    ("escalate", "KILL@28", "expected pairs of a signal and seconds"),
    ("escalate", [("KILL",)], "expected pairs of a signal and seconds"),
    ("escalate", [("KILL", "8")], "expected a time in seconds"),
    ("remap_exit", [143], "expected a map such as"),
    ("remap_exit", {143: None}, "expected exit codes"),
    ("user", 1000, "expected a string"),
    ("chdir", 3, "expected a path"),
    ("add_env", ["A=1"], "expected a map such as"),
    ("add_env", {"A": 1}, "expected names and values that are strings"),
    ("unset_env", "A", "expected a collection of names"),
    ("unset_env", [b"A"], "expected names that are strings"),
    ("umask", "022", "expected a number such as"),
    ("oom_score_adj", "500", "expected a number such as"),
    ("umask", True, "expected a number such as"),
    ("parent_death_signal", None, "expected a signal's number or name"),
    ("verbose", "2", "expected a count"),
    ("on_oom", None, "expected a word"),
    ("leftovers", True, "expected a word"),
    ("log_level", 2, "expected a level"),
    ("log_format", b"json", "expected a word"),
    ("log_fd", "3", "expected a file descriptor"),
    ("log_fd", True, "expected a file descriptor"),
    ("log_file", 3, "expected a path"),
    ("report", None, "expected a path"),
    ("status_file", 3, "expected a path"),
    ("metrics_file", None, "expected a path"),
]
VALUES: list[tuple[str, Any, str]] = [
    ("rewrite", {"TREM": "QUIT"}, "expected a name such as TERM"),
    ("rewrite", {"KILL": "TERM"}, "cannot be caught"),
    ("rewrite", {"CHLD": "TERM"}, "not relayed"),
    ("rewrite", {"TERM": 65}, "a number from 1 to 64"),
    ("stop_signals", [signal.SIGSEGV], "not relayed"),
    ("stop_signals", [32], "expected a name such as TERM"),
    ("drain_s", -1, "expected 0 to 1000000000"),
    ("grace_s", float("nan"), "expected 0 to 1000000000"),
    ("grace_s", float("inf"), "expected 0 to 1000000000"),
    ("stop_timeout_s", -0.5, "expected 0 to 1000000000"),
    ("pre_stop", " ", "expected one for /bin/sh"),
    ("pre_stop", "true", "expected drain_s too"),
    ("escalate", [("KILL", -1)], "expected 0 to 1000000000"),
    ("escalate", [("", 1)], "expected a name such as TERM"),
    ("remap_exit", {256: 0}, "a number from 0 to 255"),
    ("remap_exit", {1: -1}, "a number from 0 to 255"),
    ("user", "app:", "expected USER or USER:GROUP"),
    ("user", "a\0b", "has a NUL"),
    ("chdir", "", "expected a path"),
    ("chdir", "/\0", "has a NUL"),
    ("add_env", {"A=B": "1"}, "expected a name"),
    ("add_env", {"": "1"}, "expected a name"),
    ("add_env", {"A": "\0"}, "has a NUL"),
    ("unset_env", ["A=B"], "expected a name"),
    ("unset_env", ["\0"], "has a NUL"),
    ("umask", 0o1000, "expected 0 to 0o777"),
    ("oom_score_adj", -1001, "from -1000 to 1000"),
    ("umask", -1, "expected 0 to 0o777"),
    ("parent_death_signal", 0, "expected a name such as TERM"),
    ("verbose", -1, "expected 0 to 9"),
    ("on_oom", "restart", "expected stop"),
    ("leftovers", "none", "expected one of tree, all"),
    ("log_level", "loud", "expected one of error, warning, info, debug"),
    ("log_format", "xml", "expected one of console, json, logfmt"),
    ("log_fd", -1, "expected a number"),
    ("log_file", "", "expected a path"),
    ("report", "/", "expected a path"),
    ("status_file", "a\0b", "has a NUL"),
    ("metrics_file", "", "expected a path"),
    ("metrics_file", "/m.txt", "does not end in .prom"),
    ("pause", True, "expected an empty argv"),
]


@in_one_test(("name", "value", "expected"), TYPES)
def test_a_value_of_a_wrong_type_is_named(name: str, value: object, expected: str) -> None:
    """TypeError says which keyword it was for, and what would be right."""
    with pytest.raises(TypeError) as raised:
        pyinit.run(["true"], **{name: value})  # type: ignore[arg-type]
    assert str(raised.value).startswith(name)
    assert expected in str(raised.value)


@in_one_test(("name", "value", "expected"), VALUES)
def test_a_wrong_value_is_named(name: str, value: object, expected: str) -> None:
    """ValueError says which keyword it was for, and what would be right."""
    with pytest.raises(ValueError, match=f"^{name}") as raised:
        pyinit.run(["true"], **{name: value})  # type: ignore[arg-type]
    assert expected in str(raised.value)


def test_wrong_values_of_each_kind_are_tried() -> None:
    """In one of the two lists."""
    assert kinds_of(name for name, _, _ in TYPES + VALUES) == kinds_of(keywords.KEYWORDS)


def test_an_unknown_keyword_is_named() -> None:
    """With the nearest, and all those that there are."""
    said = (
        r"run\(\) has no keyword 'gruop': did you mean 'group'\?"
        r" expected some of cwd, env, logger, group"
    )
    with pytest.raises(TypeError, match=said) as raised:
        pyinit.run(["true"], gruop=True)  # type: ignore[call-arg]
    assert "hostname" not in str(raised.value)
    said = r"spawn\(\) has no keyword 'namespace': did you mean 'namespaces'\? expected .*group"
    with pytest.raises(TypeError, match=said):
        pyinit.spawn(["true"], namespace={"pid"})  # type: ignore[call-arg]
    said = r"fork_init\(\) has no keyword 'graceful': .*expected some of always, group"
    with pytest.raises(TypeError, match=said) as raised:
        pyinit.fork_init(graceful=1)  # type: ignore[call-arg]
    assert "chdir" not in str(raised.value)


@in_one_test(
    ("argv", "error", "expected"),
    [
        ("true", TypeError, "not one word"),
        (b"true", TypeError, "not one word"),
        (Path("/bin/true"), TypeError, "not one word"),
        (5, TypeError, "expected a sequence of words"),
        (["nice", 5], TypeError, "expected a sequence of words"),
        ([], ValueError, "expected a command, or pause=True"),
        (["true", "a\0b"], ValueError, "has a NUL"),
    ],
)
def test_argv_is_words(argv: Any, error: type[Exception], expected: str) -> None:
    """Strings, bytes or paths, as for `subprocess`, but no line for a shell."""
    with pytest.raises(error, match=r"^argv") as raised:
        pyinit.run(argv)
    assert expected in str(raised.value)


CALLS: dict[str, Callable[..., object]] = {
    "run": pyinit.run,
    "spawn": pyinit.spawn,
    "exec": lambda *words, **how: pyinit.exec_in(os.getpid(), *words, **how),
    "spawn_async": lambda *words, **how: asyncio.run(spawned(*words, **how)),
}


async def spawned(*words: Any, **how: Any) -> object:
    """Start a container in an event loop."""
    return await pyinit.spawn_async(*words, **how)


@in_one_test("call", CALLS)
def test_a_word_that_has_no_bytes_is_named_before_anything_is_started(call: str) -> None:
    """Half a pair of surrogates, also in a path or a variable: what is no UTF-8 is a whole one."""
    word = "\ud800"
    said = r"'\\ud800' has no bytes in utf-8"
    with pytest.raises(ValueError, match=f"^argv: {said}"):
        CALLS[call](["true", word])
    for how in (
        *({"cwd": word}, {"env": {"A": word}}, {"env": {word: "1"}}, {"add_env": {"A": word}}),
        *({"unset_env": [word]}, {"status_file": word}),
    ):
        with pytest.raises(ValueError, match=f"^{next(iter(how))}: {said}"):
            CALLS[call](["true"], **how)


def test_argv_takes_what_subprocess_takes() -> None:
    """Bytes that are no UTF-8 come through; see os.fsencode()."""
    settings = keywords.settings_of([Path("/bin/true"), os.fsdecode(b"\xff")], {}, pyinit.run)
    assert [os.fsencode(word) for word in settings.command] == [b"/bin/true", b"\xff"]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"user": "nobody-has-this-name"}, "user: there is no user 'nobody-has-this-name' in "),
        ({"log_file": "/nonexistent/log"}, "log_file: '/nonexistent/log' cannot be written: "),
    ],
)
def test_what_is_found_at_the_start_names_the_keyword(how: Any, said: str) -> None:
    """And not the option of the command line, which the program has never written."""
    code = f"import pyinit; pyinit.run(['true'], **{how!r})"
    done = subprocess.run(
        [sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, check=False
    )
    assert f"\nValueError: {said}" in done.stderr
