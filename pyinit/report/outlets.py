"""Places that are written to, looked at before anything is started: a wrong one is an error."""

from __future__ import annotations

import os

from pyinit.options.values import UsageError
from pyinit.report import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyinit.settings import Settings

    Outlet = files.File | files.Stream

_FILES = ("report", "status_file", "metrics_file")


class Outlets:
    """The places of a run: for the report and the files that are kept, None where not asked for."""

    def __init__(self) -> None:
        self.report: Outlet | None = None
        self.status_file: Outlet | None = None
        self.metrics_file: Outlet | None = None
        self._log = -1  # a descriptor that was opened here
        self._private: list[int] = []  # those that the command would have inherited

    def close(self) -> None:
        """Let go of all of them, and give descriptors of others back as they were."""
        for outlet in (self.report, self.status_file, self.metrics_file):
            if outlet is not None:
                outlet.close()
        self.report = self.status_file = self.metrics_file = None
        if self._log >= 0:
            os.close(self._log)
            self._log = -1
        while self._private:
            try:
                os.set_inheritable(self._private.pop(), True)  # noqa: FBT003 - it takes no keyword
            except OSError:
                pass  # EBADF: it was closed meanwhile

    def find(self, settings: Settings) -> None:
        """Open the log, and find the others.  Raises UsageError, which names the option."""
        source = "--log-file (or PYINIT_LOG_FILE)"
        if isinstance(settings.log_to, int):
            source = "--log-fd (or PYINIT_LOG_FD)"
        else:
            settings.log_to = self._open_log(settings.log_to, source)
        if settings.log_to != self._log:
            self._check_descriptor(settings.log_to, source)
        for name in _FILES:
            place = getattr(settings, name)
            if place != "":
                self._find(name, place, f"--{name.replace('_', '-')} (or PYINIT_{name.upper()})")

    def _open_log(self, path: str, source: str) -> int:
        try:
            file = files.find(path)
            if isinstance(file, files.Stream):
                return file.fd
            try:
                self._log = file.open_to_append()
            finally:
                file.close()
        except OSError as error:
            raise _unwritable(path, error, source) from None
        return self._log

    def _find(self, name: str, place: int | str, source: str) -> None:
        try:
            outlet = files.Stream(place) if isinstance(place, int) else files.find(place)
            setattr(self, name, outlet)
            if isinstance(outlet, files.File):
                outlet.check()
        except OSError as error:
            raise _unwritable(str(place), error, source) from None
        if isinstance(outlet, files.Stream):
            self._check_descriptor(outlet.fd, source)

    def _check_descriptor(self, fd: int, source: str) -> None:
        """See that it can be written to.

        A descriptor other than the standard ones is not left to the command, which would hold
        a pipe open.  Raises UsageError.
        """
        import fcntl

        try:
            flags = fcntl.fcntl(fd, fcntl.F_GETFL)
        except OSError:
            raise UsageError(
                f"{source}: descriptor {fd} is not open: expected one that is, such as 2 for stderr"
            ) from None
        if flags & os.O_ACCMODE == os.O_RDONLY:
            raise UsageError(
                f"{source}: descriptor {fd} is open for reading: expected one to write to"
            )
        if fd > 2 and os.get_inheritable(fd):
            os.set_inheritable(fd, False)  # noqa: FBT003 - it takes no keyword
            self._private.append(fd)


def prepare(settings: Settings) -> Outlets:
    """Find all places, and return them; a log in a file is opened.  Raises UsageError."""
    outlets = Outlets()
    try:
        outlets.find(settings)
    except UsageError:
        outlets.close()
        raise
    return outlets


def _unwritable(path: str, error: OSError, source: str) -> UsageError:
    return UsageError(f"{source}: '{path}' cannot be written: {error.strerror}")
