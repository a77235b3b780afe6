"""What the values of options mean, and which word of a wrong one is named."""

from __future__ import annotations

import os
import signal
from signal import Signals
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyinit import signals
from pyinit.options import values
from pyinit.options.values import UsageError
from tests.cases import in_one_test

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCE = "option '--x'"
RTMIN, RTMAX = int(signal.SIGRTMIN), int(signal.SIGRTMAX)


def refusal(parser: Callable[[str, str], Any], value: str) -> str:
    """Return what ``parser`` says against ``value``."""
    with pytest.raises(UsageError) as caught:
        parser(value, SOURCE)
    error = caught.value
    assert (error.code, error.prefix, error.more) == (125, "pyinit: ", ())
    return str(error)


# -- signals -------------------------------------------------------------------------------------


@in_one_test("number", sorted(signal.valid_signals()))
def test_a_signal_by_name_and_by_number(number: int) -> None:
    """With SIG or without, in any case; the name that the log gives it is one of them."""
    name = signals.name(number)
    bare = name.removeprefix("SIG")
    for word in (name, bare, name.lower(), bare.lower(), bare.title(), str(int(number))):
        assert values.signal(word, SOURCE) == number


@in_one_test(
    ("word", "number"),
    [
        ("RTMIN", RTMIN),
        ("RTMIN+0", RTMIN),
        ("RTMIN+3", RTMIN + 3),
        ("sigrtmin+03", RTMIN + 3),
        (f"RTMIN+{RTMAX - RTMIN}", RTMAX),
        ("RTMAX", RTMAX),
        ("RTMAX-0", RTMAX),
        ("SIGRTMAX-14", RTMAX - 14),
        (f"RTMAX-{RTMAX - RTMIN}", RTMIN),
        ("IOT", Signals.SIGABRT),
        ("CLD", Signals.SIGCHLD),
        ("POLL", Signals.SIGIO),
        ("015", Signals.SIGTERM),
        ("0015", Signals.SIGTERM),
    ],
)
def test_names_that_signal_7_has_besides(word: str, number: int) -> None:
    """Real-time signals are counted from either end; some signals have two names."""
    assert values.signal(word, SOURCE) == number


@in_one_test(
    "word",
    [
        "", "0", "32", "33", "65", "-1", "+15", "1.0", "9" * 5000, "0" * 5000, "٣", "1٣", "²",
        "TERMINATE", "SIG", "SIGSIGTERM", "TERM ", " TERM", "TERM\n", "SIG_DFL", "_DFL", "_BLOCK",
        "\u017fIGTERM", "\u0131NT", "RTMIN+", "RTMIN-1", "RTMAX+1", "RTMIN+31", "RTMAX-31",
        "RTMIN+100", "RTMIN+1.5", "RTMIN+-1", "RTMIN+٣", "RTMIN 1", "RT", "RTMIN+RTMIN",
        "KILL,TERM", "\udcff",
    ],
)  # fmt: skip
def test_what_is_no_signal_is_named(word: str) -> None:
    """Also what only looks like one: letters that str.upper() makes ASCII of, digits elsewhere."""
    said = refusal(values.signal, word)
    assert said.startswith(f"{SOURCE}: '{word}' is not a signal: expected ")
    assert "such as TERM or RTMIN+3" in said
    assert f"from 1 to {RTMAX}" in said


UNCATCHABLE = {"KILL": "cannot be caught", "SIGSTOP": "cannot be caught", "9": "cannot be caught"}
OWN = {"CHLD": "reports the end of children", "17": "reports the end of children"}
FAULTS = dict.fromkeys(
    ("ILL", "TRAP", "ABRT", "IOT", "BUS", "FPE", "SEGV", "SYS", "11"), "reports a fault"
)
NOT_RELAYED = {**UNCATCHABLE, **OWN, **FAULTS}


@in_one_test(("word", "why"), NOT_RELAYED.items())
def test_what_is_never_relayed_is_refused_where_it_would_have_to_be(word: str, why: str) -> None:
    """As a stop signal and as the first half of a rule; the message has the reason."""
    for parser, value in (
        (values.signals, word),
        (values.signals, f"TERM,{word}"),
        (values.rewrite, f"{word}:TERM"),
        (values.rewrite, f"TERM:INT,{word}:ignore"),
    ):
        said = refusal(parser, value)
        assert f"'{word}' {why}" in said
        assert "such as TERM" in said


