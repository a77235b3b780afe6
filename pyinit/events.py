"""What happened, as data; `pyinit.output` makes lines of it, when there is something to say."""

import posix

ERROR = 0
WARNING = 1
INFO = 2
DEBUG = 3

# Keeps a loop of failures from taking a whole processor, in seconds.
_PAUSE_AFTER_FAILURE_S = 0.1

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pyinit.output import Writer


class Log:
    """Events up to ``level`` on ``fd``, in the words of the program ``alias`` if there is one."""

    __slots__ = ("_alias", "_fd", "_writer", "level")

    def __init__(self, level: int, fd: int = 2, alias: str = "") -> None:
        self._fd = fd
        self._alias = alias
        self._writer: Writer | None = None
        try:
            posix.fstat(fd)
        except OSError:
            # Closed on entry: whatever is opened next gets its number, and must not be written to.
            level = -1
        self.level = level

    def emit(self, level: int, event: str, **fields: object) -> None:
        """Say that ``event`` happened, if ``level`` is asked for; raises nothing."""
        if level > self.level:
            return
        try:
            if self._writer is None:
                self._writer = self._make_writer()
            self._writer.emit(level, event, fields)
        except Exception:
            pass  # the module cannot be loaded; an init has better to do than to say so

    def _make_writer(self) -> "Writer":
        if self._alias:
            from pyinit import dialect

            return dialect.Writer(self._fd, self._alias, self.level)
        from pyinit import output

        return output.Writer(self._fd)

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


def _place(error: BaseException) -> str:
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None:
        return "?"
    return f"{traceback.tb_frame.f_code.co_name}:{traceback.tb_lineno}"


def tell(message: str, prefix: str = "pyinit: ") -> None:
    """Write ``message`` for people on stderr when no command runs: errors of usage and the start.

    Raises nothing and waits for nobody: the exit code matters more.
    """
    try:
        from pyinit import output

        output.Sink(2).write(f"{prefix}{output.printable(message)}")
    except Exception:
        pass  # no module, no message; the exit code tells as well
