"""The parser of the command line, without a process: it parses, or says which word is wrong."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from signal import Signals, valid_signals

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyinit import settings, signals
from pyinit.options import help as help_text
from pyinit.options import parser, table, values
from pyinit.options.parser import parse
from pyinit.options.values import UsageError
from tests.cases import in_one_test

SETTINGS = [option for option in table.TABLE if option.variable]
DEFAULTS = settings.Settings([])


def asked(*words: str, **environ: str) -> dict[str, object]:
    """Return what ``words`` and the environment change against the defaults."""
    found = parse([*words, "true"], {k.encode(): v.encode() for k, v in environ.items()})
    assert found.command == ["true"]
    names = {option.attribute for option in table.TABLE}
    return {n: getattr(found, n) for n in names if getattr(found, n) != getattr(DEFAULTS, n)}


@in_one_test(
    ("words", "changed"),
    [
        ([], {}),
        (["-g"], {"group": True}),
        (["--group"], {"group": True}),
        (["--grace", "3"], {"grace_s": 3.0}),
        (["--grace=3"], {"grace_s": 3.0}),
        (["--grace=0.25"], {"grace_s": 0.25}),
        (["--grace", ".5"], {"grace_s": 0.5}),
        (["--grace=0"], {"grace_s": 0.0}),
        (["--grace=1", "--grace=2"], {"grace_s": 2.0}),
        (["-w"], {"warn_on_reap": True}),
        (["--warn-on-reap"], {"warn_on_reap": True}),
        (["-s"], {}),
        (["--no-subreaper"], {"subreaper": False}),
        (["--no-subreaper", "-s"], {}),
        (["--subreaper", "--no-subreaper"], {"subreaper": False}),
        (["-v"], {"verbose": 1}),
        (["-vv"], {"verbose": 2}),
        (["-v", "--verbose", "-v"], {"verbose": 3}),
        (["-q"], {"quiet": True}),
        (["--quiet"], {"quiet": True}),
        (["-gwv"], {"group": True, "warn_on_reap": True, "verbose": 1}),
        (["-gv", "--grace=1", "-v"], {"group": True, "grace_s": 1.0, "verbose": 2}),
        (["-r", "WINCH:ignore"], {"rewrite": {28: 0}}),
        (["-rTERM:INT"], {"rewrite": {15: 2}}),
        (["--rewrite=15:3"], {"rewrite": {15: 3}}),
        (["-gr", "TERM:0"], {"group": True, "rewrite": {15: 0}}),
        (["-grTERM:0"], {"group": True, "rewrite": {15: 0}}),
        (["-r", "1:2", "-r", "2:1,3:0"], {"rewrite": {1: 2, 2: 1, 3: 0}}),
        (["-r", "TERM:INT", "--rewrite", "TERM:HUP"], {"rewrite": {15: 1}}),
        (["--stop-signals", "TERM,HUP"], {"stop_signals": {15, 1}}),
        (["--stop-signals=TERM", "--stop-signals=HUP"], {"stop_signals": {1}}),
        (["--drain", "2.5"], {"drain_s": 2.5}),
        (["--drain=1", "--pre-stop", "touch x"], {"drain_s": 1.0, "pre_stop": "touch x"}),
        (["--escalate", "INT@20,KILL@28"], {"escalation": ((20.0, 2), (28.0, 9))}),
        (["--escalate=KILL@28", "--escalate=INT@20"], {"escalation": ((20.0, 2), (28.0, 9))}),
        (["--stop-timeout", "28"], {"escalation": ((28.0, 9),)}),
        (["--stop-timeout=28", "--escalate=INT@5"], {"escalation": ((5.0, 2), (28.0, 9))}),
        (["-e", "143"], {"remap_exit": {143: 0}}),
        (["-e143"], {"remap_exit": {143: 0}}),
        (["-eTERM:7"], {"remap_exit": {143: 7}}),
        (["-e", "143", "--remap-exit=1:2", "-e3,4:5"], {"remap_exit": {143: 0, 1: 2, 3: 0, 4: 5}}),
        (["-u", "app"], {"user": "app"}),
        (["-uapp:web"], {"user": "app:web"}),
        (["--user=1000:1000"], {"user": "1000:1000"}),
        (["--chdir", "/srv"], {"chdir": "/srv"}),
        (["--chdir=-x"], {"chdir": "-x"}),
        (["--chdir", "--help"], {"chdir": "--help"}),
        (["--env", "A=b=c"], {"env": (("A", "b=c"),)}),
        (["--env=A="], {"env": (("A", ""),)}),
        (["--env", "A=1", "--unset-env=B", "--env", "A=2"],
         {"env": (("A", "1"), ("B", None), ("A", "2"))}),
        (["--unset-env", "A"], {"env": (("A", None),)}),
        (["--umask", "027"], {"umask": 0o27}),
        (["--umask=0"], {"umask": 0}),
        (["--no-new-privs"], {"no_new_privs": True}),
        (["--oom-score-adj", "-20"], {"oom_score_adj": -20}),
        (["--oom-score-adj=1000"], {"oom_score_adj": 1000}),
        (["--session"], {"place": settings.SESSION}),
        (["-p", "TERM"], {"parent_death_signal": 15}),
        (["-pKILL"], {"parent_death_signal": 9}),
        (["--parent-death-signal=sigusr1"], {"parent_death_signal": 10}),
        (["--services", "s.toml"], {"services": "s.toml"}),
        (["--control=/c"], {"control": "/c"}),
        (["--notify"], {"notify": True}),
        (["--on-oom", "stop"], {"on_oom": "stop"}),
        (["--leftovers", "all"], {"leftovers": "all"}),
        (["--wait-all"], {"wait_all": True}),
        (["--log-level", "info"], {"verbose": 1}),
        (["--log-level=Debug"], {"verbose": 2}),
        (["--log-level=error"], {"verbose": -1}),
        (["-vv", "--log-level=warning"], {}),
        (["--log-level=info", "-v"], {"verbose": 2}),
        (["--log-format", "json"], {"log_format": "json"}),
        (["--log-fd", "3"], {"log_to": 3}),
        (["--log-file", "/var/log/x"], {"log_to": "/var/log/x"}),
        (["--log-file=/var/log/x", "--log-fd=4"], {"log_to": 4}),
        (["--report", "/tmp/r"], {"report": "/tmp/r"}),
        (["--report=fd:0"], {"report": 0}),
        (["--termination-log"], {"termination_log": True}),
        (["--status-file=s"], {"status_file": "s"}),
        (["--metrics-file", "m.prom"], {"metrics_file": "m.prom"}),
    ],
)  # fmt: skip
def test_each_option_sets_what_it_says_and_nothing_else(
    words: list[str], changed: dict[str, object]
) -> None:
    """Long, short, bundled, attached, repeated.

    The last one wins; but ``-v`` counts, rules and variables add up, and plans merge by time.
    """
    assert asked(*words) == changed


def test_no_option_is_without_a_case() -> None:
    """The cases above name each one that changes a setting: a new option needs one of its own."""
    cases = test_each_option_sets_what_it_says_and_nothing_else.cases  # type: ignore[attr-defined]
    words = {word.partition("=")[0] for case in cases for word in case[0]}
    elsewhere = {"help", "version", "pause", "as"}
    missing = {
        option.name
        for option in table.TABLE
        if f"--{option.name}" not in words and f"-{option.short}" not in words
    }
    assert missing <= elsewhere


@in_one_test("words", [["-P"], ["--pause"], ["-vP"], ["--pause", "--"]])
def test_pause_needs_no_command(words: list[str]) -> None:
    """It is the only one."""
    found = parse(words, {})
    assert found.pause
    assert found.command == []


def test_defaults_are_never_changed_in_place() -> None:
    """They are the class's own: what one run is asked for would be the next one's default."""
    parse(["-r", "1:2", "-r", "2:3", "-e", "1", "-e", "2", "--env", "A=b", "x"], {})
    assert not settings.Settings.rewrite
    assert not settings.Settings.remap_exit
    assert not settings.Settings.env


@in_one_test(
    ("words", "command"),
    [
        (["ls", "-h"], ["ls", "-h"]),
        (["-g", "ls", "-g", "--", "--help"], ["ls", "-g", "--", "--help"]),
        (["--", "-h"], ["-h"]),
        (["--", "--", "x"], ["--", "x"]),
        (["-v", "--", "ls"], ["ls"]),
        (["-", "-h"], ["-", "-h"]),
        (["", "-h"], ["", "-h"]),
        (["--grace", "1", "2"], ["2"]),
        (["--grace=1", "2"], ["2"]),
    ],
)
def test_parsing_stops_at_the_first_operand(words: list[str], command: list[str]) -> None:
    """What follows the first operand, or the first ``--``, belongs to the command."""
    assert parse(words, {}).command == command


@in_one_test(
    ("variable", "value", "changed"),
    [
        ("PYINIT_GROUP", "1", {"group": True}),
        ("PYINIT_GRACE", "3", {"grace_s": 3.0}),
        ("PYINIT_GRACE", "0.5", {"grace_s": 0.5}),
        ("PYINIT_GRACE", "", {}),
        ("PYINIT_WARN_ON_REAP", "yes", {"warn_on_reap": True}),
        ("PYINIT_SUBREAPER", "0", {"subreaper": False}),
        ("PYINIT_SUBREAPER", "FALSE", {"subreaper": False}),
        ("PYINIT_SUBREAPER", "on", {}),
        ("PYINIT_SUBREAPER", "", {}),
        ("PYINIT_VERBOSE", "2", {"verbose": 2}),
        ("PYINIT_VERBOSE", "true", {"verbose": 1}),
        ("PYINIT_VERBOSE", "0", {}),
        ("PYINIT_QUIET", "1", {"quiet": True}),
        ("PYINIT_REWRITE", "WINCH:ignore,TERM:QUIT", {"rewrite": {28: 0, 15: 3}}),
        ("PYINIT_STOP_SIGNALS", "RTMIN+3", {"stop_signals": {37}}),
        ("PYINIT_STOP_SIGNALS", "", {}),
        ("PYINIT_DRAIN", "5", {"drain_s": 5.0}),
        ("PYINIT_ESCALATE", "KILL@28,INT@20", {"escalation": ((20.0, 2), (28.0, 9))}),
        ("PYINIT_STOP_TIMEOUT", "28", {"escalation": ((28.0, 9),)}),
        ("PYINIT_REMAP_EXIT", "TERM,1:2", {"remap_exit": {143: 0, 1: 2}}),
        ("PYINIT_USER", "app", {"user": "app"}),
        ("PYINIT_CHDIR", "/srv", {"chdir": "/srv"}),
        ("PYINIT_UMASK", "027", {"umask": 0o27}),
        ("PYINIT_NO_NEW_PRIVS", "1", {"no_new_privs": True}),
        ("PYINIT_NO_NEW_PRIVS", "0", {}),
        ("PYINIT_OOM_SCORE_ADJ", "500", {"oom_score_adj": 500}),
        ("PYINIT_SESSION", "yes", {"place": settings.SESSION}),
        ("PYINIT_SESSION", "0", {}),
        ("PYINIT_PARENT_DEATH_SIGNAL", "9", {"parent_death_signal": 9}),
        ("PYINIT_SERVICES", "s.toml", {"services": "s.toml"}),
        ("PYINIT_NOTIFY", "on", {"notify": True}),
        ("PYINIT_PAUSE", "0", {}),
        ("PYINIT_ON_OOM", "STOP", {"on_oom": "stop"}),
        ("PYINIT_LEFTOVERS", "All", {"leftovers": "all"}),
        ("PYINIT_LOG_LEVEL", "info", {"verbose": 1}),
        ("PYINIT_LOG_FORMAT", "JSON", {"log_format": "json"}),
        ("PYINIT_LOG_FD", "3", {"log_to": 3}),
        ("PYINIT_LOG_FILE", "/l", {"log_to": "/l"}),
        ("PYINIT_REPORT", "fd:5", {"report": 5}),
        ("PYINIT_TERMINATION_LOG", "1", {"termination_log": True}),
        ("PYINIT_STATUS_FILE", "/s", {"status_file": "/s"}),
        ("PYINIT_METRICS_FILE", "/m.prom", {"metrics_file": "/m.prom"}),
        ("PYINIT_VERSION", "1.2", {}),  # an image's own note of what it has installed
        ("PYINIT_PORT", "tcp://10.0.0.1:80", {}),  # what Kubernetes sets for a service pyinit
    ],
)
def test_each_option_has_a_variable(variable: str, value: str, changed: dict[str, object]) -> None:
    """An empty one counts as none, and one that is no option's is somebody else's."""
    assert asked(**{variable: value}) == changed


@in_one_test("option", SETTINGS)
def test_a_variable_does_what_the_option_does(option: table.Option) -> None:
    """By the example of each option, and whatever else stands in that."""
    words = shlex.split(option.example)
    (at,) = (i for i, word in enumerate(words) if is_one_of_its_names(word, option))
    if option.takes_value:
        value = words[at + 1]
    else:
        value = str(words[at].count("v")) if option.kind is table.COUNT else "1"
    others = words[:at] + words[at + 1 + option.takes_value :]
    command = [] if option.name == "pause" else ["true"]
    by_word = parse([*words, *command], {})
    by_variable = parse([*others, *command], {option.variable.encode(): value.encode()})
    assert vars(by_word) == vars(by_variable)
    assert vars(by_word) != vars(parse(["true"], {}))


def is_one_of_its_names(word: str, option: table.Option) -> bool:
    """Return whether ``word`` is the option, long or short, without a value attached."""
    return word == f"--{option.name}" or (
        bool(option.short) and word.startswith("-") and set(word[1:]) == {option.short}
    )


def test_pause_by_variable() -> None:
    """An image of pyinit without a command, where only variables can be set."""
    assert parse([], {b"PYINIT_PAUSE": b"1"}).pause


def test_a_pre_stop_command_by_variable() -> None:
    """Either half may come from the command line, the other one from its variable."""
    changed = {"drain_s": 5.0, "pre_stop": "true"}
    assert asked(PYINIT_PRE_STOP="true", PYINIT_DRAIN="5") == changed
    assert asked("--pre-stop=true", PYINIT_DRAIN="5") == changed
    assert asked("--drain=5", PYINIT_PRE_STOP="true") == changed


def test_plans_of_two_variables_merge() -> None:
    """As those of two options do."""
    plan = ((5.0, 2), (28.0, 9))
    environ = {"PYINIT_STOP_TIMEOUT": "28", "PYINIT_ESCALATE": "INT@5"}
    assert asked(**environ) == {"escalation": plan}


@in_one_test(
    ("words", "environ", "changed"),
    [
        (["--grace=7"], {"PYINIT_GRACE": "3"}, {"grace_s": 7.0}),
        (["--grace=5"], {"PYINIT_GRACE": "3"}, {}),
        (["-v"], {"PYINIT_VERBOSE": "2"}, {"verbose": 1}),
        (["-s"], {"PYINIT_SUBREAPER": "0"}, {}),
        (["--no-subreaper"], {"PYINIT_SUBREAPER": "1"}, {"subreaper": False}),
        (["-g"], {"PYINIT_GROUP": "0"}, {"group": True}),
        (["-w"], {"PYINIT_WARN_ON_REAP": "no"}, {"warn_on_reap": True}),
        (["-q"], {"PYINIT_QUIET": "0"}, {"quiet": True}),
        (["-v"], {"PYINIT_QUIET": "1"}, {"verbose": 1}),
        (["-q"], {"PYINIT_VERBOSE": "2"}, {"quiet": True}),
        (["--grace=1"], {"PYINIT_GRACE": "nonsense"}, {"grace_s": 1.0}),
        (["-rTERM:INT"], {"PYINIT_REWRITE": "HUP:INT"}, {"rewrite": {15: 2}}),
        (["-e1"], {"PYINIT_REMAP_EXIT": "2"}, {"remap_exit": {1: 0}}),
        (["--stop-timeout=9"], {"PYINIT_ESCALATE": "INT@5"}, {"escalation": ((9.0, 9),)}),
        (["--escalate=INT@5"], {"PYINIT_STOP_TIMEOUT": "9"}, {"escalation": ((5.0, 2),)}),
        (["--session"], {"PYINIT_SESSION": "0"}, {"place": settings.SESSION}),
        (["-ua"], {"PYINIT_USER": "b:c"}, {"user": "a"}),
        (["-v"], {"PYINIT_LOG_LEVEL": "debug"}, {"verbose": 1}),
        (["--log-level=error"], {"PYINIT_VERBOSE": "2"}, {"verbose": -1}),
        (["--log-level=info"], {"PYINIT_QUIET": "1"}, {"verbose": 1}),
        (["--log-fd=3"], {"PYINIT_LOG_FILE": "/l"}, {"log_to": 3}),
    ],
)
def test_the_command_line_wins(
    words: list[str], environ: dict[str, str], changed: dict[str, object]
) -> None:
    """As a whole, over each variable that sets the same, also a wrong one, and its opposite's."""
    assert asked(*words, **environ) == changed


