"""A container to files and back, by CRIU."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from pyinit.ctl.common import CommandError
from pyinit.ctl.control import init_of
from pyinit.kernel import paths

if TYPE_CHECKING:
    from pathlib import Path

REQUIREMENT = (
    "CRIU does the work (criu(8)): it has to be installed, or be named by the variable CRIU, and "
    "needs root.  The log in DIR says what CRIU cannot do: a terminal from outside needs "
    "-- --shell-job, for example."
)

_LOG = "criu.log"
_PIDFILE = "restored.pid"


def dump(pid: int, directory: Path, more: list[str]) -> int:
    """Write the container of ``pid`` to ``directory``; return its init.

    Raises CommandError, OSError.
    """
    criu = _find()
    init = init_of(pid)
    directory.mkdir(parents=True, exist_ok=True)
    _check(directory)
    _call(criu, ["dump", "--tree", str(init)], directory, more)
    return init


def restore(directory: Path, more: list[str]) -> str:
    """Bring back the container that is in ``directory``; return the number of its init.

    Raises CommandError, OSError.
    """
    criu = _find()
    if not directory.is_dir():
        raise CommandError(f"{directory} is not a directory with a checkpoint")
    _check(directory)
    pidfile = (directory / _PIDFILE).absolute()
    pidfile.unlink(missing_ok=True)
    words = ["restore", "--restore-detached", "--pidfile", str(pidfile)]
    _call(criu, words, directory, more)
    return pidfile.read_text().strip()


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


def _call(criu: str, words: list[str], directory: Path, more: list[str]) -> None:
    """Run CRIU.  Raises CommandError with what its log says."""
    directory = directory.absolute()
    places = ["--images-dir", str(directory), "--work-dir", str(directory), "--log-file", _LOG]
    try:
        done = subprocess.run(
            [criu, *words, *places, *more],
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
