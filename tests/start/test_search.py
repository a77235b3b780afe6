"""The command is searched for as execvp(3) does, and a script without `#!` goes to /bin/sh."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests import conftest, harness
from tests.cases import in_turn
from tests.harness import run

if TYPE_CHECKING:
    from pathlib import Path

SAYS = b'#!/bin/sh\necho "$0" "$@"\n'


def program(path: Path, content: bytes = SAYS, mode: int = 0o755) -> Path:
    """Write an executable file, which by default prints its words."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
    return path


def search(name: str, path: str | None, mode: str, cwd: Path, *words: str) -> tuple[int, str, str]:
    """Start ``name`` with PATH set to ``path``, or without PATH, in the directory ``cwd``."""
    setting = ["-u", "PATH"] if path is None else [f"PATH={path}"]
    return run([name, *words], mode=mode, before=["/usr/bin/env", "-C", str(cwd), *setting])


def test_the_first_executable_file_in_path_is_started(mode: str, tmp_path: Path) -> None:
    """Past directories that do not exist or are files, and past files that cannot be executed."""
    program(tmp_path / "bad" / "say", mode=0o644)
    (tmp_path / "directory" / "say").mkdir(parents=True)
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "say").symlink_to("/nowhere")
    program(tmp_path / "lost" / "say", b"#!/no/such/sh\n")
    good = program(tmp_path / "good" / "say")
    program(tmp_path / "later" / "say", b"#!/bin/sh\necho wrong\n")
    words = ["none", "bad/say", "bad", "directory", "link", "lost", "x" * 5000, "good", "later"]
    path = ":".join(f"{tmp_path}/{word}" for word in words)
    assert search("say", path, mode, tmp_path, "a", "b") == (0, f"{good} a b\n", "")


@in_turn("path", ["", ":/none", "/none:", "/none::/no", "."])
def test_an_empty_element_of_path_is_the_working_directory(
    path: str, mode: str, tmp_path: Path
) -> None:
    """In front, at the end, in the middle, and alone."""
    program(tmp_path / "say")
    name = "./say" if path == "." else "say"
    assert search("say", path, mode, tmp_path) == (0, f"{name}\n", "")


def test_without_path_it_is_bin_and_usr_bin(mode: str, tmp_path: Path) -> None:
    """confstr(_CS_PATH): not the working directory, which an empty PATH would be."""
    assert search("true", None, mode, tmp_path) == (0, "", "")
    program(tmp_path / "say")
    code, _, err = search("say", None, mode, tmp_path)
    assert (code, err) == (127, "pyinit: 'say': not found in /bin:/usr/bin, for PATH is not set\n")


def test_a_name_with_a_slash_is_not_searched_for(mode: str, tmp_path: Path) -> None:
    """Relative to the working directory, whatever PATH says."""
    program(tmp_path / "bin" / "say")
    assert search("bin/say", "/none", mode, tmp_path) == (0, "bin/say\n", "")
    code, _, err = search("./say", f"{tmp_path}/bin", mode, tmp_path)
    assert (code, err) == (127, "pyinit: './say': not found\n")


def test_a_refused_file_is_remembered_when_nothing_better_is_found(
    mode: str, tmp_path: Path
) -> None:
    """126 with the name of the first one that was refused, not of one that is a dangling link."""
    (tmp_path / "say").symlink_to("/nowhere")
    program(tmp_path / "a" / "say", mode=0o644)
    program(tmp_path / "b" / "say", mode=0o600)
    path = f"{tmp_path}:{tmp_path}/a:{tmp_path}/b:/none"
    code, _, err = search("say", path, mode, tmp_path)
    assert (code, err) == (
        126,
        (
            f"pyinit: '{tmp_path}/a/say': cannot be started: Permission denied: "
            "it has no execute bit\n"
        ),
    )


@pytest.mark.parametrize(
    "content", [b'echo "$0" "$@"\n', b'\necho "$0" "$@"\n', b'# \xff\necho "$0" "$@"\n']
)
def test_a_script_without_interpreter_line_goes_to_the_shell(
    content: bytes, mode: str, tmp_path: Path
) -> None:
    """ENOEXEC: `/bin/sh FILE ARG...`, where FILE is the path that was found; execvp(3)."""
    path = program(tmp_path / "say", content)
    assert run([str(path), "a b", "", "-c"], mode=mode) == (0, f"{path} a b  -c\n", "")
    assert search("say", f"/none:{tmp_path}", mode, tmp_path, "x") == (0, f"{path} x\n", "")


def test_the_shell_gets_the_environment_and_an_empty_script_is_fine(
    mode: str, tmp_path: Path
) -> None:
    """Nothing is different from a command that the kernel can start."""
    path = program(tmp_path / "script", b'echo "$A"\n')
    assert run([str(path)], mode=mode, before=["/usr/bin/env", "A=1"]) == (0, "1\n", "")
    assert run([str(program(tmp_path / "empty", b""))], mode=mode) == (0, "", "")


def test_without_a_shell_such_a_script_is_126(mode: str, tmp_path: Path) -> None:
    """The message says why one was needed."""
    path = program(tmp_path / "script", b"echo\n")
    hide = 'mount --bind /dev/null "$(readlink -f /bin/sh)" && exec "$@"'
    code, _, err = run([str(path)], mode=mode, before=["/bin/sh", "-c", hide, "sh"])
    assert (code, err) == (
        126,
        (
            f"pyinit: '{path}': cannot be started: Exec format error: "
            "it has no '#!' line, and /bin/sh cannot be started either\n"
        ),
    )


@pytest.mark.parametrize("case", ["say", "link", "lost", "none", "plain", "denied", "directory"])
def test_tini_starts_the_same_and_ends_with_the_same_code(
    case: str, namespaces: None, tmp_path: Path
) -> None:
    """It calls execvp(3) itself."""
    conftest.need("tini")
    program(tmp_path / "say")
    program(tmp_path / "plain", b'echo "$0" "$@"\n')
    program(tmp_path / "lost", b"#!/no/such/sh\n")
    program(tmp_path / "denied", mode=0o644)
    (tmp_path / "link").symlink_to(tmp_path / "say")
    (tmp_path / "directory").mkdir()
    env = {**os.environ, "PATH": f"{tmp_path}:/usr/bin:/bin"}
    command = [*harness.UNSHARE, "tini", "--", case, "a b"]
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    code, out, _ = run([case, "a b"], env=env)
    assert out == done.stdout
    # execvp(3) by itself cannot tell a missing interpreter from no file at all.
    assert (code, done.returncode) == (126, 127) if case == "lost" else code == done.returncode