@in_one_test(
    ("words", "named", "right"),
    [
        (["--gruop", "x"], "'--gruop'", "did you mean '--group'?"),
        (["--xyz=3", "x"], "'--xyz'", "pyinit --help"),
        (["-x", "x"], "'-x'", "pyinit --help"),
        (["-gxv", "x"], "'-x' in '-gxv'", "pyinit --help"),
        (["-é", "x"], "'-é'", "pyinit --help"),
        (["--group=yes", "x"], "'--group=yes'", "should be '--group'"),
        (["--help=x"], "'--help=x'", "should be '--help'"),
        (["--grace"], "'--grace'", "--grace SECONDS"),
        (["--grace", "soon", "x"], "option '--grace': 'soon'", "such as 5 or 0.5"),
        (["--grace=", "x"], "option '--grace': ''", "such as 5 or 0.5"),
        (["--grace=-1", "x"], "'-1'", "from 0 on"),
        (["--grace=1e3", "x"], "'1e3'", "such as 5 or 0.5"),
        (["--grace=nan", "x"], "'nan'", "such as 5 or 0.5"),
        (["--grace=٣", "x"], "'٣'", "such as 5 or 0.5"),
        (["--grace=.", "x"], "'.'", "such as 5 or 0.5"),
        (["--grace=1.2.3", "x"], "'1.2.3'", "such as 5 or 0.5"),
        (["--grace=5s", "x"], "'5s'", "such as 5 or 0.5"),
        (["--grace", "--", "x"], "'--'", "such as 5 or 0.5"),
        (["--grace=1000000001", "x"], "'1000000001'", "at most 1000000000 seconds"),
        (["-r"], "'-r'", "-r FROM:TO"),
        (["-gr"], "'-r'", "-r FROM:TO"),
        (["-e300", "x"], "option '-e': '300'", "0 to 255"),
        (["-gvrX:TERM", "x"], "option '-r': 'X:TERM': 'X'", "TERM or RTMIN+3"),
        (["--stop-signals=TERM,,INT", "x"], "'TERM,,INT'", "one between two items"),
        (["--oom-score-adj=1001", "x"], "'1001'", "from -1000 to 1000"),
        (["--oom-score-adj=--5", "x"], "'--5'", "from -1000 to 1000"),
        (["--pre-stop=", "x"], "''", "/bin/sh"),
        (["--chdir=", "x"], "''", "a path"),
        (["--user=", "x"], "''", "USER:GROUP"),
        (["--pause", "ls", "-l"], "'ls'", "--pause (or PYINIT_PAUSE) runs no command"),
        (["--pre-stop=ls", "x"], "--pre-stop (or PYINIT_PRE_STOP)", "--drain 5"),
        (["--pre-stop=ls", "--drain=0", "x"], "--pre-stop (or PYINIT_PRE_STOP)", "--drain 5"),
        (["-g", "--as", "tini"], "'--as'", "has to be the first word"),
        (["-g", "--as=tini"], "'--as'", "has to be the first word"),
        ([], "no command", "COMMAND [ARG...]"),
        (["-v"], "no command", "COMMAND [ARG...]"),
        (["-v", "--"], "no command", "COMMAND [ARG...]"),
    ],
)
def test_a_usage_error_names_the_word_and_what_would_be_right(
    words: list[str], named: str, right: str
) -> None:
    """So that the reader neither has to search the line nor the manual."""
    with pytest.raises(UsageError) as caught:
        parse(words, {})
    assert named in str(caught.value)
    assert right in str(caught.value)


