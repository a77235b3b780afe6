"""What the event listeners of a supervisord.conf are for: two wishes that need none here."""

from pyinit.services import model

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    Sections = Mapping[str, Mapping[str, str]]

_FATAL = "PROCESS_STATE_FATAL"
# A program has ended; a listener for it ends supervisord.
_ENDS = frozenset(("PROCESS_STATE_EXITED", "PROCESS_STATE_STOPPED", _FATAL))
_TRUE = ("true", "yes", "on", "1")


def parse_section(
    section: str, made: dict[str, model.Service], section_of: "Mapping[str, str]", all_: "Sections"
) -> str:
    """Change the services as the listener of ``section`` is meant; return what to say of it.

    ``section_of`` has the section of each service.
    """
    held = all_[section]
    if "supervisor_stdout" in held.get("command", ""):
        for name, service in made.items():
            _prefix(service, all_[section_of[name]])
        return f"[{section}] is not run: lines have names in front by log = 'prefix'"
    events = {each.strip() for each in held.get("events", "").split(",")}
    if not events or not events <= _ENDS:
        return f"[{section}] is not run: there are no events"
    if events == {_FATAL}:
        return f"[{section}] is not run: a program that is given up ends the container anyway"
    for service in made.values():
        service.on_success = service.on_failure = model.STOP
    return f"[{section}] is not run: the end of each program ends the container"


def _prefix(service: model.Service, held: "Mapping[str, str]") -> None:
    if held.get("stdout_events_enabled", "").strip().lower() in _TRUE:
        service.stdout = model.PREFIX
    if held.get("stderr_events_enabled", "").strip().lower() in _TRUE:
        service.stderr = model.PREFIX
