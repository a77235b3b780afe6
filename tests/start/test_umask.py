"""`--umask MASK`: the file mode creation mask of the command; see umask(2)."""

from __future__ import annotations

import subprocess

from tests.cases import in_turn
from tests.harness import Container, run, status_field

READ = ["sh", "-c", "sed -n 's/^Umask:.//p' /proc/self/status"]


@in_turn(("mask", "value"), [("027", "0027"), ("0", "0000"), ("0777", "0777"), ("2", "0002")])
def test_the_command_has_this_mask(mask: str, value: str, mode: str) -> None:
    """Octal, with or without a 0 in front."""
    assert run(READ, mode=mode, options=["--umask", mask]) == (0, f"{value}\n", "")


def test_without_the_option_it_is_pyinits_own(mode: str) -> None:
    """Also where something else is changed."""
    before = ["sh", "-c", 'umask 037; exec "$@"', "sh"]
    assert run(READ, mode=mode, before=before) == (0, "0037\n", "")
    assert run(READ, mode=mode, before=before, options=["--env", "A=1"]) == (0, "0037\n", "")


def test_pyinit_keeps_its_own(namespaces: None) -> None:
    """It is the forked child that changes."""
    before = ["sh", "-c", 'umask 037; exec "$@"', "sh"]
    command = ["sh", "-c", "echo ready; read -r line"]
    with Container(
        command, before=before, options=["--umask", "0"], stdin=subprocess.PIPE
    ) as container:
        container.expect("ready")
        assert status_field(container.pid, "Umask") == "0037"


@in_turn("mask", ["8", "rwx", "", "1777", "-1"])
def test_what_is_no_mask_is_125(mask: str, mode: str) -> None:
    """Before anything was started."""
    code, out, err = run(["echo", "ran"], mode=mode, options=[f"--umask={mask}"])
    assert (code, out) == (125, "")
    assert err.startswith(f"pyinit: option '--umask': '{mask}' is not a umask")