@in_one_test(
    ("variable", "value", "right"),
    [
        ("PYINIT_GRACE", "soon", "such as 5 or 0.5"),
        ("PYINIT_GRACE", "9" * 5000, "at most"),
        ("PYINIT_GROUP", "2", "expected 1"),
        ("PYINIT_SUBREAPER", "maybe", "expected 1"),
        ("PYINIT_VERBOSE", "-1", "a digit"),
        ("PYINIT_VERBOSE", "9" * 5000, "a digit"),
        ("PYINIT_VERBOSE", "٣", "a digit"),
        ("PYINIT_USER", "app:", "USER:GROUP"),
        ("PYINIT_REMAP_EXIT", "x", "0 to 255"),
        ("PYINIT_PARENT_DEATH_SIGNAL", "0", "from 1 to 64"),
    ],
)
def test_a_wrong_variable_is_named(variable: str, value: str, right: str) -> None:
    """With its value: it may come from a file far away."""
    with pytest.raises(UsageError) as caught:
        parse(["x"], {variable.encode(): value.encode()})
    assert f"variable {variable}: '{value}'" in str(caught.value)
    assert right in str(caught.value)


def test_a_pause_by_variable_names_it() -> None:
    """Whoever gives a command then has not written --pause."""
    with pytest.raises(UsageError, match="PYINIT_PAUSE"):
        parse(["x"], {b"PYINIT_PAUSE": b"1"})


