"""Places that are written to, looked at before anything is started: a wrong one is an error."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from pyinit import files
from pyinit.values import UsageError

if TYPE_CHECKING:
    from pyinit.settings import Settings

_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK


def prepare(asked: Settings) -> None:
    """Open the log, and see that the files can be written.

    A descriptor other than the standard ones is not left to the command, which would hold
    a pipe open.  Raises UsageError, which names the option.
    """
    if isinstance(asked.log_to, int):
        _check_descriptor(asked.log_to, "--log-fd (or PYINIT_LOG_FD)")
    else:
        asked.log_to = _open(asked.log_to, "--log-file (or PYINIT_LOG_FILE)")
    if isinstance(asked.report, str):
        fd = files.descriptor_of(asked.report)
        asked.report = asked.report if fd is None else fd
    if isinstance(asked.report, int):
        _check_descriptor(asked.report, "--report (or PYINIT_REPORT)")
    for name in ("report", "status_file", "metrics_file"):
        path = getattr(asked, name)
        if isinstance(path, str) and path:
            option = name.replace("_", "-")
            _check_path(path, f"--{option} (or PYINIT_{name.upper()})")


def prepare_in_program(asked: Settings) -> int | None:
    """Do the same for a program that asks by keywords; return the log, if it was opened.

    Raises ValueError.
    """
    opens = isinstance(asked.log_to, str)
    try:
        prepare(asked)
    except UsageError as error:
        raise ValueError(str(error)) from None
    return int(asked.log_to) if opens else None


def _check_descriptor(fd: int, source: str) -> None:
    import fcntl

    try:
        flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    except OSError:
        raise UsageError(
            f"{source}: descriptor {fd} is not open: expected one that is, such as 2 for stderr"
        ) from None
    if flags & os.O_ACCMODE == os.O_RDONLY:
        raise UsageError(f"{source}: descriptor {fd} is open for reading: expected one to write to")
    if fd > 2:
        os.set_inheritable(fd, False)  # noqa: FBT003 - it takes no keyword


def _open(path: str, source: str) -> int:
    try:
        fd = os.open(path, _APPEND, 0o644)
    except OSError as error:
        reason = error.strerror
        if error.errno == 6:  # ENXIO, see fifo(7)
            reason = "it is a FIFO that nobody reads, or a device that is not there"
        raise UsageError(f"{source}: '{path}' cannot be written: {reason}") from None
    if fd > 2:
        return fd
    # The command would get it where a standard descriptor was closed.
    import fcntl

    try:
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
    finally:
        os.close(fd)


def _check_path(path: str, source: str) -> None:
    """See whether `pyinit.files.write` could write it now.  Raises UsageError."""
    wrong = _what_is_wrong(path)
    if wrong:
        raise UsageError(f"{source}: '{path}' cannot be written: {wrong}")


def _what_is_wrong(path: str) -> str:
    directory = os.path.dirname(os.path.realpath(path))
    try:
        if stat.S_ISDIR(os.stat(path).st_mode):
            return "it is a directory"
        if os.access(path, os.W_OK, effective_ids=True):
            return ""
    except FileNotFoundError:
        pass
    except OSError as error:
        return error.strerror or str(error)
    if not os.path.isdir(directory):
        return f"there is no directory '{directory}'"
    if not os.access(directory, os.W_OK | os.X_OK, effective_ids=True):
        return f"directory '{directory}' is read-only or belongs to somebody else"
    return ""
