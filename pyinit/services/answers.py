"""What an operator asks of services at the control socket, and the answers."""

import _signal
import json

from pyinit import signals
from pyinit.services import machine, model
from pyinit.services.group import is_ready

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from pyinit.services.supervisor import Supervisor

    Answer = dict[str, Any]

    class Asked(Protocol):
        """Who is asked: the supervisor, below the process ``init``."""

        supervisor: Supervisor
        init: int

        def stop(self) -> None:
            """Stop the container.  Raises RefusedError."""


_OK = 0
_NOT_DONE = 1
_UNKNOWN = 3  # a name that there is not
_CHANGES = ("start", "stop", "restart")
# Who waits for one of these is answered at once.
NOT_COMING = (machine.OFF, machine.FAILED, machine.DOWN)


class RefusedError(Exception):
    """A request cannot be answered; the text says why, ``code`` is pyinitctl's exit code."""

    def __init__(self, text: str, code: int = _NOT_DONE) -> None:
        super().__init__(text)
        self.code = code


class Request:
    """What is asked for; no names are all, ``stream`` is 1, 2, or 0 for both."""

    __slots__ = ("names", "signal", "stream", "verb")

    def __init__(self, verb: str, names: list[str], signal: int, stream: int) -> None:
        self.verb = verb
        self.names = names
        self.signal = signal
        self.stream = stream


def parse(data: bytes, supervisor: "Supervisor") -> Request:
    """Return a request.  Raises RefusedError."""
    try:
        found = json.loads(data)
        verb, names, number = found["verb"], found.get("names", []), found.get("signal", 0)
        stream = found.get("stream", 0)
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError):
        raise RefusedError("this is not a request") from None
    if not isinstance(names, list) or type(number) is not int or stream not in (0, 1, 2):
        raise RefusedError("this is not a request")
    known = supervisor.services.by_name
    for name in names:
        if not isinstance(name, str) or name not in known:
            raise RefusedError(f"there is no service '{name}'", _UNKNOWN)
    return Request(str(verb), list(dict.fromkeys(names)), number, stream)


def do(asked: "Asked", request: Request) -> "Answer":
    """Do what is asked for, and return the answer.  Raises RefusedError."""
    supervisor = asked.supervisor
    verb, names = request.verb, request.names
    if verb == "status":
        return status(supervisor, names) | {"init": asked.init}
    if verb == "shutdown":
        asked.stop()
        return {"code": _OK}
    names = names or list(supervisor.services.by_name)
    if verb in ("logs", "clear"):
        return _logs(supervisor, names, request)
    if verb in _CHANGES:
        if supervisor.group.cause:
            raise RefusedError("the container is stopping")
        for name in names:
            supervisor.request(name, verb)
    elif verb in ("signal", "reload"):
        for name in names:
            _send_signal(supervisor, name, request.signal if verb == "signal" else 0)
    else:
        raise RefusedError(f"'{verb}' is not known")
    return status(supervisor, names) | {"code": _OK}


def _logs(supervisor: "Supervisor", names: list[str], request: Request) -> "Answer":
    outputs = supervisor.outputs
    lines = {name: outputs.last_lines(name, request.stream) for name in names}
    if request.verb == "clear":
        for name in names:
            outputs.clear(name)
    return {"code": _OK, "lines": lines}


def _send_signal(supervisor: "Supervisor", name: str, number: int) -> None:
    number = number or supervisor.services.by_name[name].reload_signal
    if not number:
        raise RefusedError(f"service '{name}' has no 'reload-signal'")
    if supervisor.group.units[name].state not in machine.LIVING:
        raise RefusedError(f"service '{name}' does not run")
    if not 0 < number <= _signal.SIGRTMAX:
        raise RefusedError(f"{number} is not a signal")
    supervisor.signal(name, number)


def expected(supervisor: "Supervisor", names: list[str]) -> list[str]:
    """Return ``names``, or without any those of all services but who is off."""
    units = supervisor.group.units.items()
    return names or [name for name, unit in units if unit.state != machine.OFF]


def status(supervisor: "Supervisor", names: list[str]) -> "Answer":
    """Return where services stand; the code is 0 if all are ready that are expected to be."""
    rows = [_row(supervisor, name) for name in names or supervisor.services.by_name]
    units = [supervisor.group.units[name] for name in expected(supervisor, names)]
    code = _OK if all(map(is_ready, units)) else _NOT_DONE
    return {"code": code, "stopping": supervisor.group.cause, "services": rows}


def _row(supervisor: "Supervisor", name: str) -> "Answer":
    """Return what there is to say of a service, without what there is not."""
    now = supervisor.loop.now()
    unit = supervisor.group.units[name]
    row: Answer = {"name": name, "state": unit.state, "ready": is_ready(unit)}
    if unit.service.type != model.SERVICE:
        row["type"] = unit.service.type
    if unit.state in machine.LIVING:
        row["pid"] = supervisor.runs[name].pid
    row |= _of_conf(unit.service)
    if unit.state == machine.UP:
        row["up_s"] = round(now - unit.up_since, 3)
    elif unit.state not in machine.LIVING and unit.starts:
        row["ended_s"] = round(now - supervisor.since[name][1], 3)
    if unit.code is not None:
        row["exit_code"] = unit.code
    if unit.signal:
        row["signal"] = signals.name(unit.signal)
    if unit.restarts:
        row["restarts"] = unit.restarts
    return row


def _of_conf(service: model.Service) -> "Answer":
    """Return what supervisorctl shows of a service."""
    found: Answer = {"group": service.group} if service.group else {}
    if service.priority != model.Service.priority:
        found["priority"] = service.priority
    if not service.autostart:
        found["autostart"] = False
    return found
