"""--remap-exit CODE[:TO]: another exit code than the main child's, and nothing else changes."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import pyinit
from tests.cases import in_turn
from tests.harness import SUBREAPER, Container, logged, python, run

if TYPE_CHECKING:
    from collections.abc import Mapping

# Each code becomes another: 0 becomes 255, and so on.
MIRROR = ",".join(f"{code}:{255 - code}" for code in range(256))


def code_of(script: str, *options: str, mode: str, env: Mapping[str, str] | None = None) -> int:
    """Return pyinit's exit code for a shell that runs ``script``."""
    return run(["sh", "-c", script], options=options, mode=mode, env=env)[0]


def codes(first: int, last: int, *options: str) -> list[str]:
    """Return a line for each exit code in this range: it, and what pyinit makes of it."""
    path = str(Path(pyinit.__file__).parents[1])
    code, out, err = run(python("exit_codes.py", path, str(first), str(last), *options))
    assert (code, err) == (0, "")
    return out.splitlines()


@pytest.mark.parametrize("first", [0, 112, 240])
def test_each_of_256_codes_becomes_another(first: int, namespaces: None) -> None:
    """By one map with a rule for every code; those at both ends and around 128 are tried."""
    wanted = [f"{code} {255 - code}" for code in range(first, first + 16)]
    assert codes(first, first + 15, "--remap-exit", MIRROR) == wanted


def test_only_the_code_of_the_rule_changes(namespaces: None) -> None:
    """All others around it, and around 128, stay what they are."""
    wanted = [f"{code} {0 if code == 143 else code}" for code in range(124, 146)]
    assert codes(124, 145, "-e", "143") == wanted


@in_turn(
    ("options", "code", "becomes"),
    [
        (("-e", "3"), 3, 0),
        (("-e3",), 3, 0),
        (("-e", "3:0"), 3, 0),
        (("--remap-exit", "3:4"), 3, 4),
        (("--remap-exit=0:1",), 0, 1),
        (("-e", "3:4", "-e", "4:5"), 3, 4),  # no chain
        (("-e", "3:4", "-e", "3:6"), 3, 6),  # the last rule for a code
        (("-e", "3:4,3:6"), 3, 6),
        (("-e", "3:255"), 3, 255),
        (("-e", "3:TERM"), 3, 143),
        (("-e", "4"), 3, 3),
    ],
)
def test_rules(mode: str, options: tuple[str, ...], code: int, becomes: int) -> None:
    """One code, one rule, once."""
    assert code_of(f"exit {code}", *options, mode=mode) == becomes


@in_turn(
    ("name", "number"),
    [
        ("TERM", signal.SIGTERM),
        ("SIGKILL", signal.SIGKILL),
        ("pipe", signal.SIGPIPE),
        ("SEGV", signal.SIGSEGV),
        ("RTMIN+3", signal.SIGRTMIN + 3),
        ("RTMAX", signal.SIGRTMAX),
    ],
)
def test_a_signal_by_its_name(mode: str, name: str, number: int) -> None:
    """It is 128 + n, whether the command was killed by it or has caught it and says so itself."""
    assert code_of(f"kill -{int(number)} $$", "-e", name, mode=mode) == 0
    assert code_of(f"exit {128 + number}", "-e", f"{name}:7", mode=mode) == 7
    assert code_of(f"exit {int(number)}", "-e", name, mode=mode) == number


def test_the_variable_holds_the_rules_of_one_option(mode: str) -> None:
    """With commas; rules on the command line count instead of them."""
    env = {**os.environ, "PYINIT_REMAP_EXIT": "TERM,3:4"}
    assert code_of("kill $$", mode=mode, env=env) == 0
    assert code_of("exit 3", mode=mode, env=env) == 4
    assert code_of("exit 3", "-e", "5", mode=mode, env=env) == 3


def test_a_stopped_service_ends_with_0(namespaces: None) -> None:
    """What it is for: 143 after a stop that was asked for is shown as an error."""
    with Container(["sleep", "1000"], options=["-e", "TERM"]) as container:
        container.main_child()
        container.signal(signal.SIGTERM)
        assert container.wait() == 0


def test_only_the_main_childs_code(mode: str) -> None:
    """An orphan that is reaped before its end, and a leftover after it, have their own codes."""
    script = '(sh -c "exit 3" 3>&1 >&- &) | cat; (sleep 1000 & trap "exit 3" TERM; wait) & exit 5'
    assert code_of(script, "-e", "3:9", mode=mode) == 5


@in_turn("code", [125, 126, 127])
def test_the_code_of_a_command_is_mapped_and_not_that_of_pyinit(mode: str, code: int) -> None:
    """125 to 127 say that nothing was started, which a map must not turn into a success."""
    rules = ("-e", "125,126,127")
    assert code_of(f"exit {code}", *rules, mode=mode) == 0
    bad = {125: ["--chdir", "/nonexistent", "--", "true"], 126: ["--", "/"], 127: ["--", "/none"]}
    result = run((), options=[*rules, *bad[code]], mode=mode)
    assert (result[0], result[1]) == (code, "")
    assert result[2].startswith("pyinit: ")


@pytest.mark.parametrize("grace", ["1000", "0"])
def test_under_a_teardown(mode: str, grace: str) -> None:
    """The code is that of the main child, however its leftovers end."""
    with Container(
        python("leave.py", "daemon", "slow"),
        options=["-e", "7:42", "-e", "KILL:1", "--grace", grace],
        mode=mode,
        stdin=subprocess.PIPE,
    ) as container:
        container.expect("ready")
        container.close_stdin()
        assert container.wait() == 42
        if mode == SUBREAPER:
            assert container.survivors == []


def test_the_log_tells_both_codes(namespaces: None) -> None:
    """That of the command, and the one that pyinit ends with."""
    code, _, err = run(["sh", "-c", "exit 3"], options=["-v", "-e", "3:4"])
    assert code == 4
    exited, exiting = logged(err)[-2:]
    assert (exited["event"], exited["exit_code"]) == ("child_exited", 3)
    assert (exiting["event"], exiting["exit_code"]) == ("exiting", 4)
