"""`--no-new-privs`: no program that the command starts gains anything; see prctl(2)."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from tests.harness import Container, run, status_field
from tests.robust.test_failures import without
from tests.users import container_files, need_root

if TYPE_CHECKING:
    from pathlib import Path

# A copy of id(1) with the set-user-ID bit of root; /tmp may be mounted nosuid.
SETUID = 'mount -t tmpfs -o mode=755 none /mnt && install -m 4755 /usr/bin/id /mnt/id && exec "$@"'


def test_a_set_user_id_program_gains_nothing(mode: str, tmp_path: Path) -> None:
    """Without the option it does, so it is the option that keeps it from that."""
    need_root()
    before = [*container_files(tmp_path), "sh", "-c", SETUID, "sh"]
    for options, user in (([], "0"), (["--no-new-privs"], "1234")):
        result = run(
            ["sh", "-c", "/mnt/id -u"],
            mode=mode,
            before=before,
            options=["--user", "app", *options],
        )
        assert result == (0, f"{user}\n", "")


def test_pyinit_itself_is_not_restricted(namespaces: None) -> None:
    """What is restricted is the command, and all that it starts."""
    command = ["sh", "-c", "grep NoNewPrivs /proc/self/status; read -r line"]
    with Container(command, options=["--no-new-privs"], stdin=subprocess.PIPE) as container:
        container.expect("NoNewPrivs:\t1")
        assert status_field(container.main_child(), "NoNewPrivs") == "1"
        assert status_field(container.pid, "NoNewPrivs") == "0"


def test_without_the_option_it_is_as_given(mode: str) -> None:
    """Neither set nor, as nobody could, taken back."""
    read = ["sh", "-c", "sed -n 's/^NoNewPrivs:.//p' /proc/self/status"]
    assert run(read, mode=mode, options=["--env", "A=1"]) == (0, "0\n", "")
    assert run(read, mode=mode, before=["setpriv", "--no-new-privs"]) == (0, "1\n", "")


def test_where_it_cannot_be_had_nothing_starts(namespaces: None) -> None:
    """A Python without libffi has no _ctypes: to go on without would be to promise too much."""
    options = ["--no-new-privs", "--no-subreaper"]
    code, out, err = run(["echo", "ran"], init=without("_ctypes"), options=options)
    assert (code, out) == (125, "")
    assert err.startswith("pyinit: option '--no-new-privs': ")
