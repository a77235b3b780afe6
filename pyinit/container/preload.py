"""What the init may need is loaded before another file system is entered; nothing is from then on.

There may be no Python there, or somebody else's.
"""

import sys

import pyinit
from pyinit import environment, fallback
from pyinit.settings import CONSOLE, Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ACTIVATED = (b"LISTEN_PID", b"WATCHDOG_PID")
_LATE = (
    *("_thread", "errno", "fcntl", "select", "termios", "time"),
    *("pyinit.asked", "pyinit.assembly", "pyinit.command.diagnosis", "pyinit.fork"),
    *("pyinit.kernel.job", "pyinit.kernel.kills", "pyinit.kernel.proc", "pyinit.kernel.terminal"),
    *("pyinit.log.lines", "pyinit.log.names", "pyinit.log.orphans", "pyinit.log.relayed"),
    *("pyinit.log.senders", "pyinit.log.sink", "pyinit.log.text", "pyinit.report.ending"),
    *("pyinit.options.values", "pyinit.process.directory", "pyinit.scope"),
    *("pyinit.stopping.order", "pyinit.stopping.teardown"),
)
_LATE_FOR = {
    "enter": ("pyinit.namespaces.enter",),
    "stop": ("pyinit.stopping.stop", "pyinit.command.context"),
    "notify": ("pyinit.stopping.notify",),
    "wait": ("pyinit.stopping.wait",),
    "pause": ("pyinit.stopping.pause",),
    "context": ("pyinit.command.context", "pyinit.command.accounts", "pyinit.kernel.score"),
    "record": (
        *("resource", "pyinit.report.metrics", "pyinit.report.outlets", "pyinit.report.record"),
        *("pyinit.report.start", "pyinit.report.writing"),
    ),
    # posix.wait4() imports it.
    "orphans": ("resource",),
    "descendants": ("pyinit.kernel.descendants", "pyinit.lineage"),
    "terminal": ("pyinit.kernel.devpts", "pyinit.command.accounts"),
    "services": (
        *("pyinit.services.apart", "pyinit.services.check", "pyinit.services.config"),
        *("pyinit.services.control", "pyinit.services.entry", "pyinit.services.envfile"),
        *("pyinit.services.lines", "pyinit.services.main", "pyinit.services.procfile"),
        *("pyinit.report.services", "pyinit.services.reporting"),
        *("pyinit.services.readers", "pyinit.services.sockets", "pyinit.services.supervisor"),
        *("pyinit.options.spelling", "glob", "json", "resource", "shlex", "tomllib"),
        *("pyinit.services.supervisord", "pyinit.stopping.notify"),
    ),
}


def load_all(settings: Settings, order: "dict[str, Any]") -> None:
    """Load what would be loaded late: soon there may be other files, or none that we may read.

    The command, too, may mount something over ours.
    """
    tells = settings.verbose > 0 and not settings.quiet
    needed = {
        "enter": order["enter"],
        "stop": settings.drain_s or settings.escalation or settings.notify,
        "notify": settings.notify,
        "wait": settings.wait_all,
        "pause": settings.pause,
        "context": settings.changes_command()
        or settings.pre_stop
        or not environment.current().keys().isdisjoint(_ACTIVATED),
        "record": settings.keeps_record() or settings.writes_elsewhere(),
        "orphans": settings.warn_on_reap,
        "descendants": order["enter"] or "pid" not in order["namespaces"],  # not PID 1
        "terminal": order["terminal"],
        "services": settings.services,
    }
    for name in _LATE:
        __import__(name)
    for use, names in _LATE_FOR.items():
        if needed[use]:
            for name in names:
                __import__(name)
    # It takes longer than all else, and warnings do without.
    if tells and _is_for_people(settings):
        try:
            __import__("pyinit.log.rendering")
        except Exception:
            pass  # structlog is not installed, or broken: the log does without it


def _is_for_people(settings: Settings) -> bool:
    """Return whether structlog renders the log."""
    if settings.log_format:
        return settings.log_format == CONSOLE
    from pyinit.log import sink

    return isinstance(settings.log_to, int) and sink.Sink(settings.log_to).is_terminal


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
