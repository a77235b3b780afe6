"""What fails between fork(2) and exec when the command is to get something else, in words."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests import conftest
from tests.cases import in_turn
from tests.harness import PID1, run
from tests.users import container_files, need_root

if TYPE_CHECKING:
    from pathlib import Path

ALL = ["--user", "app", "--umask", "027", "--no-new-privs", "--session", "--env", "A=1"]
REASONS = {
    "EPERM": "Operation not permitted",
    "EAGAIN": "Resource temporarily unavailable",
    "ENOMEM": "Cannot allocate memory",
    "EIO": "Input/output error",
    "EINVAL": "Invalid argument",
}


def traced(log: Path, *words: str) -> list[str]:
    """Return what runs pyinit under strace(1), which as a grandchild (-D) leaves it PID 1."""
    conftest.need("strace")
    return ["strace", "-D", "-f", "-qq", "-o", str(log), *words]


@in_turn(
    ("call", "error", "step"),
    [
        ("setgroups", "EPERM", "become user 'app'"),
        ("setresgid", "EINVAL", "become user 'app'"),
        ("setresuid", "EAGAIN", "become user 'app'"),
        ("setresuid", "ENOMEM", "become user 'app'"),
        ("chdir", "EIO", "change to directory '/srv'"),
        ("setsid", "EPERM", "start a session"),
    ],
)
def test_a_step_that_fails_is_named_and_nothing_runs(
    call: str, error: str, step: str, mode: str, tmp_path: Path
) -> None:
    """Exit code 125: to run it as root, or elsewhere, would be worse than not to run it."""
    need_root()
    log = tmp_path / "log"
    before = container_files(tmp_path)
    before += traced(log, "-e", "trace=all", "-e", f"inject={call}:error={error}")
    options = [*ALL, "--chdir", "/srv", "--grace", "0"]
    result = run(["/bin/echo", "ran"], mode=mode, before=before, options=options)
    assert result == (125, "", f"pyinit: cannot {step}: {REASONS[error]}\n")
    text = log.read_text()
    assert "INJECTED" in text
    assert 'execve("/bin/echo"' not in text


def test_no_new_privs_that_cannot_be_set_is_125(namespaces: None, tmp_path: Path) -> None:
    """As PID 1 there is no other prctl(2) than this one."""
    log = tmp_path / "log"
    before = traced(log, "-e", "inject=prctl:error=EINVAL")
    options = ["--no-new-privs", "--grace", "0"]
    result = run(["/bin/echo", "ran"], mode=PID1, before=before, options=options)
    assert result == (125, "", "pyinit: cannot set no_new_privs: Invalid argument\n")


def test_killed_on_the_way_is_an_end_like_any_other(namespaces: None, tmp_path: Path) -> None:
    """Such as by a filter (seccomp(2)) or for want of memory: it has said nothing of a failure."""
    log = tmp_path / "log"
    # Not of the init, which goes to / itself.
    before = traced(log, "-P", "/usr", "-e", "inject=chdir:signal=KILL:when=1")
    options = ["--chdir", "/usr", "--grace", "0"]
    code, out, _ = run(["echo", "ran"], before=before, options=options)
    assert (code, out) == (128 + signal.SIGKILL, "")


def calls_of_the_child(log: Path, last: str) -> list[str]:
    """Return the system calls of the process that called setsid(2), from there to ``last``."""
    lines = log.read_text(errors="replace").splitlines()
    first = next(i for i, line in enumerate(lines) if " setsid(" in line)
    pid = lines[first].split()[0]
    own = [line for line in lines[first:] if line.split()[0] == pid]
    end = next(i for i, line in enumerate(own) if last in line)
    return own[: end + 1]


@pytest.mark.parametrize("command", ["/bin/echo", "no-such"])
def test_the_child_opens_no_file(command: str, namespaces: None, tmp_path: Path) -> None:
    """All modules are loaded before the fork: the user may be kept from them, or the directory."""
    need_root()
    log = tmp_path / "log"
    before = ["/usr/bin/env", "PATH=/usr/bin:/bin", *container_files(tmp_path)]
    before += ["sh", "-c", 'export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_PIDFDID=1; exec "$@"', "sh"]
    before = traced(log, "-e", "trace=all") + before
    options = [*ALL, "--chdir", "/", "--grace", "0"]
    code, out, _ = run([command, "ran"], before=before, options=options)
    assert (code, out) == ((0, "ran\n") if command == "/bin/echo" else (127, ""))
    own = calls_of_the_child(log, 'execve("/bin/' if command == "/bin/echo" else "exit_group(")
    assert any("setresuid(" in line for line in own)
    assert not [line for line in own if " open" in line]


# Before exec a user is changed: errors of exec are those of that user, in that place.
PROGRAMS = (
    "mount -t tmpfs -o mode=755 none /mnt && cd /mnt && printf '#!/bin/sh\\necho ran\\n' > yes && "
    "cp yes no-bit && cp yes private && printf '#!/no/such\\n' > no-interpreter && "
    "printf '\\0' > binary && mkdir directory closed && cp yes closed/yes && "
    "ln -s nowhere link && chmod 755 yes no-interpreter binary && "
    'chmod 700 private closed && chmod 755 closed/yes && cd / && exec "$@"'
)
DENIED = "cannot be started: Permission denied"


@in_turn(
    ("word", "code", "message"),
    [
        ("yes", 0, ""),
        ("./yes", 0, ""),
        ("none", 127, "'none': not found in PATH=/mnt"),
        ("./none", 127, "'./none': not found"),
        ("/none", 127, "'/none': not found"),
        ("yes/x", 127, "'yes/x': not found"),
        ("", 127, "'': not found: the command is an empty word"),
        ("no-bit", 126, f"'/mnt/no-bit': {DENIED}: it has no execute bit"),
        ("directory", 126, "'/mnt/directory': cannot be started: it is a directory"),
        (
            "./private",
            126,
            f"'./private': {DENIED}: mode 0700 of user 0, but this is user 1234",
        ),
        (
            "closed/yes",
            126,
            f"'closed/yes': {DENIED}: a directory on the way to it cannot be searched",
        ),
        (
            "no-interpreter",
            126,
            "'/mnt/no-interpreter': cannot be started: its interpreter '/no/such' does not exist",
        ),
        (
            "./link",
            126,
            (
                "'./link': cannot be started: it is a symbolic link to 'nowhere', "
                "which does not exist"
            ),
        ),
        (
            "binary",
            126,
            (
                "'/mnt/binary': cannot be started: Exec format error: "
                "neither a binary for this machine nor a script"
            ),
        ),
    ],
)
def test_errors_of_exec_are_those_of_the_user_in_its_place(
    word: str, code: int, message: str, mode: str, tmp_path: Path
) -> None:
    """Codes and messages as without changes; PATH and directory are the command's."""
    need_root()
    before = [*container_files(tmp_path), "sh", "-c", PROGRAMS, "sh"]
    options = [*ALL, "--chdir", "/mnt", "--env", "PATH=/mnt"]
    result = run([word], mode=mode, before=before, options=options)
    text = f"pyinit: {message}\n" if message else ""
    assert result == (code, "" if message else "ran\n", text)


def test_a_failed_start_leaves_no_child(mode: str, tmp_path: Path) -> None:
    """The forked process is waited for before pyinit ends."""
    log = tmp_path / "log"
    before = traced(log, "-e", "trace=wait4")
    options = ["--chdir", "/no/such", "--grace", "0"]
    assert run(["true"], mode=mode, before=before, options=options)[0] == 125
    assert "WEXITSTATUS(s) == 125" in log.read_text()


def test_bytes_that_are_no_text_in_a_message(namespaces: None) -> None:
    """Written out, so that a log stays a text, and not lost on the way to the parent."""
    options = ["--env", "A=1", "--chdir", os.fsdecode(b"/\xff\n")]
    code, _, err = run(["true"], options=options)
    assert code == 125
    assert err.startswith("pyinit: cannot change to directory '/\\xff")
    code, _, err = run([b"/\xfe no"], options=["--env", "A=1"])
    assert (code, err) == (127, "pyinit: '/\\xfe no': not found\n")
