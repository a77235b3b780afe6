"""All services of a container: who may start, who is stopped next, what the end is.

Data alone, as `machine`: fed with events of one service, with the container's stop signals and
with an operator's requests, it answers with what is to be done for whom.

The order: a service is started when all that it comes after are ready or done, and stopped
when all that come after it are settled.  Where there is no order, things happen at once.
"""

from pyinit.services import machine, model, order
from pyinit.services.machine import Unit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyinit.services.model import Services

    # What is to be done for which service, in this order.
    Todo = list[tuple[str, str]]

# What ends the container.
BY_SIGNAL = "signal"
BY_SERVICE = "service"
BY_ITSELF = "nothing left to run"

# An operator's requests.
REQUESTS = {
    "start": machine.START,
    "stop": machine.STOP,
    "restart": machine.RESTART,
}


class Group:
    """The units of ``services`` and what they have in common.

    ``cause`` is what the container's stop came from: one of `BY_SIGNAL`, `BY_SERVICE` (then
    ``culprit`` is its name), `BY_ITSELF`, or empty before it.  ``was_ready`` tells whether all
    were ready once.
    """

    def __init__(self, services: "Services") -> None:
        self.services = services
        self.units = {name: Unit(each) for name, each in services.by_name.items()}
        self.cause = ""
        self.culprit = ""
        self.was_ready = False
        self.stops = 0  # stop signals
        # To be ready before, and to be settled before the stop of.
        self._after = after_of(services)
        self._stopped_after = order.reverse(stop_graph(services))
        self._ended: list[str] = []  # names, by their last end

    def start(self, now: float) -> "Todo":
        """Start those who come after nobody.  To be called once, before all others."""
        todo: Todo = []
        self._settle(now, todo)
        return todo

    def tell(self, name: str, event: str, now: float, status: int = 0) -> "Todo":
        """Take an event of service ``name``; see `machine.Unit.step`."""
        todo: Todo = []
        self._step(name, event, now, todo, status)
        self._settle(now, todo)
        return todo

    def stop(self, now: float) -> "Todo":
        """Take a stop signal: the first stops in order, the second all at once, the third kills."""
        todo: Todo = []
        self.stops += 1
        if not self.cause:
            self._begin_stop(BY_SIGNAL)
        if self.stops > 2:
            for name, unit in self.units.items():
                if unit.state != machine.KILLING:
                    self._step(name, machine.KILL_NOW, now, todo)
        self._settle(now, todo)
        return todo

    def request(self, name: str, verb: str, now: float) -> "Todo":
        """Do what an operator asks for; ``verb`` is one of `REQUESTS`.

        Nothing, once the container stops.  Raises KeyError for a name that there is not.
        """
        todo: Todo = []
        event = REQUESTS[verb]
        if not self.cause:
            self._step(name, event, now, todo)
            self._settle(now, todo)
        return todo

    def is_over(self) -> bool:
        """Return whether the container's stop has begun and all services are settled."""
        return bool(self.cause) and self._all_in(machine.SETTLED)

    def is_ready(self) -> bool:
        """Return whether all services are ready, tasks have succeeded, and jobs have begun.

        Those do not count that nobody has asked for.
        """
        return all(is_ready(unit) or unit.state == machine.OFF for unit in self.units.values())

    def exit_code(self) -> int:
        """Return the container's exit code, once it is over."""
        main = self.services.main()
        if main is not None and self.culprit in ("", main.name):
            code = self.units[main.name].code
            if code is not None:
                return code
        if self.culprit:
            return self.units[self.culprit].code or 0
        if self.cause == BY_SIGNAL:
            others = [name for name in self._ended if not self.units[name].ended_as_asked()]
        else:
            failed = [name for name in self._ended if self.units[name].state == machine.FAILED]
            others = [name for name in failed if not self.units[name].succeeded()]
        return (self.units[others[0]].code or 0) if others else 0

    # -- What follows from one event for the others.

    def _step(self, name: str, event: str, now: float, todo: "Todo", status: int = 0) -> None:
        unit = self.units[name]
        actions = unit.step(event, now, status)
        if event == machine.ENDED or machine.ABANDON in actions:
            self._ended = [each for each in self._ended if each != name] + [name]
        for action in actions:
            if action == machine.END_CONTAINER:
                if not self.cause:
                    self.culprit = name
                    self._begin_stop(BY_SERVICE)
            else:
                todo.append((name, action))

    def _begin_stop(self, cause: str) -> None:
        self.cause = cause
        if cause == BY_SIGNAL:
            # What was ignored or asked for before is none of the stop's.
            self._ended = [name for name in self._ended if self.units[name].is_failing()]
        for unit in self.units.values():
            unit.stops_with_container = True

    def _settle(self, now: float, todo: "Todo") -> None:
        """Start and stop whoever may be now, until nobody is left who may."""
        while self._settle_once(now, todo):
            pass
        if not self.cause and self._all_in((machine.OFF, machine.DONE, machine.FAILED)):
            self._begin_stop(BY_ITSELF)
        self.was_ready = self.was_ready or (not self.cause and self.is_ready())

    def _settle_once(self, now: float, todo: "Todo") -> bool:
        changed = False
        for name, unit in self.units.items():
            event = self._due_stop(name, unit) if self.cause else self._due_start(name, unit)
            if event:
                self._step(name, event, now, todo)
                changed = True
        return changed

    def _due_start(self, name: str, unit: Unit) -> str:
        if unit.state != machine.WAITING:
            return ""
        states = [self.units[each].state for each in self._after[name]]
        if machine.FAILED in states:
            return machine.HOPELESS
        return machine.CLEAR if machine.RELEASED.issuperset(states) else ""

    def _due_stop(self, name: str, unit: Unit) -> str:
        if unit.state in machine.SETTLED or unit.asked == machine.STOP:
            return ""
        in_turn = all(
            self.units[each].state in machine.SETTLED for each in self._stopped_after[name]
        )
        at_once = unit.state not in machine.LIVING or self.stops > 1
        return machine.STOP if in_turn or at_once else ""

    def _all_in(self, states: "frozenset[str] | tuple[str, ...]") -> bool:
        return all(unit.state in states for unit in self.units.values())

    def failed_ones(self, name: str) -> list[str]:
        """Return those among what ``name`` comes after that have failed for good."""
        return [each for each in self._after[name] if self.units[each].state == machine.FAILED]


def is_ready(unit: Unit) -> bool:
    """Return whether a service is ready, a task has succeeded, or a job has begun."""
    return unit.state in machine.RELEASED or unit.state == machine.IDLE


def after_of(services: "Services") -> dict[str, tuple[str, ...]]:
    """Return the graph of the start: from each service to those that it comes after."""
    known = services.by_name
    return {
        name: tuple(each for each in service.after if each in known)
        for name, service in known.items()
    }


def stop_graph(services: "Services") -> dict[str, tuple[str, ...]]:
    """Return the graph of the stop: from each service to those stopped after it is down."""
    known = services.by_name
    after = after_of(services)
    return {
        name: after[name]
        + tuple(each for each in service.stop_before if each in known and each not in after[name])
        for name, service in known.items()
    }


def longest_stop(services: "Services") -> tuple[float, list[str]]:
    """Return the longest that an ordered stop can take, and who follows whom in it.

    Tasks have ended by then.
    """
    weight = {
        name: 0.0 if each.type == model.TASK else each.stop_timeout_s
        for name, each in services.by_name.items()
    }
    found, chain = order.longest_chain(stop_graph(services), weight)
    return found, [name for name in chain if weight[name]]