@in_one_test("name", settings.NAMES)
def test_as_is_for_the_first_word(name: str) -> None:
    """The others are the program's; without it all words are pyinit's."""
    assert parser.alias(["--as", name, "-g", "x"]) == (name, ["-g", "x"])
    assert parser.alias([f"--as={name}", "x"]) == (name, ["x"])
    assert parser.alias([f"--as={name}"]) == (name, [])
    assert parser.alias(["-g", "--as", name]) == ("", ["-g", "--as", name])
    assert parser.alias([]) == ("", [])


@in_one_test(
    ("words", "named", "right"),
    [
        (["--as"], "'--as' needs a value", "--as PROGRAM"),
        (["--as="], "''", "one of tini, tini-static,"),
        (["--as", "s6", "x"], "'s6'", "dumb-init, catatonit"),
        (["--as=Tini", "x"], "'Tini'", "one of tini,"),
    ],
)
def test_a_program_that_is_not_known_is_named(words: list[str], named: str, right: str) -> None:
    """And those that are."""
    with pytest.raises(UsageError) as caught:
        parser.alias(words)
    assert named in str(caught.value)
    assert right in str(caught.value)


def test_help_and_version_ask_for_nothing_else() -> None:
    """Neither a command nor right variables: who is lost can always ask."""
    assert parse(["-h"], {b"PYINIT_GRACE": b"x"}).help
    assert parse(["--help"], {}).help
    assert parse(["-vh", "ls"], {}).help
    assert parse(["--version"], {}).version


