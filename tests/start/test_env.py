"""`--env NAME=VALUE` and `--unset-env NAME`: these variables change, and not a byte besides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.harness import run
from tests.start.inheritance import each_way, in_turn_of_ways, under_pyinit

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("namespaces")

# It writes all of its own environ, whatever the entries look like.
COMMAND = ["/usr/bin/env", "-0"]
GIVEN = ["A=1", "PATH=/usr/bin:/bin", "B=2", "TWICE=1", "bare", "=x", "TWICE=2", "Z=\xff"]


def environment(way: str, *options: str, given: list[str] = GIVEN) -> list[str]:
    """Return the environment of a command, as latin-1, with ``options`` for pyinit."""
    out = under_pyinit(COMMAND, {"environ": given}, way, options=options)
    return out.decode("latin-1").split("\0")[:-1]


def without(*names: str, given: list[str] = GIVEN) -> list[str]:
    """Return what was given but for the entries of ``names``."""
    return [entry for entry in given if entry.partition("=")[0] not in names or "=" not in entry]


@in_turn_of_ways(
    ("options", "names", "new"),
    [
        (["--env", "NEW=1"], [], ["NEW=1"]),
        (["--env=NEW="], [], ["NEW="]),
        (["--env", "A=b=c d\n"], ["A"], ["A=b=c d\n"]),
        (["--env", "A=1"], ["A"], ["A=1"]),
        (["--env", "X=1", "--env", "Y=2"], [], ["X=1", "Y=2"]),
        (["--env", "X=1", "--env", "X=2"], [], ["X=2"]),
        (["--unset-env", "A"], ["A"], []),
        (["--unset-env", "NONE"], [], []),
        (["--unset-env", "bare"], [], []),
        (["--unset-env", "TWICE"], ["TWICE"], []),
        (["--env", "TWICE=3"], ["TWICE"], ["TWICE=3"]),
        (["--env", "X=1", "--unset-env", "X"], [], []),
        (["--unset-env", "X", "--env", "X=1"], [], ["X=1"]),
        (["--env", "LC_CTYPE=C"], [], ["LC_CTYPE=C"]),
        (["--unset-env", "LC_CTYPE"], [], []),
    ],
)
def test_what_is_asked_for_and_no_more(
    options: list[str], names: list[str], new: list[str], way: str
) -> None:
    """In order: the last one of a name counts, and stands at the end, where setenv(3) puts it."""
    assert environment(way, *options) == without(*names) + new


@each_way
def test_the_locale_that_python_coerces_is_not_seen(way: str) -> None:
    """In the C locale Python sets LC_CTYPE (PEP 538), which the command gets only when asked."""
    given = ["A=1", "LC_CTYPE=C", "B=2"]
    assert environment(way, "--env", "C=3", given=given) == [*given, "C=3"]
    assert environment(way, "--unset-env", "LC_CTYPE", given=given) == ["A=1", "B=2"]
    assert environment(way, "--env", "LC_CTYPE=x", given=given) == ["A=1", "B=2", "LC_CTYPE=x"]


@each_way
def test_bytes_that_are_no_text(way: str) -> None:
    """Names and values go from the command line to the command as they are."""
    name, value = b"N\xff\xe9", bytes(range(1, 256))
    option = b"--env=" + name + b"=" + value
    out = under_pyinit(COMMAND, {"environ": ["A=1"]}, way, options=[option])
    assert out == b"A=1\0" + name + b"=" + value + b"\0"


def test_the_command_is_looked_for_in_the_new_path(mode: str, tmp_path: Path) -> None:
    """And said not to be in that one."""
    program = tmp_path / "command"
    program.write_text("#!/bin/sh\necho found\n")
    program.chmod(0o755)
    path = f"PATH={tmp_path}"
    assert run(["command"], mode=mode, options=["--env", path]) == (0, "found\n", "")
    result = run(["ls"], mode=mode, options=["--env", path])
    assert result == (127, "", f"pyinit: 'ls': not found in {path}\n")


def test_without_a_path_the_usual_directories_are_searched(mode: str) -> None:
    """/bin and /usr/bin (confstr(3)), whatever PATH pyinit was given."""
    options = ["--unset-env", "PATH"]
    before = ["/usr/bin/env", "PATH=/nowhere"]
    assert run(["echo", "x"], mode=mode, options=options, before=before) == (0, "x\n", "")
    code, _, err = run(["no-such"], mode=mode, options=options)
    assert (code, err) == (
        127,
        "pyinit: 'no-such': not found in /bin:/usr/bin, for PATH is not set\n",
    )


def test_pyinits_own_variables_can_be_kept_from_the_command(namespaces: None) -> None:
    """They are read before, so they count all the same."""
    options = ["--unset-env", "PYINIT_CHDIR"]
    before = ["/usr/bin/env", "-i", "PYINIT_CHDIR=/usr"]
    code, out, err = run(["/usr/bin/env"], options=options, before=before)
    assert (code, out, err) == (0, "", "")