@in_one_test("word", NOT_RELAYED)
def test_what_is_never_relayed_can_still_be_sent(word: str) -> None:
    """By a rule, by a plan, by the kernel when the parent ends."""
    number = values.signal(word, SOURCE)
    assert values.rewrite(f"TERM:{word}", SOURCE) == {15: number}
    assert values.plan(f"{word}@1", SOURCE) == ((1.0, number),)


def test_what_is_refused_is_what_is_not_relayed() -> None:
    """The parser and the supervisor agree on each number."""
    refused = set()
    for number in signal.valid_signals():
        try:
            values.signals(str(int(number)), SOURCE)
        except UsageError:
            refused.add(number)
    assert signal.valid_signals() - refused == signals.RELAYED


def test_a_list_of_signals() -> None:
    """Each once, in whatever way it is given."""
    assert values.signals("TERM,sigint,RTMIN+3,2", SOURCE) == {15, 2, RTMIN + 3}


@in_one_test(
    ("parser", "right"),
    [
        (values.signals, "TERM"),
        (values.rewrite, "TERM:INT"),
        (values.plan, "KILL@5"),
        (values.exit_codes, "143:0"),
    ],
)
def test_an_item_that_is_missing_is_said_to_be_so(
    parser: Callable[[str, str], Any], right: str
) -> None:
    """One comma too many, wherever it stands: the whole value is named, for '' says nothing."""
    for value in (f"{right},,{right}", f",{right}", f"{right},", ",", ",,"):
        assert refusal(parser, value) == (
            f"{SOURCE}: '{value}' has a comma too many: expected one between two items only"
        )
    assert f"{SOURCE}: ''" in refusal(parser, "")


# -- rules ---------------------------------------------------------------------------------------


@in_one_test(
    ("value", "rules"),
    [
        ("TERM:QUIT", {15: 3}),
        ("15:3", {15: 3}),
        ("sigterm:SigQuit", {15: 3}),
        ("WINCH:ignore", {28: 0}),
        ("WINCH:IGNORE", {28: 0}),
        ("WINCH:0", {28: 0}),
        ("RTMIN+3:TERM", {RTMIN + 3: 15}),
        ("TERM:RTMAX-1", {15: RTMAX - 1}),
        ("TERM:INT,INT:TERM", {15: 2, 2: 15}),
        ("TERM:TERM", {15: 15}),
        ("TERM:INT,TERM:QUIT", {15: 3}),
    ],
)
def test_a_rule_maps_one_signal_to_another(value: str, rules: dict[int, int]) -> None:
    """Or to none; of two rules for one signal the last one holds."""
    assert values.rewrite(value, SOURCE) == rules


@in_one_test(
    ("value", "named", "right"),
    [
        ("TERM", "'TERM' is not a rule", "FROM:TO, such as TERM:QUIT or WINCH:ignore"),
        ("TERM:INT,HUP", "'HUP' is not a rule", "FROM:TO"),
        ("TERM:", "'TERM:': '' is not a signal", "such as TERM"),
        (":TERM", "':TERM': '' is not a signal", "such as TERM"),
        ("TERM:00", "'00' is not a signal", "such as TERM"),
        ("0:TERM", "'0:TERM': '0' is not a signal", "such as TERM"),
        ("ignore:TERM", "'ignore' is not a signal", "such as TERM"),
        ("15:3abc", "'15:3abc': '3abc' is not a signal", "such as TERM"),
        ("TERM:INT:HUP", "'INT:HUP' is not a signal", "such as TERM"),
        ("TERM=INT", "'TERM=INT' is not a rule", "FROM:TO"),
    ],
)
def test_a_rule_that_is_none(value: str, named: str, right: str) -> None:
    """The rule and its wrong half are named."""
    said = refusal(values.rewrite, value)
    assert said.startswith(f"{SOURCE}: ")
    assert named in said
    assert right in said


# -- plans and times ------------------------------------------------------------------------------