PIECES = [
    "-", "--", "=", "grace", "group", "h", "v", "g", "1", ".", "\udcff", "no-subreaper", "-r",
    "TERM", ":", "INT", "@", ",", "escalate", "stop-signals", "e", "RTMIN+", "env", "umask", "P",
]  # fmt: skip
WORDS = st.one_of(
    st.sampled_from(["--grace", "--", "-", "", "-gv", "--grace=1", "ls", "-h", "-rTERM:0"]),
    st.sampled_from([f"--{option.name}" for option in table.TABLE]),
    st.lists(st.sampled_from(PIECES), max_size=5).map("".join),
    st.binary(max_size=8).map(os.fsdecode),
)


@given(st.lists(WORDS, max_size=6))
def test_any_words_either_parse_or_are_a_usage_error(words: list[str]) -> None:
    """The command is a suffix of the words, or the message names one of them; nothing else."""
    text = "no error"
    try:
        command = parse(words, {}).command
        assert command == words[len(words) - len(command) :]
    except UsageError as error:
        text = str(error)
    letters = {f"-{letter}" for word in words for letter in word}
    parts = {part for word in words for part in (word, *word.split("=", 1))}
    # A value may be attached to a bundle of short options.
    tails = {word[index:] for word in words for index in range(2, len(word))}
    items = {
        item
        for part in parts | tails
        for item in part.replace(":", ",").replace("@", ",").split(",") + part.split(",")
    }
    named = any(f"'{word}'" in text for word in parts | letters | tails | items)
    assert named or text.startswith(("no error", "no command given", "--pre-stop (or"))


