"""``pyinitctl checkpoint`` and ``restore``: a container to files and back, by CRIU."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from pyinit.ctl.common import CommandError
from pyinit.ctl.control import init_of
from pyinit.kernel import paths

if TYPE_CHECKING:
    import argparse

DESCRIPTION = (
    "Write a container to the files of a directory, or bring it back from them with the same "
    "numbers inside.  CRIU does the work (criu(8)): it has to be installed, or be named by the "
    "variable CRIU, and takes root.  What CRIU cannot write is said in the log in DIR: "
    "a terminal from outside needs -- --shell-job, for example."
)

_LOG = "criu.log"
_PIDFILE = "restored.pid"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the two subcommands."""
    if parser.prog.endswith(" checkpoint"):
        parser.add_argument("pid", metavar="PID", type=int, help="a process of the container")
        parser.add_argument(
            "--leave-running", action="store_true", help="let it go on; else it ends"
        )
    parser.add_argument("directory", metavar="DIR", type=Path, help="where the files are")
    parser.add_argument("more", metavar="-- OPTIONS", nargs="*", help="more options of CRIU's")


def run(asked: argparse.Namespace) -> None:
    """Do it, and say so.  Raises CommandError."""
    criu = _find()
    if asked.subcommand == "checkpoint":
        init = init_of(asked.pid)
        asked.directory.mkdir(parents=True, exist_ok=True)
        _check(asked.directory)
        stays = ["--leave-running"] if asked.leave_running else []
        _call(criu, ["dump", "--tree", str(init), *stays], asked)
        print(f"checkpoint: process {init} is in {asked.directory}")
        return
    if not asked.directory.is_dir():
        raise CommandError(f"{asked.directory} is not a directory with a checkpoint")
    _check(asked.directory)
    pidfile = (asked.directory / _PIDFILE).absolute()
    pidfile.unlink(missing_ok=True)
    _call(criu, ["restore", "--restore-detached", "--pidfile", str(pidfile)], asked)
    print(f"restore: process {pidfile.read_text().strip()}")


def _check(directory: Path) -> None:
    """Raise CommandError if others can put links or images there: CRIU follows and restores them.

    As root; whoever else restores has no more rights than its own.
    """
    if os.geteuid() == 0 and not paths.is_ours_alone(directory.stat()):
        raise CommandError(
            f"{directory}: others may write to it, so root can neither write nor restore there: "
            "take a directory of root's alone"
        )


def _find() -> str:
    criu = os.environ.get("CRIU") or shutil.which("criu")
    if criu is None:
        raise CommandError(
            "CRIU is not installed, and nothing else can write processes to files: install the "
            "package criu, or name the program by the variable CRIU"
        )
    return criu


def _call(criu: str, words: list[str], asked: argparse.Namespace) -> None:
    """Run CRIU.  Raises CommandError with what its log says."""
    directory = asked.directory.absolute()
    places = ["--images-dir", str(directory), "--work-dir", str(directory), "--log-file", _LOG]
    try:
        done = subprocess.run(
            [criu, *words, *places, *asked.more],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
    except OSError as error:
        raise CommandError(f"{criu}: {error.strerror}") from None
    if done.returncode:
        raise CommandError(f"{criu} {words[0]} failed: {_errors(directory, done.stderr)}")


def _errors(directory: Path, printed: str) -> str:
    """Return the lines of the log that say what went wrong, or what was printed."""
    try:
        lines = (directory / _LOG).read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    errors = [line.partition(" ")[2] for line in lines if "Error" in line]
    return "; ".join(errors[:3]) or printed.strip() or f"see {directory / _LOG}"
