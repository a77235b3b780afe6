"""The log in the words of the program under whose name pyinit runs.

What that program has no words for is written as event and fields, after its
prefix.  Everything goes to stderr, for stdout is the command's.
"""

import _signal

from pyinit.compat import peers
from pyinit.compat.program import WARNING, prefix, severity
from pyinit.log import sink, text
from pyinit.options import values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyinit.compat.program import Lines

    Fields = dict[str, object]

# The event is another one when the process was killed, or the signal was rewritten.
_KILLED = {"orphan_reaped": "orphan_killed", "child_exited": "child_killed"}

# What these programs do not know of at all.
_NEW = ("init_started", "signal_received", "child_continued", "teardown_finished")


class PeerWriter:
    """Events as lines of the program ``name``, whose log is at ``level``."""

    __slots__ = ("_dropped", "_level", "_name", "_program", "_sink")

    def __init__(self, fd: int, name: str, level: int) -> None:
        self._sink = sink.Sink(fd)
        self._dropped = 0
        self._name = name
        self._level = level
        self._program = peers.program(name)

    def emit(self, level: int, event: str, fields: "Fields", _: "text.When") -> None:
        """Say that ``event`` happened; raises nothing.  These programs tell no time."""
        if event in _NEW:
            return
        try:
            words = _words(fields)
            for level_of_line, template in self._lines(level, event, fields):
                if level_of_line <= self._level:
                    begin = prefix(self._name, severity(level_of_line))
                    self._write(begin + text.printable(template.format_map(words)))
        except Exception:
            self._dropped += 1

    def close(self) -> None:
        """Write no more; the descriptor stays open."""
        self._sink.close()

    def _write(self, line: str) -> None:
        if self._sink.write(line + self._loss()):
            self._dropped = 0
        else:
            self._dropped += 1

    def _loss(self) -> str:
        return f" ({self._dropped} lines before this one were dropped)" if self._dropped else ""

    def _lines(self, level: int, event: str, fields: "Fields") -> "Lines":
        if event == "signal_relayed" and "received" in fields:
            event = "signal_rewritten"
        elif "signal" in fields:
            event = _KILLED.get(event, event)
        lines = self._program.lines.get(event)
        if lines is None:
            return ((level, event + "".join(f" {key}={{{key}}}" for key in fields)),)
        if event.startswith("orphan") and level == WARNING:
            # An orphan of which one asked to be warned.
            if self._program.on_reap:
                return lines + self._program.on_reap
            return tuple((level, template) for _, template in lines)
        return lines


def _words(fields: "Fields") -> "Fields":
    """Return the fields, and what is made of them: numbers and descriptions of signals."""
    words = dict(fields)
    if "signal" in fields:
        words["number"] = number = _number(fields["signal"])
        words["text"] = _signal.strsignal(number) if number else fields["signal"]
    if "received" in fields:
        words["before"] = _number(fields["received"])
    command = fields.get("command")
    if isinstance(command, list) and command:
        words["program"] = command[0]
    return words


def _number(name: object) -> int:
    """Return the number of a signal by its name."""
    try:
        return values.signal(str(name), "")
    except values.UsageError:
        return 0