@given(
    st.dictionaries(
        st.sampled_from([option.variable.encode() for option in SETTINGS]),
        st.one_of(st.binary(), st.sampled_from([b"1", b"TERM:0", b"TERM", b"KILL@1", b"\xff:1"])),
    )
)
def test_any_variables_either_parse_or_are_a_usage_error(environ: dict[bytes, bytes]) -> None:
    """Bytes that are no text, too."""
    text = "no error"
    try:
        parse(["true"], environ)
    except UsageError as error:
        text = str(error)
    named = any(f"variable {variable.decode()}: " in text for variable in environ)
    named |= any(f"(or {variable.decode()})" in text for variable in environ)
    assert named or text == "no error"


@given(st.decimals(min_value=0, max_value=values.MAX_SECONDS, places=3))
def test_every_number_of_seconds_is_taken_as_it_is(number: object) -> None:
    """Fractions are allowed, zero is a number."""
    assert parse([f"--grace={number:f}", "x"], {}).grace_s == float(str(number))


RULES = st.dictionaries(
    st.sampled_from(sorted(signals.RELAYED)), st.sampled_from([0, *valid_signals()])
)


@given(RULES)
def test_rules_in_one_word_or_in_several_are_the_same(rules: dict[int, int]) -> None:
    """So that one variable can say what takes several options."""
    words = [f"{before}:{int(after)}" for before, after in rules.items()]
    several = parse([*(f"-r{word}" for word in words), "x"], {}).rewrite
    assert several == rules
    if words:
        assert parse(["x"], {b"PYINIT_REWRITE": ",".join(words).encode()}).rewrite == rules


