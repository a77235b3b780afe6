"""Commands of pyinitctl: each is one file, and all begin their messages alike."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pyinit import ctl
from pyinit.ctl import commands
from tests.harness import PYINITCTL

if TYPE_CHECKING:
    from pathlib import Path

HELLO = """
HELP = "greet somebody"
DESCRIPTION = "Greet somebody, who is a process."


def add_arguments(parser):
    parser.add_argument("who", metavar="WHO")


def run(args):
    print(f"hello {args.who}")
    return 7
"""


def test_a_file_is_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is run, has a help, and stands in the list, and nothing else knows of it."""
    (tmp_path / "hello.py").write_text(HELLO)
    monkeypatch.setattr(commands, "__path__", [*commands.__path__, str(tmp_path)])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert ctl.main(["hello", "world"]) == 7
    assert capsys.readouterr().out == "hello world\n"
    for words, said in ((["--help"], "  hello "), (["hello", "-h"], "Greet somebody")):
        with pytest.raises(SystemExit) as ended:
            ctl.main(words)
        assert not ended.value.code
        assert said in capsys.readouterr().out
    monkeypatch.delitem(sys.modules, "pyinit.ctl.commands.hello")


def test_only_the_command_that_is_asked_for_is_loaded() -> None:
    """For probes of a container, which call one again and again."""
    script = (
        "import sys; from pyinit import ctl\n"
        "try: ctl.main(['exec', '--help'])\n"
        "except SystemExit: pass\n"
        "print(*(m for m in sys.modules if m.startswith('pyinit.ctl.commands.')), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stderr.split() == ["pyinit.ctl.commands.exec"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "pyinitctl: expected a COMMAND"),
        (("statsu",), 2, "pyinitctl: there is no command 'statsu': did you mean 'status'?"),
        (("__init__",), 2, "pyinitctl: there is no command '__init__'\n"),
        (("--bogus",), 2, "pyinitctl: unknown option '--bogus'\n"),
        (("tree", "--bogus"), 2, "pyinitctl tree: unknown option '--bogus'\n"),
        (("tree", "--jsn"), 2, "pyinitctl tree: unknown option '--jsn': did you mean '--json'?\n"),
        (("stop",), 2, "pyinitctl stop: the following arguments are required: PID\n"),
        (("checkpoint", "1"), 2, "pyinitctl checkpoint: the following arguments are required: DIR"),
        (("run",), 125, "pyinitctl run: no command given"),
        (("exec", "1"), 125, "pyinitctl exec: no command given"),
        (("status", "--interval", "1"), 2, "pyinitctl status: --interval is for --watch\n"),
        (("exec", "--", "true"), 125, "pyinitctl exec: the following arguments are required: PID"),
    ],
)
def test_a_mistake_is_told_with_the_usage_of_the_command(
    words: tuple[str, ...], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """How it is written, and what is wrong, with a code that no command can have."""
    with pytest.raises(SystemExit) as ended:
        ctl.main(words)
    assert ended.value.code == code
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith(f"usage: {said.partition(':')[0]} ")
    assert f"\n{said}" in err


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("tree",), ("manual",)])
@pytest.mark.parametrize("how", ["full", "closed"])
def test_what_cannot_be_written_is_an_error(words: tuple[str, ...], how: str) -> None:
    """A reader would take what is there for all."""
    to = ">/dev/full" if how == "full" else ">&-"
    done = subprocess.run(
        ["sh", "-c", f'"$@" {to}', "sh", *PYINITCTL, *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    who = "pyinitctl" if words[0].startswith("-") else f"pyinitctl {words[0]}"
    why = os.strerror(28) if how == "full" else "it is closed"
    assert done.returncode == 1
    assert done.stderr == f"{who}: cannot write to standard output: {why}\n"
