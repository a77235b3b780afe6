"""What happened, as data.

`pyinit.log.lines` makes lines of it, when there is something to say, and `pyinit.report.record`
keeps it, when there is a report to be made.  docs/events.md has all events.
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

    from pyinit.log.lines import Writer
    from pyinit.report.record import Record

    When = tuple[float, float]  # of time.time() and time.monotonic()


class Log:
    """Events up to ``level``, of which those up to ``shown`` are written to ``fd``.

    ``style`` is one of `pyinit.settings.LOG_FORMATS`, or empty for that which suits ``fd``;
    with ``alias`` it speaks as that program.  What is beyond ``shown`` is for ``record``.
    ``plain`` writes a line to a descriptor where `pyinit.log.lines` cannot be loaded.
    """

    __slots__ = (
        *("_alias", "_fd", "_is_told", "_style", "_writer"),
        *("level", "plain", "record", "shown"),
    )

    def __init__(self, level: int, fd: int = 2, alias: str = "", style: str = "") -> None:
        self._fd = fd
        self._alias = alias
        self._style = style
        self._writer: Writer | None = None
        self._is_told = False  # that the record has failed
        self.record: Record | None = None
        self.plain: Callable[[int, str], None] | None = None
        try:
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
            if self.record is not None:
                self.record.take(event, fields)
        except BaseException as error:
            failure = error  # the line is written all the same
        if level <= self.shown:
            self._write(level, event, fields, when)
        if failure is not None and not self._is_told and self.shown >= ERROR:
            self._is_told = True
            self._write(ERROR, "internal_error", {"error": repr(failure), "at": _place(failure)})

    def _write(
        self, level: int, event: str, fields: "dict[str, object]", when: "When | None" = None
    ) -> None:
        try:
            if self._writer is None:
                self._writer = self._make_writer()
            self._writer.emit(level, event, fields, when)
        except BaseException:
            # The module cannot be loaded, or is another than it was.
            if self.plain is not None:
                words = "".join(f" {key}={value}" for key, value in fields.items())
                self.plain(self._fd, f"pyinit: {_LEVELS[level]}: {event}{words}")

    def _make_writer(self) -> "Writer":
        if self._alias and not self._style:
            from pyinit.compat import log

            return log.Writer(self._fd, self._alias, self.shown)
        from pyinit.log import lines

        return lines.Writer(self._fd, self._style)

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