STEPS = st.lists(st.tuples(st.integers(0, 99), st.sampled_from(list(Signals))), min_size=1)


@given(STEPS)
def test_a_plan_goes_by_time_however_it_is_given(steps: list[tuple[int, Signals]]) -> None:
    """Of two steps at the same time the one given first comes first."""
    words = [f"{number.name}@{at_s}" for at_s, number in steps]
    found = parse([*(f"--escalate={word}" for word in words), "x"], {}).escalation
    assert found == parse([f"--escalate={','.join(words)}", "x"], {}).escalation
    assert found == tuple(sorted(steps, key=lambda step: step[0]))


# -- the help ------------------------------------------------------------------------------------


def squeezed(text: str) -> str:
    """Return ``text`` with one space wherever there is space, for what was broken into lines."""
    return " ".join(text.split())


def test_help_tells_of_every_option_its_default_and_an_example() -> None:
    """It is made from the table, in lines of at most 80 columns; a switch is its own example."""
    text = help_text.render()
    assert text.startswith(f"Usage: {parser.USAGE}\n")
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    text = squeezed(text)
    for title, rows in table.GROUPS:
        assert f" {title}: " in text
        for option in rows:
            assert f" --{option.name} " in text
            assert not option.short or f" -{option.short}, --{option.name} " in text
            assert squeezed(option.text) in text
            assert f"default {option.default}" in text or not option.default
            assert any(option.example in line for line in lines)
            assert not option.takes_value or f"--{option.name} {option.kind.name} " in text


def test_help_tells_how_variables_are_called() -> None:
    """Examples for each kind, and those that have none."""
    text = squeezed(help_text.render())
    for words, variable, value in (
        (["--stop-timeout", "28"], "PYINIT_STOP_TIMEOUT", "28"),
        (["--group"], "PYINIT_GROUP", "1"),
        (["--no-subreaper"], "PYINIT_SUBREAPER", "0"),
    ):
        assert f"{variable}={value} " in text
        assert asked(*words) == asked(**{variable: value}) != {}
    assert "There is none for --env, --unset-env, --as, --help, --version." in text


@in_one_test("option", table.TABLE)
def test_every_example_can_be_given(option: table.Option) -> None:
    """In front of a command, where there is one to run."""
    words = shlex.split(option.example)
    assert f"--{option.name}" in words or words[0].startswith(f"-{option.short or ' '}")
    if option.name == "as":
        assert parser.alias(words) == ("tini", ["-s"])
    else:
        parse([*words, *([] if option.name == "pause" else ["true"])], {})


@in_one_test("option", table.TABLE)
def test_the_default_in_the_help_is_the_default(option: table.Option) -> None:
    """It stands there as it would be given; where there is none, the default is nothing at all."""
    if option.default:
        default = getattr(DEFAULTS, option.attribute)
        if option.attribute == "stop_signals":
            default = signals.STOP_SIGNALS
        assert option.kind.parse(option.default, "") == default
    elif option.takes_value and option.name != "log-file":  # stderr stands with --log-fd
        assert not getattr(DEFAULTS, option.attribute)


def test_importing_the_parser_imports_nothing() -> None:
    """PID 1 parses two or three words; what argparse costs is half of its start-up."""
    code = (
        "import sys; import pyinit; before = set(sys.modules); "
        "from pyinit.options import parser as options; "
        "options.parse(['-gv', '--grace=1', 'x'], {}); "
        "print(sorted(set(sys.modules) - before))"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    ours = ("options", "options.parser", "options.table", "options.values", "settings")
    assert out.stdout == f"{[f'pyinit.{name}' for name in ours]}\n"
