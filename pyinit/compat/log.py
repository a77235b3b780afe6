"""The log in the words of the program under whose name pyinit runs.

What that program has no words for is written as event and fields, after its
prefix.  Everything goes to stderr, for stdout is the command's.
"""

import _signal

from pyinit.compat import peers
from pyinit.log import sink, text
from pyinit.options import values

TYPE_CHECKING = False
if TYPE_CHECKING:
    Lines = tuple[tuple[int, str], ...]
    Fields = dict[str, object]

# As in `pyinit.events`, which is above this.
_WARNING = 1
_INFO = 2
_DEBUG = 3
_TRACE = 4  # what tini has beyond those

# The event is another one when the process was killed, or the signal was rewritten.
_KILLED = {"orphan_reaped": "orphan_killed", "child_exited": "child_killed"}

# What these programs do not know of at all.
_NEW = ("init_started", "signal_received", "child_continued", "teardown_finished")

# The lines of each event: the level, and words with fields in braces; see `_words`.
_TINI: "dict[str, Lines]" = {
    "child_started": ((_INFO, "Spawned child process '{program}' with pid '{pid}'"),),
    "signal_relayed": ((_DEBUG, "Passing signal: '{text}'"),),
    "signal_rewritten": ((_DEBUG, "Passing signal: '{text}'"),),
    "signal_ignored": (),
    "signal_dropped": ((_WARNING, "Unexpected error when forwarding signal: '{reason}'"),),
    "orphan_reaped": ((_DEBUG, "Reaped child with pid: '{pid}'"),),
    "orphan_killed": ((_DEBUG, "Reaped child with pid: '{pid}'"),),
    "child_exited": (
        (_DEBUG, "Reaped child with pid: '{pid}'"),
        (_INFO, "Main child exited normally (with status '{exit_code}')"),
    ),
    "child_killed": (
        (_DEBUG, "Reaped child with pid: '{pid}'"),
        (_INFO, "Main child exited with signal (with signal '{text}')"),
    ),
    "exiting": ((_TRACE, "Exiting: child has exited"),),
    "not_a_subreaper": ((_WARNING, "Failed to register as child subreaper: {reason}"),),
}
_TINI_WARNS_OF_REAPING = ((_WARNING, "Reaped zombie process with pid={pid}"),)

_DUMB_INIT: "dict[str, Lines]" = {
    "child_started": ((_INFO, "Child spawned with PID {pid}."),),
    "signal_relayed": (
        (_DEBUG, "Received signal {number}."),
        (_DEBUG, "Forwarded signal {number} to children."),
    ),
    "signal_rewritten": (
        (_DEBUG, "Received signal {before}."),
        (_DEBUG, "Translating signal {before} to {number}."),
        (_DEBUG, "Forwarded signal {number} to children."),
    ),
    "signal_ignored": (
        (_DEBUG, "Received signal {before}."),
        (_DEBUG, "Translating signal {before} to 0."),
        (_DEBUG, "Not forwarding signal 0 to children (ignored)."),
    ),
    "orphan_reaped": ((_DEBUG, "A child with PID {pid} exited with exit status {exit_code}."),),
    "orphan_killed": ((_DEBUG, "A child with PID {pid} was terminated by signal {number}."),),
    "child_exited": ((_INFO, "A child with PID {pid} exited with exit status {exit_code}."),),
    "child_killed": ((_INFO, "A child with PID {pid} was terminated by signal {number}."),),
    "leftovers_asked": ((_INFO, "Forwarded signal {number} to children."),),
    "exiting": ((_INFO, "Child exited with status {exit_code}. Goodbye."),),
}

_CATATONIT: "dict[str, Lines]" = {
    "child_started": ((_DEBUG, "pid1 ({pid}) spawned: {program}"),),
    "orphan_reaped": ((_DEBUG, "child process {pid} exited with code {exit_code}"),),
    "orphan_killed": ((_DEBUG, "child process {pid} exited due to signal {number}"),),
    "not_a_subreaper": ((_WARNING, "failed to set child-reaper as non-pid1: {reason}"),),
    # It does not say these.
    "signal_relayed": (),
    "signal_rewritten": (),
    "signal_ignored": (),
    "child_exited": (),
    "child_killed": (),
    "exiting": (),
}

_LANGUAGES = {peers.TINI: _TINI, peers.DUMB_INIT: _DUMB_INIT, peers.CATATONIT: _CATATONIT}


class Writer:
    """Events as lines of the program ``name``, whose log is at ``level``."""

    __slots__ = ("_dropped", "_language", "_level", "_name", "_sink")

    def __init__(self, fd: int, name: str, level: int) -> None:
        self._sink = sink.Sink(fd)
        self._dropped = 0
        self._name = name
        self._level = level
        self._language = _LANGUAGES[peers.family(name)]

    def emit(self, level: int, event: str, fields: "Fields", _: "text.When") -> None:
        """Say that ``event`` happened; raises nothing.  These programs tell no time."""
        if event in _NEW:
            return
        try:
            words = _words(fields)
            for severity, template in self._lines(level, event, fields):
                if severity <= self._level:
                    prefix = peers.prefix(self._name, peers.severity(severity))
                    self._write(prefix + text.printable(template.format_map(words)))
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
        lines = self._language.get(event)
        if lines is None:
            return ((level, event + "".join(f" {key}={{{key}}}" for key in fields)),)
        if event.startswith("orphan") and level == _WARNING:
            # An orphan of which one asked to be warned.
            if self._language is _TINI:
                return lines + _TINI_WARNS_OF_REAPING
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
