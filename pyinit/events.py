"""What happens is told to the log.

An event has a name, a level and fields; `pyinit.report.registry` has one entry for each.  A
writer makes lines of events, and a record facts: whoever puts an init together hands them in,
and neither is made before there is something to say or to note.
"""

import _thread
import posix
import sys

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
    Kept = tuple[int, str, Fields, When]

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


# So many events wait at most for what writes or keeps them.
_MOST_KEPT = 1000

# What to take a signal, to relay it and to tell of it may load.
_RELAYING = (
    *("pyinit.log.senders", "pyinit.log.names", "pyinit.kernel.proc"),
    *("pyinit.kernel.job", "pyinit.kernel.terminal", "pyinit.command.context"),
)

# What explains a bad end, of what is told by default; so many are kept in mind.
_EXPLAINING = ("leftovers_blocked", "oom_kill", "stop_escalated")
_MOST_EXPLAINING = 20


class Log:
    """Events up to ``level``, of which those up to ``shown`` are written.

    ``open_writer`` makes the writer, and ``fd`` is where it writes: nothing is written where that
    is closed.  ``started`` is when the command was.
    """

    __slots__ = (
        *("_fd", "_is_taking", "_is_told", "_kept", "_open_record", "_open_writer", "_thread"),
        "_writer",
        *("counted", "explaining", "explains", "is_bad", "level", "lifecycle", "owed"),
        *("peak_bytes", "plain", "record", "shown", "started", "take_signals", "waits"),
    )

    def __init__(
        self,
        level: int,
        open_writer: "Callable[[], Writer]",
        fd: int | None = None,
        started: "When | None" = None,
    ) -> None:
        self._fd = fd
        self._open_writer = open_writer
        self._open_record: Callable[[], Record] | None = None
        self._writer: Writer | None = None
        self._kept: list[Kept] | None = []
        self._is_told = False  # that the record has failed
        self._is_taking = False  # what relaying a signal loads waits for no other signal
        self._thread = _thread.get_ident()
        self.started = started or now()
        self.record: Record | None = None
        # For the record, if there is to be one: how many orphans have ended with a wait status.
        self.counted: dict[int, int] | None = None
        # Whether a bad end is explained, whether there is one, and what explains it.
        self.explains = True
        self.is_bad = False
        self.explaining: list[Kept] = []
        # Tells of what came before, and is to be told before anything else is.
        self.owed: Callable[[], None] | None = None
        # Writes a line to a descriptor where no writer can be made.
        self.plain: Callable[[int, str], None] | None = None
        # Events wait for `flush`, before which nothing is loaded to write or to keep them.
        self.waits = False
        # Relays the signals that wait while something is loaded.
        self.take_signals: Callable[[], None] | None = None
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

    def emit(self, level: int, event: str, when: "When | None" = None, /, **fields: object) -> None:
        """Say that ``event`` happened, now or ``when``, if ``level`` is asked for.

        Raises nothing.
        """
        if level > self.level:
            return
        try:
            told = (level, event, fields, when or now())
            if self.owed is not None:
                self.owed()
            if event in _EXPLAINING:
                self.explaining.append(told)
                del self.explaining[:-_MOST_EXPLAINING]
            if self._kept is None:
                self._tell(*told)
                return
            self._kept.append(told)
            if not self.waits or len(self._kept) >= _MOST_KEPT:
                self._load()
        except BaseException:
            self._say_plainly(level, event, fields)  # there is no memory

    def note(self, event: str, **fields: object) -> None:
        """Keep an event in mind that is not told, for the explanation of a bad end."""
        self.explaining.append((DEBUG, event, fields, now()))

    def _tell(self, level: int, event: str, fields: "Fields", when: "When") -> None:
        failure: BaseException | None = None
        try:
            if self.record is not None:
                self.record.take(event, fields, when)
        except BaseException as error:
            failure = error  # the line is written all the same
        if level <= self.shown:
            self._write(level, event, fields, when)
        if failure is not None and not self._is_told and self.shown >= ERROR:
            self._is_told = True
            fields = {"error": repr(failure), "at": _place(failure)}
            self._write(ERROR, "internal_error", fields, when)

    def _write(self, level: int, event: str, fields: "Fields", when: "When") -> None:
        try:
            if self._writer is None:
                self._writer = self._open_writer()
            self._writer.emit(level, event, fields, when)
        except BaseException:
            # The module cannot be loaded, or is another than it was.
            self._say_plainly(level, event, fields)

    def _say_plainly(self, level: int, event: str, fields: "Fields") -> None:
        if level <= self.shown and self.plain is not None and self._fd is not None:
            words = "".join(f" {key}={value}" for key, value in fields.items())
            self.plain(self._fd, f"pyinit: {_LEVELS[level]}: {event}{words}")

    def _load(self) -> None:
        """Make what keeps and writes events, and give it those that wait.

        Signals that come meanwhile are relayed between two modules, and between two events.
        """
        kept = self._kept
        if kept is None:
            return
        sys.meta_path.insert(0, self)
        try:
            if self._open_record is not None:
                self.guard(self._make_record)
            if any(level <= self.shown for level, *_ in kept):
                self._make_writer()
            for _ in range(len(kept)):
                self._tell(*kept.pop(0))
                self.find_spec()
        finally:
            sys.meta_path.remove(self)
        self._kept = None
        for told in kept:  # of the signals that have come meanwhile
            self._tell(*told)

    def find_spec(self, name: str = "", *_: object) -> None:
        """Take the signals that wait, as one who is asked for a module and knows of none.

        Other threads of the program around us load theirs without it.
        """
        if self.take_signals is None or self._is_taking or _thread.get_ident() != self._thread:
            return
        # The signal would load it first, and then it would be loaded once more; or find it
        # without its functions.
        if name in _RELAYING or any(map(_is_half_loaded, _RELAYING)):
            return
        self._is_taking = True
        try:
            self.take_signals()
        finally:
            self._is_taking = False

    def attach_record(self, open_record: "Callable[[], Record]") -> None:
        """Have a record take every event, which ``open_record`` makes."""
        self._open_record = open_record
        self.counted = {}
        self.level = DEBUG

    def _make_record(self) -> None:
        make, self._open_record = self._open_record, None
        try:
            self.record = make() if make is not None else None
        except BaseException:
            self.level = self.shown
            raise

    def _make_writer(self) -> None:
        try:
            self._writer = self._open_writer()
        except BaseException:
            pass  # it is tried again for each event, and else written plainly

    def flush(self) -> None:
        """Bring the files that tell of the state up to date, before we wait."""
        if self._kept or self._open_record is not None:
            self.guard(self._load)
        if self.record is not None:
            self.guard(self.record.flush)

    def finish(self, exit_code: int, explain: "Callable[[], Fields] | None" = None) -> None:
        """Say that all has ended, and why as far as it was recorded.

        ``explain`` is there where the end was a bad one: it returns why, where there is no record.
        """
        self.flush()
        if not self.explains:
            explain = None
        found: Fields = {}
        if self.record is not None:
            record = self.record
            self.guard(lambda: found.update(record.finish(exit_code)))
        elif explain is not None and self.level >= WARNING:
            try:
                found = explain()
            except BaseException:
                pass  # its modules cannot be loaded any more: the exit code is told all the same
        level = INFO if explain is None else WARNING
        self.emit(level, "exiting", exit_code=exit_code, **found)
        self.flush()
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


def _is_half_loaded(name: str) -> bool:
    """Return whether a module is being loaded, so that an import gives what there is of it."""
    return bool(getattr(getattr(sys.modules.get(name), "__spec__", None), "_initializing", False))


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
