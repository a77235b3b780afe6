"""What happens is told to the log.

An event has a name, a level and fields; `pyinit.report.registry` has one entry for each.  A
writer makes lines of events, and a record facts: whoever puts an init together hands them in,
and neither is made before there is something to say or to note.
"""

import posix

ERROR = 0
WARNING = 1
INFO = 2
DEBUG = 3
_LEVELS = ("error", "warning", "info", "debug")

# Keeps a loop of failures from taking a whole processor, in seconds.
_PAUSE_AFTER_FAILURE_S = 0.1

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from pyinit.lifecycle import Lifecycle

    When = tuple[float, float]  # of time.time() and time.monotonic()
    Fields = dict[str, object]

    class Writer(Protocol):
        """Writes events."""

        def emit(self, level: int, event: str, fields: Fields, when: When, /) -> None:
            """Write one."""

        def close(self) -> None:
            """Write no more."""

    class Record(Protocol):
        """Keeps what happened."""

        def take(self, event: str, fields: Fields, when: When, /) -> None:
            """Take note of an event."""

        def flush(self) -> None:
            """Bring the files that tell of the state up to date."""

        def finish(self, exit_code: int, /) -> Fields:
            """Return what is to be said of the end."""

        def not_started(self, code: int, reason: str, /) -> None:
            """Take note that the command could not be started."""


class Log:
    """Events up to ``level``, of which those up to ``shown`` are written.

    ``open_writer`` makes the writer, for the first event; ``fd`` is where it writes, and nothing
    is written where that is closed.  What is beyond ``shown`` is for the ``record``.  ``plain``
    writes a line to a descriptor where no writer can be made.
    """

    __slots__ = (
        *("_fd", "_is_told", "_open_writer", "_writer"),
        *("level", "lifecycle", "peak_bytes", "plain", "record", "shown"),
    )

    def __init__(
        self, level: int, open_writer: "Callable[[], Writer]", fd: int | None = None
    ) -> None:
        self._fd = fd
        self._open_writer = open_writer
        self._writer: Writer | None = None
        self._is_told = False  # that the record has failed
        self.record: Record | None = None
        self.plain: Callable[[int, str], None] | None = None
        # What a record asks for: the state of the init, and the peak of its memory cgroup.
        self.lifecycle: Lifecycle | None = None
        self.peak_bytes: Callable[[], int | None] | None = None
        try:
            if fd is not None:
                posix.fstat(fd)
        except OSError:
            # Closed on entry: whatever is opened next gets its number, and must not be written to.
            level = -1
        self.level = self.shown = level

    def keep(self, record: "Record") -> None:
        """Have ``record`` take every event."""
        self.record = record
        self.level = DEBUG

    def emit(self, level: int, event: str, when: "When | None" = None, /, **fields: object) -> None:
        """Say that ``event`` happened, now or ``when``, if ``level`` is asked for.

        Raises nothing.
        """
        if level > self.level:
            return
        failure: BaseException | None = None
        try:
            when = when or now()
            if self.record is not None:
                self.record.take(event, fields, when)
        except BaseException as error:
            failure = error  # the line is written all the same
        if level <= self.shown:
            self._write(level, event, fields, when)
        if failure is not None and not self._is_told and self.shown >= ERROR:
            self._is_told = True
            self._write(ERROR, "internal_error", {"error": repr(failure), "at": _place(failure)})

    def _write(self, level: int, event: str, fields: "Fields", when: "When | None" = None) -> None:
        try:
            if self._writer is None:
                self._writer = self._open_writer()
            self._writer.emit(level, event, fields, when or now())
        except BaseException:
            # The module cannot be loaded, or is another than it was.
            if self.plain is not None and self._fd is not None:
                words = "".join(f" {key}={value}" for key, value in fields.items())
                self.plain(self._fd, f"pyinit: {_LEVELS[level]}: {event}{words}")

    def flush(self) -> None:
        """Bring the files that tell of the state up to date, before we wait."""
        if self.record is not None:
            self.guard(self.record.flush)

    def finish(self, exit_code: int) -> None:
        """Say that all has ended, and why as far as it was recorded."""
        found: dict[str, object] = {}
        if self.record is not None:
            record = self.record
            self.guard(lambda: found.update(record.finish(exit_code)))
        self.emit(INFO, "exiting", exit_code=exit_code, **found)
        if self._writer is not None:
            self.guard(self._writer.close)

    def guard(self, step: "Callable[[], None]") -> None:
        """Run ``step``, and only say what it raises: the container is not ours to end."""
        try:
            step()
        except BaseException as error:
            try:
                self.emit(ERROR, "internal_error", error=repr(error), at=_place(error))
                import time

                time.sleep(_PAUSE_AFTER_FAILURE_S)
            except BaseException:
                pass  # not even that; whoever runs steps goes on


def now() -> "When":
    """Return the time, for an event that is told of later."""
    import time

    return time.time(), time.monotonic()


def _place(error: BaseException) -> str:
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None:
        return "?"
    return f"{traceback.tb_frame.f_code.co_name}:{traceback.tb_lineno}"