@in_one_test(
    ("value", "steps"),
    [
        ("KILL@28", ((28.0, 9),)),
        ("INT@20,KILL@28", ((20.0, 2), (28.0, 9))),
        ("KILL@28,INT@20", ((20.0, 2), (28.0, 9))),
        ("9@.5,RTMIN+1@0", ((0.0, RTMIN + 1), (0.5, 9))),
        ("TERM@5,KILL@5", ((5.0, 15), (5.0, 9))),
    ],
)
def test_a_plan_goes_by_time(value: str, steps: tuple[tuple[float, int], ...]) -> None:
    """Of two steps at the same time the one given first comes first."""
    assert values.plan(value, SOURCE) == steps


@in_one_test(
    ("value", "named", "right"),
    [
        ("KILL", "'KILL' is not a step of a plan", "SIGNAL@SECONDS, such as KILL@28"),
        ("28", "'28' is not a step of a plan", "SIGNAL@SECONDS"),
        ("KILL:28", "'KILL:28' is not a step", "SIGNAL@SECONDS"),
        ("KILL@", "'KILL@': '' is not a time", "such as 5 or 0.5"),
        ("KILL@soon", "'KILL@soon': 'soon' is not a time", "such as 5 or 0.5"),
        ("KILL@-1", "'-1' is not a time", "from 0 on"),
        ("@5", "'@5': '' is not a signal", "such as TERM"),
        ("INT@1,X@2", "'X@2': 'X' is not a signal", "such as TERM"),
        ("KILL@1@2", "'1@2' is not a time", "such as 5 or 0.5"),
    ],
)
def test_a_plan_that_is_none(value: str, named: str, right: str) -> None:
    """The step and its wrong half are named."""
    said = refusal(values.plan, value)
    assert named in said
    assert right in said


def test_a_time_out_is_a_plan() -> None:
    """Of KILL alone."""
    assert values.kill_at("28", SOURCE) == ((28.0, 9),)
    assert "'soon' is not a time" in refusal(values.kill_at, "soon")


@in_one_test(
    ("value", "number"),
    [("0", 0), ("5", 5), ("05", 5), ("1.", 1), (".25", 0.25), ("1000000000", 1e9), ("0" * 5000, 0)],
)
def test_a_time_in_seconds(value: str, number: float) -> None:
    """Fractions are allowed; zero is a time; thirty years are enough."""
    assert values.seconds(value, SOURCE) == number


@in_one_test(
    "value",
    ["", ".", "-0", "+5", "1e3", "nan", "inf", "5s", " 5", "5 ", "1_0", "1,5", "٣", "1.٣", "0x1"],
)
def test_what_is_no_time_is_named(value: str) -> None:
    """float() would take most of these."""
    assert refusal(values.seconds, value) == (
        f"{SOURCE}: '{value}' is not a time in seconds: "
        "expected a number from 0 on, such as 5 or 0.5"
    )


@in_one_test("value", ["1000000001", "1000000000.1", "9" * 5000])
def test_what_is_too_long_is_said_to_be_so(value: str) -> None:
    """However many digits it has."""
    assert f"'{value}' is too long: expected at most 1000000000" in refusal(values.seconds, value)


# -- exit codes -----------------------------------------------------------------------------------


@in_one_test(
    ("value", "codes"),
    [
        ("143", {143: 0}),
        ("143:0", {143: 0}),
        ("TERM", {143: 0}),
        ("sigterm:7", {143: 7}),
        ("KILL:TERM", {137: 143}),
        ("0:1", {0: 1}),
        ("255:255", {255: 255}),
        ("007", {7: 0}),
        ("RTMAX", {128 + RTMAX: 0}),
        ("1,2:3,TERM", {1: 0, 2: 3, 143: 0}),
        ("1:2,1:3", {1: 3}),
    ],
)
def test_exit_codes(value: str, codes: dict[int, int]) -> None:
    """A number is a code; a signal's name is the code of a command that it killed."""
    assert values.exit_codes(value, SOURCE) == codes


@in_one_test(
    ("value", "named"),
    [
        ("256", "'256' is not an exit code"),
        ("-1", "'-1' is not an exit code"),
        ("9" * 5000, f"'{'9' * 5000}' is not an exit code"),
        ("0001", "'0001' is not an exit code"),
        ("1٣", "'1٣' is not an exit code"),
        ("", "'' is not an exit code"),
        ("TERMINATE", "'TERMINATE' is not an exit code"),
        ("1:256", "'256' in '1:256' is not an exit code"),
        ("1:", "'' in '1:' is not an exit code"),
        (":1", "'' in ':1' is not an exit code"),
        ("1:2:3", "'2:3' in '1:2:3' is not an exit code"),
        ("1,x:2", "'x' in 'x:2' is not an exit code"),
    ],
)
def test_what_is_no_exit_code_is_named(value: str, named: str) -> None:
    """With what would be one."""
    said = refusal(values.exit_codes, value)
    assert said.startswith(f"{SOURCE}: {named}: expected ")
    assert "from 0 to 255 or a signal's name, such as " in said


