"""What the init may need is loaded before another file system is entered; nothing is from then on.

There may be no Python there, or somebody else's.
"""

import sys

import pyinit
from pyinit import environment, fallback, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ACTIVATED = (b"LISTEN_PID", b"WATCHDOG_PID")
_LATE = (
    *("_thread", "fcntl", "select", "termios", "time"),
    *("pyinit.command.diagnosis", "pyinit.fork"),
    *("pyinit.child", "pyinit.inbox", "pyinit.lifecycle", "pyinit.reaper", "pyinit.supervisor"),
    *("pyinit.kernel.job", "pyinit.kernel.kills", "pyinit.kernel.proc", "pyinit.kernel.terminal"),
    *("pyinit.log.lines", "pyinit.log.names", "pyinit.log.orphans", "pyinit.log.sink"),
    *("pyinit.log.senders", "pyinit.log.text", "pyinit.report.ending"),
    *("pyinit.options.values", "pyinit.stopping.order", "pyinit.stopping.teardown"),
)
_LATE_FOR = {
    "enter": ("pyinit.namespaces.enter",),
    "stop": ("pyinit.stopping.stop", "pyinit.command.changes"),
    "notify": ("pyinit.stopping.notify",),
    "changes": ("pyinit.command.changes", "pyinit.command.accounts", "pyinit.kernel.score"),
    "record": (
        *("resource", "pyinit.report.metrics", "pyinit.report.outlets", "pyinit.report.record"),
        *("pyinit.report.start", "pyinit.report.writing"),
    ),
    # posix.wait4() imports it.
    "orphans": ("resource",),
    "descendants": ("pyinit.kernel.descendants", "pyinit.lineage"),
    "terminal": ("pyinit.kernel.devpts", "pyinit.command.accounts"),
}


def load_all(asked: settings.Settings, order: "dict[str, Any]") -> None:
    """Load what would be loaded late: soon there may be other files, or none that we may read.

    The command, too, may mount something over ours.
    """
    tells = asked.verbose > 0 and not asked.quiet
    needed = {
        "enter": order["enter"],
        "stop": asked.drain_s or asked.escalation or asked.notify,
        "notify": asked.notify,
        "changes": asked.changes_command()
        or asked.pre_stop
        or not environment.current().keys().isdisjoint(_ACTIVATED),
        "record": asked.keeps_record() or asked.writes_elsewhere(),
        "orphans": asked.warn_on_reap,
        "descendants": order["enter"] or "pid" not in order["namespaces"],  # not PID 1
        "terminal": order["terminal"],
    }
    for name in _LATE:
        __import__(name)
    for use, names in _LATE_FOR.items():
        if needed[use]:
            for name in names:
                __import__(name)
    # It takes longer than all else, and warnings do without.
    if tells and _is_for_people(asked):
        try:
            __import__("pyinit.log.rendering")
        except Exception:
            pass  # structlog is not installed, or broken: the log does without it


def _is_for_people(asked: settings.Settings) -> bool:
    """Return whether structlog renders the log."""
    if asked.log_format:
        return asked.log_format == settings.CONSOLE
    from pyinit.log import sink

    return isinstance(asked.log_to, int) and sink.Sink(asked.log_to).is_terminal


class _Closed:
    """The only finder of modules, which finds none."""

    def find_spec(self, name: str, *_: object) -> None:
        """Raise ImportError."""
        raise ImportError(f"'{name}' would be loaded from another file system", name=name)


def close_imports() -> None:
    """Let nothing be imported that is not yet: the paths of modules soon lead to others' files.

    Neither are files read for what Python writes of an error on its own.
    """
    sys.meta_path[:] = [_Closed()]
    sys.path_hooks.clear()
    sys.path_importer_cache.clear()
    sys.path.clear()
    pyinit.__path__ = []
    sys.excepthook = lambda _, error, __: fallback.tell(f"internal error: {error!r}")
    sys.unraisablehook = lambda what: fallback.tell(f"internal error: {what.exc_value!r}")
