"""What the log tells of services: each event from what a unit was before and is now."""

from pyinit import events, signals
from pyinit.services import machine, model
from pyinit.services.group import BY_ITSELF, BY_SERVICE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyinit.services.group import Group
    from pyinit.services.machine import Unit
    from pyinit.services.output import Outputs


class Teller:
    """Tells ``log`` of what happens in ``group``."""

    def __init__(self, log: events.Log, group: "Group", outputs: "Outputs") -> None:
        self._log = log
        self._group = group
        self._outputs = outputs
        self._cause = ""
        self._was_ready = False
        self._skipped: set[str] = set()

    def after(self, name: str, event: str, before: str) -> None:
        """Tell what ``event`` has done to a service whose state was ``before``."""
        unit = self._group.units[name]
        if event == machine.READY:
            self._log.emit(events.INFO, "service_ready", service=name)
        elif event == machine.ENDED:
            self._tell_end(name, unit)
        elif event == machine.GONE:
            self._tell_decision(name, unit)
        elif event == machine.DEADLINE:
            self._tell_deadline(name, unit, before)
        self.after_all()

    def after_all(self) -> None:
        """Tell what concerns all services."""
        group = self._group
        if group.was_ready and not self._was_ready:
            self._was_ready = True
            self._log.emit(events.INFO, "services_ready", services=list(group.units))
        if group.cause and not self._cause:
            self._cause = group.cause
            if group.cause == BY_SERVICE:
                unit = group.units[group.culprit]
                fields = self._end_of(group.culprit, unit)
                level = events.INFO if unit.succeeded() else events.WARNING
                self._log.emit(level, "services_stop", service=group.culprit, **fields)
            else:
                level = events.WARNING if group.cause == BY_ITSELF else events.INFO
                self._log.emit(level, "services_stop", cause=group.cause)

    def hopeless(self, name: str) -> None:
        """Tell that a service will not be started."""
        failed = self._group.failed_ones(name)
        self._log.emit(events.WARNING, "service_cannot_start", service=name, failed=failed)

    def skipped(self, name: str) -> None:
        """Tell, once, that a job's last run goes on when the next one is due."""
        if name not in self._skipped:
            self._skipped.add(name)
            self._log.emit(events.WARNING, "service_run_skipped", service=name)

    def abandoned(self, name: str, pids: list[int]) -> None:
        """Tell who did not end by KILL."""
        self._log.emit(events.ERROR, "service_not_killed", service=name, left=pids)

    def _tell_end(self, name: str, unit: "Unit") -> None:
        quiet = unit.asked or unit.succeeded()
        level = events.INFO if quiet or unit.service.type == model.SERVICE else events.WARNING
        self._log.emit(level, "service_exited", service=name, **_status(unit))

    def _tell_decision(self, name: str, unit: "Unit") -> None:
        if unit.state == machine.BACKOFF:
            fields = self._end_of(name, unit)
            fields["delay_s"] = round(unit.delay_s, 3)
            self._log.emit(events.WARNING, "service_restarts", service=name, **fields)
        elif unit.gave_up:
            fields = self._end_of(name, unit)
            self._log.emit(events.ERROR, "service_given_up", service=name, **fields)
        elif unit.state == machine.FAILED:
            self._log.emit(events.WARNING, "service_failed", service=name, **_status(unit))

    def _tell_deadline(self, name: str, unit: "Unit", before: str) -> None:
        if before == machine.STARTING:
            limit = unit.service.start_timeout_s
            self._log.emit(
                events.WARNING, "service_start_timed_out", service=name, start_timeout_s=limit
            )
        elif unit.state == machine.KILLING and before in (machine.STOPPING, machine.ENDING):
            limit = unit.service.stop_timeout_s
            self._log.emit(events.WARNING, "service_killed", service=name, stop_timeout_s=limit)

    def _end_of(self, name: str, unit: "Unit") -> dict[str, object]:
        """Return how a service ended, how often it was restarted, and its last lines if kept."""
        fields = _status(unit)
        if unit.restarts:
            fields["restarts"] = unit.restarts
        lines = self._outputs.last_lines(name)
        if lines:
            fields["last_lines"] = lines
        return fields


def _status(unit: "Unit") -> dict[str, object]:
    fields: dict[str, object] = {"exit_code": unit.code}
    if unit.signal:
        fields["signal"] = signals.name(unit.signal)
    return fields
