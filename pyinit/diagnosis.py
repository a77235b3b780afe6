"""Why a command could not be started, in words; loaded only when that happened."""

import errno
import os
import stat

from pyinit import fork

_READ_AHEAD = 4096


def explain(name: str, code: int) -> tuple[int, str]:
    """Return the exit code, 126 or 127 as in env(1), and the message for ``name``.

    ``code`` is the errno at which execvp(3) gave up.
    """
    found = [path for path in fork.candidates(name) if os.path.lexists(path)]
    if code in (errno.ENOENT, errno.ENOTDIR) and not found:
        return 127, f"'{name}': not found{_where(name)}"
    path = found[0] if found else name
    return 126, f"'{path}': cannot be started: {_reason(path, code)}"


def _where(name: str) -> str:
    if not name:
        return ": the command is an empty word"
    if "/" in name:
        return ""
    path = os.environ.get("PATH")
    return f" in {fork.DEFAULT_PATH}, for PATH is not set" if path is None else f" in PATH={path}"


def _reason(path: str, code: int) -> str:
    if code in (errno.ENOENT, errno.ENOTDIR):
        return _missing(path)
    if code == errno.EACCES and os.path.isdir(path):
        return "it is a directory"
    if code == errno.EACCES and not _any_execute_bit(path):
        return f"{os.strerror(code)}: it has no execute bit"
    if code == errno.ENOEXEC:
        return f"{os.strerror(code)}: neither a binary for this machine nor readable by /bin/sh"
    return os.strerror(code)


def _any_execute_bit(path: str) -> bool:
    try:
        return bool(os.stat(path).st_mode & (stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH))
    except OSError:
        return True


def _missing(path: str) -> str:
    """Say what is missing where the file itself is there: a link's target or an interpreter."""
    if os.path.islink(path) and not os.path.exists(path):
        return f"it is a symbolic link to '{os.readlink(path)}', which does not exist"
    try:
        with open(path, "rb") as file:
            head = file.read(_READ_AHEAD)
    except OSError as error:
        return error.strerror or str(error)
    if head.startswith(b"#!"):
        words = head[2:].split(b"\n", 1)[0].split(None, 1)
        interpreter = os.fsdecode(words[0].rstrip(b"\r")) if words else ""
        hint = " (the line ends in a carriage return)" if b"\r" in head.split(b"\n", 1)[0] else ""
        return f"its interpreter '{interpreter}' does not exist{hint}"
    if head.startswith(b"\x7fELF"):
        return (
            "the program interpreter (ld.so) it was linked for does not exist: "
            "a binary of another libc?"
        )
    return os.strerror(errno.ENOENT)
