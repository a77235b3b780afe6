"""The parser of the command line, without a process: it parses, or says which word is wrong."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyinit import options, settings, values
from pyinit.options import parse
from pyinit.values import UsageError

SETTINGS = [option for option in options.TABLE if option.variable]
DEFAULTS = settings.Settings([])


def asked(*words: str, **environ: str) -> dict[str, object]:
    """Return what ``words`` and the environment change against the defaults."""
    found = parse([*words, "true"], {k.encode(): v.encode() for k, v in environ.items()})
    assert found.command == ["true"]
    names = {option.attribute for option in options.TABLE}
    return {n: getattr(found, n) for n in names if getattr(found, n) != getattr(DEFAULTS, n)}


@pytest.mark.parametrize(
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
    ],
    ids=" ".join,
)  # fmt: skip
def test_each_option_sets_what_it_says_and_nothing_else(
    words: list[str], changed: dict[str, object]
) -> None:
    """Long, short, bundled, repeated; the last one wins, ``-v`` counts."""
    assert asked(*words) == changed


@pytest.mark.parametrize(
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
    ids=" ".join,
)
def test_parsing_stops_at_the_first_operand(words: list[str], command: list[str]) -> None:
    """What follows the first operand, or the first ``--``, belongs to the command."""
    assert parse(words, {}).command == command


@pytest.mark.parametrize(
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
    ],
)
def test_each_option_has_a_variable(variable: str, value: str, changed: dict[str, object]) -> None:
    """An empty one counts as none."""
    assert asked(**{variable: value}) == changed


def test_no_setting_is_without_a_variable() -> None:
    """The cases above name each one: a new option needs one of its own."""
    marks = test_each_option_has_a_variable.pytestmark  # type: ignore[attr-defined]
    assert {case[0] for case in marks[0].args[1]} == {
        options.variable_of(row[1]) for row in SETTINGS
    }


@pytest.mark.parametrize(
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
    ],
)
def test_the_command_line_wins(
    words: list[str], environ: dict[str, str], changed: dict[str, object]
) -> None:
    """Over the option's own variable, also a wrong one, and that of its opposite."""
    assert asked(*words, **environ) == changed


@pytest.mark.parametrize(
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


@pytest.mark.parametrize(
    ("variable", "value", "right"),
    [
        ("PYINIT_GRACE", "soon", "such as 5 or 0.5"),
        ("PYINIT_GRACE", "9" * 5000, "at most"),
        ("PYINIT_GROUP", "2", "expected 1"),
        ("PYINIT_SUBREAPER", "maybe", "expected 1"),
        ("PYINIT_VERBOSE", "-1", "a digit"),
        ("PYINIT_VERBOSE", "9" * 5000, "a digit"),
    ],
)
def test_a_wrong_variable_is_named(variable: str, value: str, right: str) -> None:
    """With its value: it may come from a file far away."""
    with pytest.raises(UsageError) as caught:
        parse(["x"], {variable.encode(): value.encode()})
    assert f"variable {variable}: '{value}'" in str(caught.value)
    assert right in str(caught.value)


def test_help_and_version_ask_for_nothing_else() -> None:
    """Neither a command nor right variables: who is lost can always ask."""
    assert parse(["-h"], {b"PYINIT_GRACE": b"x"}).help
    assert parse(["--help"], {}).help
    assert parse(["-vh", "ls"], {}).help
    assert parse(["--version"], {}).version


PIECES = ["-", "--", "=", "grace", "group", "h", "v", "g", "1", ".", "\udcff", "no-subreaper"]
WORDS = st.one_of(
    st.sampled_from(["--grace", "--", "-", "", "-gv", "--grace=1", "ls", "-h"]),
    st.lists(st.sampled_from(PIECES), max_size=5).map("".join),
    st.text(max_size=8),
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
    named = any(f"'{word}'" in text for word in parts | letters)
    assert named or text.startswith(("no error", "no command given"))


@given(
    st.dictionaries(
        st.sampled_from([options.variable_of(row[1]).encode() for row in SETTINGS]), st.binary()
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
    assert named or text == "no error"


@given(st.decimals(min_value=0, max_value=options.MAX_SECONDS, places=3))
def test_every_number_of_seconds_is_taken_as_it_is(number: object) -> None:
    """Fractions are allowed, zero is a number."""
    assert parse([f"--grace={number:f}", "x"], {}).grace_s == float(str(number))


def test_help_tells_of_every_option_its_variable_and_the_default() -> None:
    """It is made from the table and the defaults themselves, in lines of at most 90 columns."""
    text = options.render_help()
    assert text.startswith(f"Usage: {options.USAGE}\n")
    for _, name, short, _, words in options.TABLE:
        assert f" --{name}" in text
        assert not short or f"-{short}, --{name}" in text
        assert words in text
    for row in SETTINGS:
        assert f"[{options.variable_of(row[1])}]" in text
    assert f"[PYINIT_GRACE] (default {DEFAULTS.grace_s:g})\n" in text
    assert max(map(len, text.splitlines())) <= 90


def test_importing_the_parser_imports_nothing() -> None:
    """PID 1 parses two or three words; what argparse costs is half of its start-up."""
    code = (
        "import sys; import pyinit; before = set(sys.modules); from pyinit import options; "
        "options.parse(['-gv', '--grace=1', 'x'], {}); "
        "print(sorted(set(sys.modules) - before))"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert out.stdout == "['pyinit.options', 'pyinit.settings']\n"
