"""Writing an executable: none of others is overwritten, and only what works is put in place."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pyinit
from pyinit.ctl.common import CommandError

if TYPE_CHECKING:
    from collections.abc import Sequence

# The kernel reads this much of the first line, its end included; see execve(2).
MAX_SHEBANG = 255

# How long a draft may take to say its version, in seconds: an interpreter on a slow disk has time.
TRY_S = 30

# Each file that is written here has one line that begins so, with the subcommand after it.
MARK = "# Written by pyinitctl"
# It stands within the first so many bytes.
_MARKED = 4096


class InstallError(CommandError):
    """Nothing was written; the text says why."""


def refuse(target: Path, command: str, *, force: bool) -> None:
    """Raise `InstallError` unless ``target`` may be written by the subcommand ``command``."""
    if target.is_dir():
        raise InstallError(f"{target} is a directory: name the file, such as {target / 'pyinit'}")
    if not target.parent.is_dir():
        raise InstallError(f"{target.parent} is not a directory: make it first")
    if not is_replaceable(target):
        raise InstallError(f"{target} is neither a file nor a link: nothing takes its place")
    if target.exists() and not force and not is_ours(target, command):
        raise InstallError(
            f"{target} was not written by pyinitctl {command}: give another path, or --force"
        )


def is_replaceable(path: Path) -> bool:
    """Return whether nothing is lost with ``path`` but a file or a link: it may be a device."""
    return path.is_symlink() or path.is_file() or not path.exists()


def is_ours(path: Path, command: str) -> bool:
    """Return whether the subcommand ``command`` wrote ``path``, links followed."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return f"{MARK} {command}".encode() in file.read(_MARKED)


def create(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Make a file that nobody else has made, in place of what is left of a run that was killed.

    In a directory of others it could be a link.  Raises OSError.
    """
    path.unlink(missing_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with open(fd, "wb") as file:
        file.write(data)
        os.fchmod(fd, mode)


def put(target: Path, data: bytes, before: Sequence[str] = ()) -> None:
    """Write ``data`` to ``target`` and make it executable, if it then works.

    ``before`` is what it is tried with: an interpreter, or nothing for the one
    that it names.  Raises `InstallError`; then ``target`` is what it was.
    """
    # Beside the target, so that the rename that puts it in place is atomic.
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        try:
            create(draft, data, 0o755)
            _try([*before, str(draft)])
            draft.replace(target)
        except OSError as error:
            raise InstallError(f"cannot write {target}: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)


def _try(init: list[str]) -> None:
    """Run it as it will be, and see that it answers within `TRY_S`."""
    with subprocess.Popen(
        [*init, "--version"],
        env={},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    ) as process:
        try:
            out, err = process.communicate(timeout=TRY_S)
        except subprocess.TimeoutExpired:
            raise InstallError(
                f"the new file does not work, and is not put in place: it has not "
                f"said its version within {TRY_S} s"
            ) from None
        finally:
            # Not reaped yet, so the number still means this group: with what it has started.
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
    expected = f"pyinit {pyinit.__version__}\n"
    if process.returncode or out != expected:
        raise InstallError(
            f"the new file does not work, and is not put in place: it exits with "
            f"{process.returncode} and says {out + err!r}"
        )


def package() -> Path:
    """Return the directory of the package."""
    return Path(pyinit.__file__).resolve().parent