# -- the rest -------------------------------------------------------------------------------------


@in_one_test(
    ("value", "number"), [("0", 0), ("022", 0o22), ("27", 0o27), ("777", 0o777), ("0000777", 0o777)]
)
def test_a_umask_is_octal(value: str, number: int) -> None:
    """With or without a zero in front, as in the shell."""
    assert values.mask(value, SOURCE) == number


@in_one_test("value", ["", "8", "028", "1000", "-1", "0o22", "u=rwx", "٣", "7" * 5000])
def test_what_is_no_umask_is_named(value: str) -> None:
    """The symbolic form is the shell's alone."""
    assert refusal(values.mask, value) == (
        f"{SOURCE}: '{value}' is not a umask: expected octal digits, such as 022"
    )


@in_one_test("value", ["app", "1000", "app:web", "1000:1000", "a.b-c_d$", "0:0"])
def test_a_user(value: str) -> None:
    """Name or number, and a group perhaps; who that is, the container's files tell later."""
    assert values.user(value, SOURCE) == value


@in_one_test("value", ["", ":", "app:", ":web", "a:b:c"])
def test_what_is_no_user_is_named(value: str) -> None:
    """A half that is missing, or one too many."""
    said = refusal(values.user, value)
    assert f"'{value}' is not a user: expected USER or USER:GROUP, such as app or 1000:1000" in said


def test_variables() -> None:
    """All behind the first ``=`` is the value, which may be empty."""
    assert values.assignment("A=b=c", SOURCE) == (("A", "b=c"),)
    assert values.assignment("A=", SOURCE) == (("A", ""),)
    assert values.variable("A", SOURCE) == (("A", None),)


@in_one_test(
    ("parser", "value", "right"),
    [
        (values.assignment, "", "NAME=VALUE, such as TZ=UTC"),
        (values.assignment, "TZ", "NAME=VALUE, such as TZ=UTC"),
        (values.assignment, "=UTC", "NAME=VALUE, such as TZ=UTC"),
        (values.variable, "", "a name, such as TZ"),
        (values.variable, "TZ=UTC", "a name, such as TZ"),
        (values.directory, "", "a path, such as /srv"),
        (values.shell_command, "", "one for /bin/sh, such as "),
        (values.shell_command, " \t", "one for /bin/sh, such as "),
    ],
)
def test_a_value_that_cannot_be_meant_is_named(
    parser: Callable[[str, str], Any], value: str, right: str
) -> None:
    """An empty one is mostly a shell variable that is not set."""
    said = refusal(parser, value)
    assert f"{SOURCE}: '{value}' " in said
    assert right in said


PARSERS = (
    values.signal, values.signals, values.rewrite, values.plan, values.kill_at, values.exit_codes,
    values.seconds, values.mask, values.user, values.assignment, values.variable, values.count,
    values.boolean,
)  # fmt: skip
# As argv has them: bytes, decoded. For st.text() hypothesis would make Unicode's tables first.
TEXTS = st.one_of(
    st.binary(max_size=12).map(os.fsdecode),
    st.text("0123456789TERMINKLSGX+-:@,.=²٣\u017f\u0131\u212a\udcff", max_size=12),
)


@pytest.mark.parametrize("parser", PARSERS)
@given(TEXTS)
def test_any_text_is_a_value_or_is_refused_by_name(
    parser: Callable[[str, str], Any], value: str
) -> None:
    """Nothing else is raised, whatever the words are."""
    try:
        parser(value, SOURCE)
    except UsageError as error:
        said = str(error)
        assert "expected " in said
        rest = said.removeprefix(f"{SOURCE}: '")
        assert rest != said
        parts = (value[i:j] for i in range(len(value) + 1) for j in range(i, len(value) + 1))
        assert any(rest.startswith(f"{part}'") for part in parts)
