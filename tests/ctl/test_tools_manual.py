"""Manual pages and completions of pyinitctl: of every command, out of its parser."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from pyinit import ctl
from pyinit.ctl.dist import tools
from tests.conftest import need

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", ["", *ctl.names()])
def test_groff_finds_no_fault_in_a_page(name: str) -> None:
    """And it has each option of the command."""
    need("groff")
    done = subprocess.run(
        ["groff", "-man", "-ww", "-Tascii", "-P-cbou", "-rLL=200n"],
        input=tools.man_page(name),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    for action in tools.tool(name).options:
        assert all(flag in done.stdout for flag in action.option_strings)


@pytest.mark.parametrize("shell", sorted(tools.SHELLS))
def test_the_shell_can_read_its_completion(shell: str, tmp_path: Path) -> None:
    """All three know every command."""
    need(shell)
    path = tmp_path / "completion"
    path.write_text(tools.SHELLS[shell](), "utf-8")
    done = subprocess.run([shell, "-n", path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    text = path.read_text("utf-8")
    assert all(name in text for name in ctl.names())


def test_bash_completes_commands_and_their_options(tmp_path: Path) -> None:
    """The names first, then what the one that was given takes."""
    need("bash")
    path = tmp_path / "completion"
    path.write_text(tools.bash(), "utf-8")

    def completed(*words: str) -> list[str]:
        script = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
        script += '_pyinitctl; printf "%s\\n" "${COMPREPLY[@]}"'
        argv = ["bash", "-c", script, "bash", str(path), "pyinitctl", *words]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()

    assert completed("che") == ["checkpoint"]
    assert completed("status", "--so") == ["--sort"]
    assert "--userns" in completed("run", "--u")


def test_a_page_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    """The nearest one is named."""
    with pytest.raises(SystemExit):
        ctl.main(["manual", "statsu"])
    assert "there is no page 'statsu': did you mean 'status'?" in capsys.readouterr().err
