"""The facts of a run, written to the files that are asked for.

Whatever goes wrong here is logged, and ends nothing.
"""

from __future__ import annotations

from pyinit import events
from pyinit.kernel.clock import Clock
from pyinit.log.text import as_json
from pyinit.report import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyinit.events import Log
    from pyinit.report.outlets import Outlet, Outlets

TERMINATION_LOG = "/dev/termination-log"

# What Kubernetes reads of it, in bytes.
_LONGEST_MESSAGE = 4096


class Writing:
    """Writes the files of ``outlets``; ``is_kept`` where some are kept up to date."""

    def __init__(self, outlets: Outlets | None, log: Log, *, termination_log: bool) -> None:
        self._log = log
        self._report = outlets.report if outlets is not None else None
        self._status_file = outlets.status_file if outlets is not None else None
        self._metrics_file = outlets.metrics_file if outlets is not None else None
        self._termination_log = termination_log
        self._broken: set[str] = set()  # those that could not be written last time
        self.is_kept = self._status_file is not None or self._metrics_file is not None

    def keep(self, facts: dict[str, Any], clock: Clock | None = None) -> None:
        """Write the files that are kept; wait for nobody, unless ``clock`` says how long."""
        if self._status_file is not None:
            self._write(self._status_file, f"{as_json(facts)}\n", clock)
        if self._metrics_file is not None:
            from pyinit.report import metrics

            self._write(self._metrics_file, metrics.render(facts), clock)

    def go_on(self) -> None:
        """Write what did not fit of a text that was begun."""
        for outlet in (self._status_file, self._metrics_file):
            if outlet is not None and outlet.has_more:
                try:
                    outlet.go_on()
                except OSError as error:
                    self._failed(outlet, error)

    def finish(self, facts: dict[str, Any], summary: str) -> None:
        """Write all files.  Nobody is left to be relayed to: readers are given some time."""
        clock = Clock()
        self.keep(facts, clock)
        if self._report is not None:
            self._write(self._report, f"{as_json(facts)}\n", clock)
        if self._termination_log:
            self._write_termination_log(f"{summary}\n", clock)

    def _write_termination_log(self, text: str, clock: Clock) -> None:
        """Write to the file that Kubernetes mounts there; elsewhere there is none to be made.

        After what the command has written there: Kubernetes reads the end.
        """
        try:
            file = files.find(TERMINATION_LOG)
            try:
                if isinstance(file, files.File):
                    file.append(text, _LONGEST_MESSAGE, clock)
            finally:
                file.close()
        except OSError as error:
            level = events.INFO if isinstance(error, FileNotFoundError) else events.WARNING
            self._not_written(level, TERMINATION_LOG, error)

    def _write(self, outlet: Outlet, text: str, clock: Clock | None) -> None:
        try:
            outlet.write(text, clock)
        except OSError as error:
            self._failed(outlet, error)
        else:
            self._broken.discard(outlet.name)

    def _failed(self, outlet: Outlet, error: OSError) -> None:
        """Warn that a file was not written: once until it is again."""
        if outlet.name not in self._broken:
            self._broken.add(outlet.name)
            self._not_written(events.WARNING, outlet.name, error)

    def _not_written(self, level: int, path: str, error: OSError) -> None:
        reason = error.strerror or str(error)
        self._log.emit(level, "not_written", path=path, reason=reason)
