"""Writing an executable: none of others is overwritten, and only what works is put in place."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pyinit
from pyinit.ctl.common import CommandError

if TYPE_CHECKING:
    from collections.abc import Sequence

# The kernel reads this much of the first line, its end included; see execve(2).
MAX_SHEBANG = 255

# Each file that is written here has one line that begins so, with the subcommand after it.
MARK = "# Written by pyinitctl"


class InstallError(CommandError):
    """Nothing was written; the text says why."""


def refuse(target: Path, command: str, *, force: bool) -> None:
    """Raise `InstallError` unless ``target`` may be written by the subcommand ``command``."""
    if target.is_dir():
        raise InstallError(f"{target} is a directory: name the file, such as {target / 'pyinit'}")
    if not target.parent.is_dir():
        raise InstallError(f"{target.parent} is not a directory: make it first")
    if target.exists() and not force and not is_ours(target, command):
        raise InstallError(
            f"{target} was not written by pyinitctl {command}: give another path, or --force"
        )


def is_ours(path: Path, command: str) -> bool:
    """Return whether the subcommand ``command`` wrote ``path``, links followed."""
    return path.is_file() and f"{MARK} {command}".encode() in path.read_bytes()


def put(target: Path, data: bytes, before: Sequence[str] = ()) -> None:
    """Write ``data`` to ``target`` and make it executable, if it then works.

    ``before`` is what it is tried with: an interpreter, or nothing for the one
    that it names.  Raises `InstallError`; then ``target`` is what it was.
    """
    # Beside the target, so that the rename that puts it in place is atomic.
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        try:
            draft.write_bytes(data)
            draft.chmod(0o755)
            _try([*before, str(draft)])
            draft.replace(target)
        except OSError as error:
            raise InstallError(f"cannot write {target}: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)


def _try(init: list[str]) -> None:
    """Run it as it will be, and see that it answers."""
    result = subprocess.run(
        [*init, "--version"], env={}, capture_output=True, text=True, check=False
    )
    expected = f"pyinit {pyinit.__version__}\n"
    if result.returncode or result.stdout != expected:
        raise InstallError(
            f"what was to be written does not work, so it was not put in place: it exits with "
            f"{result.returncode} and says {result.stdout + result.stderr!r}"
        )


def package() -> Path:
    """Return the directory of the package."""
    return Path(pyinit.__file__).resolve().parent
