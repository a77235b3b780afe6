"""A word that is no option's: which one was meant, and which are somebody else's."""

from __future__ import annotations

import pytest

from pyinit.options import table
from pyinit.options.parser import parse
from pyinit.options.spelling import distance, nearest
from pyinit.options.values import UsageError
from tests.cases import in_one_test

NAMES = [option.name for option in table.TABLE]


@in_one_test(
    ("one", "other", "slips"),
    [
        ("grace", "grace", 0),
        ("garce", "grace", 1),
        ("gace", "grace", 1),
        ("grrace", "grace", 1),
        ("grade", "grace", 1),
        ("rgcae", "grace", 2),
        ("", "abc", 3),
        ("abc", "", 3),
        ("kitten", "sitting", 3),
    ],
)
def test_the_distance_of_two_words(one: str, other: str, slips: int) -> None:
    """Letters that are missing, too many, wrong, or have changed places with their neighbour."""
    assert distance(one, other) == slips


@in_one_test(
    ("word", "meant"),
    [
        ("gruop", "group"),
        ("stop-timout", "stop-timeout"),
        ("stopsignals", "stop-signals"),
        ("loglevel", "log-level"),
        ("timeout", "stop-timeout"),
        ("remap", "remap-exit"),
        ("log", ""),  # of four
        ("file", ""),
        ("xyz", ""),
        ("", ""),
    ],
)
def test_what_was_meant(word: str, meant: str) -> None:
    """One slip in a short word, two in a long one; or the beginning or end of one name only."""
    assert nearest(word, NAMES) == meant


@in_one_test("name", NAMES)
def test_each_option_is_nearest_to_itself(name: str) -> None:
    """And so it is with one letter twice."""
    assert nearest(name, NAMES) == name
    assert nearest(name + name[-1], NAMES) == name


@in_one_test(
    ("words", "said"),
    [
        (["--timeout=28", "x"], "unknown option '--timeout': did you mean '--stop-timeout'?"),
        (["--stop-singals=TERM", "x"], "did you mean '--stop-signals'?"),
        (["--restart", "x"], "'pyinit --help' lists those there are"),
    ],
)
def test_an_unknown_option_is_told_with_the_nearest(words: list[str], said: str) -> None:
    """Or where to look."""
    with pytest.raises(UsageError) as caught:
        parse(words, {})
    assert said in str(caught.value)


@in_one_test(
    ("variable", "meant"),
    [
        ("PYINIT_GARCE", "PYINIT_GRACE"),
        ("PYINIT_STOPTIMEOUT", "PYINIT_STOP_TIMEOUT"),
        ("PYINIT_TIMEOUT", "PYINIT_STOP_TIMEOUT"),
        ("PYINIT_LOGFORMAT", "PYINIT_LOG_FORMAT"),
        ("PYINIT_Grace", "PYINIT_GRACE"),
        ("PYINIT_NO_SUBREAPER", "PYINIT_SUBREAPER"),
    ],
)
def test_a_misspelt_variable_is_found(variable: str, meant: str) -> None:
    """It sets nothing."""
    found = parse(["true"], {variable.encode(): b"3", b"PYINIT_DRAIN": b"1"})
    assert found.misspelt == ((variable, meant),)
    del found.misspelt
    assert vars(found) == vars(parse(["--drain=1", "true"], {}))


# What Kubernetes sets for a service called pyinit, and an image's own note of what it holds.
OF_OTHERS = (
    "SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT", "PORT_80_TCP", "PORT_80_TCP_PROTO",
    "PORT_80_TCP_PORT", "PORT_80_TCP_ADDR", "VERSION", "HOME", "DIR", "PATH", "IMAGE", "CONFIG",
    "ENV", "",
)  # fmt: skip


@in_one_test("name", OF_OTHERS)
def test_a_variable_of_somebody_else_is_none(name: str) -> None:
    """A warning about it would be wrong in every start."""
    assert parse(["true"], {f"PYINIT_{name}".encode(): b"1"}).misspelt == ()


def test_a_variable_that_is_no_text_is_none() -> None:
    """Bytes that are no UTF-8."""
    assert parse(["true"], {b"PYINIT_\xff": b"1"}).misspelt == ()
