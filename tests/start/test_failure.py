"""A command that cannot be started: 127 when it is not found, 126 and the reason when it is.

The message names the file and says why, since execve(2) has one errno for many reasons.
"""

from __future__ import annotations

import os
import shutil
import struct
from typing import TYPE_CHECKING

from tests import conftest
from tests.cases import in_turn
from tests.harness import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TRUE = os.path.realpath(shutil.which("true") or "/bin/true")


def program(path: Path, content: bytes = b"#!/bin/sh\n", mode: int = 0o755) -> Path:
    """Write an executable file."""
    path.write_bytes(content)
    path.chmod(mode)
    return path


def elf(path: Path, old: bytes = b"", new: bytes = b"") -> Path:
    """Write a copy of true(1) in which ``old`` is replaced."""
    with open(TRUE, "rb") as file:
        content = file.read()
    assert old in content
    return program(path, content.replace(old, new, 1))


def missing_loader(path: Path) -> None:
    """Make a binary for which there is no ld.so."""
    with open(TRUE, "rb") as file:
        start = file.read(4096)
    at = start.index(b"/lib")
    elf(path, start[at : at + 8], b"/no" + start[at + 3 : at + 8])


def of_another_machine(path: Path) -> None:
    """Make a binary for the machine with the number 8, which is mips."""
    with open(TRUE, "rb") as file:
        start = file.read(20)
    elf(path, start, start[:18] + struct.pack("<H", 8))


def dangling(path: Path) -> None:
    """Make a link to nothing."""
    path.symlink_to("/nowhere/to/be/found")


def nested_interpreters(path: Path) -> None:
    """Make a script whose interpreter is a script, six times: the kernel follows five."""
    for number in range(7):
        last = f"{path}{number - 1}" if number else "/bin/true"
        program(path.with_name(f"{path.name}{number}"), f"#!{last}\n".encode())
    path.symlink_to(f"{path}6")


CASES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no execute bit": (
        lambda path: program(path, mode=0o644),
        "Permission denied: it has no execute bit",
    ),
    "directory": (lambda path: path.mkdir(), "it is a directory"),
    "fifo": (lambda path: os.mkfifo(path, 0o755), "Permission denied: it is not a regular file"),
    "missing interpreter": (
        lambda path: program(path, b"#!/no/such/sh -e\n"),
        "its interpreter '/no/such/sh' does not exist",
    ),
    "carriage return": (
        lambda path: program(path, b"#!/bin/sh\r\necho\r\n"),
        "its interpreter '/bin/sh' does not exist (the line ends in a carriage return)",
    ),
    "interpreter is a directory": (
        lambda path: program(path, b"#!/tmp\n"),
        "Permission denied: its interpreter '/tmp' cannot be executed",
    ),
    "too many interpreters": (nested_interpreters, "Too many levels of symbolic links"),
    "missing ld.so": (missing_loader, "the program interpreter (ld.so) it was linked for"),
    "another machine": (
        of_another_machine,
        f"Exec format error: a binary for the machine mips, and this one is {os.uname().machine}",
    ),
    "garbage": (
        lambda path: program(path, b"\x00\x01\xff" * 100),
        "Exec format error: neither a binary for this machine nor a script",
    ),
    "dangling link": (dangling, "it is a symbolic link to '/nowhere/to/be/found', which does not"),
    "link to itself": (lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
}


@in_turn("case", CASES)
def test_found_but_not_startable_is_126_with_file_and_reason(
    case: str, mode: str, tmp_path: Path
) -> None:
    """Nothing is started, and one line says what to repair."""
    make, reason = CASES[case]
    path = tmp_path / "command"
    make(path)
    code, out, err = run([str(path), "word"], mode=mode)
    assert (code, out) == (126, "")
    assert err.startswith(f"pyinit: '{path}': cannot be started: {reason}")
    assert err.endswith("\n")
    assert err.count("\n") == 1


def test_a_file_open_for_writing_is_126(mode: str, tmp_path: Path) -> None:
    """ETXTBSY of execve(2)."""
    path = elf(tmp_path / "command")
    with open(path, "ab"):
        result = run([str(path)], mode=mode)
    assert result == (126, "", f"pyinit: '{path}': cannot be started: Text file busy\n")


def test_a_file_on_a_noexec_mount_is_126(mode: str, tmp_path: Path) -> None:
    """The errno is EACCES, though the permissions of the file are right."""
    mount = 'mount -t tmpfs -o noexec none "$0" && cp /bin/true "$0/true" && exec "$@"'
    before = ["/bin/sh", "-c", mount, str(tmp_path)]
    code, _, err = run([f"{tmp_path}/true"], mode=mode, before=before)
    assert (code, err) == (
        126,
        (
            f"pyinit: '{tmp_path}/true': cannot be started: Permission denied: "
            "it is on a file system that is mounted noexec\n"
        ),
    )


def test_a_file_of_another_user_is_126(mode: str, tmp_path: Path) -> None:
    """With an execute bit, but none for this user."""
    if os.geteuid() != 0:
        conftest.missing("root")
    path = program(tmp_path / "command", mode=0o744)
    for directory in (tmp_path, *tmp_path.parents[:2]):
        directory.chmod(0o755)
    # CAP_DAC_READ_SEARCH reaches the interpreter, and executes no file.
    caps = ["--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"]
    before = ["setpriv", "--reuid=1000", "--clear-groups", *caps]
    code, _, err = run([str(path)], mode=mode, before=before)
    assert (code, err) == (
        126,
        (
            f"pyinit: '{path}': cannot be started: Permission denied: "
            "mode 0744 of user 0, but this is user 1000\n"
        ),
    )


@in_turn("name", ["/no/such/file", "no-such-command", "/dev/null/x", "./x", ""])
def test_not_found_is_127(name: str, mode: str, tmp_path: Path) -> None:
    """With a slash or by PATH, behind a file that is no directory, and an empty word."""
    before = ["env", "-C", str(tmp_path)]
    code, out, err = run([name], mode=mode, before=before, env={"PATH": "/usr/bin:/bin"})
    assert (code, out) == (127, "")
    where = (
        ""
        if "/" in name
        else " in PATH=/usr/bin:/bin"
        if name
        else ": the command is an empty word"
    )
    assert err == f"pyinit: '{name}': not found{where}\n"


def test_a_message_shows_bytes_that_are_not_utf8(mode: str) -> None:
    """Written out, so that a log stays a text."""
    code, _, err = run([b"/no/\xff\xe9"], mode=mode)
    assert (code, err) == (127, "pyinit: '/no/\\xff\\xe9': not found\n")


@in_turn(
    ("words", "hint"),
    [
        (
            ["sleep 5"],
            "expected 'sleep' '5', or sh -c 'sleep 5'",
        ),
        (["/bin/echo  a b"], "expected '/bin/echo' 'a' 'b', or sh -c '/bin/echo  a b'"),
        (["no-such 5"], ""),
        (["/no such/file"], ""),
        ([" "], ""),
    ],
)
def test_a_command_in_one_word_gets_a_hint(mode: str, words: list[str], hint: str) -> None:
    """As of a Dockerfile's CMD ["sleep 5"], where its first part is a program that is there."""
    code, out, err = run(words, mode=mode)
    assert (code, out) == (127, "")
    assert err.startswith(f"pyinit: '{words[0]}': not found")
    assert err.count("\n") == 1
    blanks = "program and arguments are one word"
    assert (blanks in err) == bool(hint)
    assert err.rstrip("\n").endswith(hint)
