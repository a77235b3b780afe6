"""The command gets the environment that pyinit was given, byte for byte and in the same order.

Python sets LC_CTYPE in the C locale (PEP 538), and keeps the environment as a dict.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.start.inheritance import SPAWN, WAYS, each_way, under_pyinit

if TYPE_CHECKING:
    from collections.abc import Iterable

pytestmark = pytest.mark.usefixtures("namespaces")

# It writes all of its own environ, whatever the entries look like.
COMMAND = ["/usr/bin/env", "-0"]
NO_PROC = ("/bin/sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh")

# As latin-1, so that every byte has a letter.
ENVIRONS = {
    "nothing": [],
    "C locale": ["PATH=/bin", "A=1"],
    "not UTF-8": ["A=\xff\xfe\x80", "\xe9\xff=1", "B=\xed\xa0\x80"],
    "every byte": ["A=" + "".join(map(chr, range(1, 256)))],
    "a name twice": ["A=1", "B=2", "A=3", "A=1"],
    "no equals sign": ["A=1", "bare", "B=2"],
    "no name": ["=x", "A=1"],
    "two equals signs first": ["==x", "A=1"],
    "an empty entry": ["A=1", "", "B=2"],
    "many": [f"VARIABLE_{number}={number}" for number in range(2000)],
    "long": ["A=" + 100_000 * "x"],
    "LC_CTYPE=C": ["Z=1", "LC_CTYPE=C", "A=2"],
    "LC_CTYPE=POSIX": ["Z=1", "LC_CTYPE=POSIX", "A=2"],
    "LC_CTYPE empty": ["LC_CTYPE=", "A=2"],
    "LC_CTYPE=C.UTF-8": ["LC_CTYPE=C.UTF-8", "A=2"],
    "LC_CTYPE=C.utf8": ["LC_CTYPE=C.utf8"],
    "LC_CTYPE unknown": ["LC_CTYPE=nowhere.UTF-8", "A=2"],
    "LC_CTYPE twice": ["LC_CTYPE=C", "A=1", "LC_CTYPE=POSIX"],
    "LC_CTYPE twice, coerced": ["LC_CTYPE=C", "A=1", "LC_CTYPE=C.UTF-8"],
    "LC_CTYPE without equals sign": ["LC_CTYPE", "A=1"],
    "LC_ALL=C": ["LC_ALL=C", "A=1"],
    "LC_ALL empty": ["LC_ALL=", "A=1"],
    "LC_ALL=C.UTF-8": ["LC_ALL=C.UTF-8", "A=\xff"],
    "LANG=C": ["LANG=C", "A=\xff"],
    "LANG unknown": ["LANG=xx_YY.ISO-8859-1", "A=\xff"],
    "Python's own": ["PYTHONUTF8=0", "PYTHONCOERCECLOCALE=0", "A=\xff", "LC_CTYPE=C"],
}
# Where C's environ is right anyway, nobody asks /proc.
IN_THE_C_LOCALE = [name for name in ENVIRONS if "LC_" in name or "C locale" in name or "no" in name]

# The ways differ in the call that starts the command, not in the environment that it gets.
IN_ALL_WAYS = ["C locale", "not UTF-8", "no equals sign", "LC_CTYPE=C", "LC_CTYPE twice, coerced"]


def entries(name: str) -> bytes:
    """Return what `COMMAND` writes when it is given the environment called ``name``."""
    return b"".join(entry.encode("latin-1") + b"\0" for entry in ENVIRONS[name])


def cases(names: Iterable[str]) -> pytest.MarkDecorator:
    """Give all ``names`` to a command that is started in one way, and a few to the others."""
    every = [(SPAWN, name) for name in names]
    few = [(way, name) for way in WAYS if way != SPAWN for name in IN_ALL_WAYS]
    return pytest.mark.parametrize(("way", "name"), every + few)


@cases(ENVIRONS)
def test_the_environment_is_the_same_byte_for_byte(way: str, name: str) -> None:
    """Also in the C locale, where Python adds an entry, and where a dict could not hold it."""
    assert under_pyinit(COMMAND, {"environ": ENVIRONS[name]}, way) == entries(name)


@cases(IN_THE_C_LOCALE)
def test_the_environment_is_the_same_without_proc(way: str, name: str) -> None:
    """What execve(2) gave is still on the stack, also when there is no /proc/self/environ."""
    found = under_pyinit(COMMAND, {"environ": ENVIRONS[name]}, way, before=NO_PROC)
    assert found == entries(name)


@each_way
def test_a_word_that_looks_like_an_entry_is_none(way: str) -> None:
    """On the stack the words of the command line lie in front of the environment."""
    command = ["/usr/bin/find", "/", "-maxdepth", "0", "-not", "-name", "LC_CTYPE=x", "-exec"]
    command += [*COMMAND, ";"]
    environ = {"environ": ["A=1", "LC_CTYPE=C"]}
    found = under_pyinit(command, environ, way, before=NO_PROC)
    assert found == b"A=1\0LC_CTYPE=C\0"
