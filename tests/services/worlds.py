"""Services without a process: what random ones do, and what the pure core has done with them."""

from __future__ import annotations

from hypothesis import strategies as st

from pyinit.services import machine, model
from pyinit.services.group import Group, after_of, stop_graph
from pyinit.services.machine import LIVING, SETTLED

NAMES = ("a", "b", "c", "d", "e")


@st.composite
def graphs(draw: st.DrawFn, names: tuple[str, ...] = NAMES) -> dict[str, tuple[str, ...]]:
    """Return a graph without circles, its names in any order."""
    shuffled = draw(st.permutations(names))
    edges = {
        name: tuple(draw(st.lists(st.sampled_from(shuffled[:index]), unique=True, max_size=3)))
        if index
        else ()
        for index, name in enumerate(shuffled)
    }
    return {name: edges[name] for name in names}


@st.composite
def services(draw: st.DrawFn) -> model.Services:
    """Return services of all types and with all that leads to one end or another."""
    names = NAMES[: draw(st.integers(1, len(NAMES)))]
    after = draw(graphs(names))
    kinds = {name: draw(st.sampled_from((model.SERVICE, *model.TYPES))) for name in names}
    last = {name for name in names[1:-1] if not any(name in each for each in after.values())}
    off = {name for name in sorted(last) if draw(st.booleans())}
    made = []
    for name in names:
        kind = kinds[name]
        restarts = (
            {}
            if kind == model.JOB
            else {
                "restart_times": draw(st.integers(0, 2)),
                "restart_delay_s": draw(st.sampled_from(((0.0, 0.0), (0.5, 30.0)))),
                "give_up": draw(st.sampled_from((model.STOP, model.IGNORE))),
                "start_timeout_s": draw(st.sampled_from((None, 0.0, 3.0))),
            }
        )
        made.append(
            model.Service(
                name,
                ("x",),
                type=kind,
                autostart=name not in off,
                after=tuple(each for each in after[name] if kinds[each] != model.JOB),
                on_success=draw(st.sampled_from(("", *_after_success(kind)))),
                on_failure=draw(st.sampled_from(("", *_actions(kind)))),
                **restarts,
                every_s=7.0 if kind == model.JOB else 0.0,
            ).settle()
        )
    if made[-1].type == model.SERVICE and draw(st.booleans()):
        made[-1].main = True
    return model.Services(made)


def _actions(kind: str) -> tuple[str, ...]:
    return (model.STOP, model.IGNORE) if kind == model.JOB else model.ACTIONS


def _after_success(kind: str) -> tuple[str, ...]:
    return model.ACTIONS if kind == model.SERVICE else (model.STOP, model.IGNORE)


class Processes:
    """Does what a group wants done, and asserts that it may be done now."""

    def __init__(self, made: model.Services) -> None:
        self.group = Group(made)
        self.now = 0.0
        self.alive: set[str] = set()  # whose process lives
        self.rest: set[str] = set()  # and of whom others live
        self.watched: set[str] = set()
        self.timers: dict[str, float] = {}
        self.after = after_of(made)
        self.stops_after = stop_graph(made)
        self.killed: set[str] = set()
        self.do(self.group.start(self.now))

    def do(self, todo: list[tuple[str, str]], *, checks: bool = True) -> None:
        """Perform what is to be done, and look at what came of it."""
        for name, action in todo:
            self.perform(name, action)
        if checks:
            self.check()

    def perform(self, name: str, action: str) -> None:
        """Perform one action."""
        unit = self.group.units[name]
        service = unit.service
        if action == machine.EXEC:
            assert name not in self.alive | self.rest, "started twice"
            assert not self.group.cause, "started while the container stops"
            self.alive.add(name)
            self.killed.discard(name)
        elif action == machine.WATCH:
            self.watched.add(name)
        elif action == machine.UNWATCH:
            self.watched.discard(name)
        elif action in (machine.SEND_STOP, machine.END_REST):
            assert (name in self.alive) == (action == machine.SEND_STOP)
            if action == machine.SEND_STOP:
                self.check_stop(name)
        elif action == machine.KILL:
            self.killed.add(name)
        elif action == machine.ABANDON:
            # Whoever the kernel does not end; what is told of it comes as its own event.
            assert name in self.killed
            self.alive.discard(name)
            self.rest.discard(name)
        self.arm(name, action, service)

    def arm(self, name: str, action: str, service: model.Service) -> None:
        """Set the one timer of the service."""
        unit = self.group.units[name]
        delay = {
            machine.ARM_START: service.start_timeout_s or None,
            machine.ARM_STOP: service.stop_timeout_s,
            machine.ARM_BOUND: machine.KILL_BOUND_S,
            machine.ARM_DELAY: unit.delay_s,
            machine.ARM_NEXT: max(0.0, unit.next_run - self.now),
        }.get(action)
        if action == machine.DISARM or (action == machine.ARM_START and delay is None):
            self.timers.pop(name, None)
        elif delay is not None:
            self.timers[name] = self.now + delay

    def check_stop(self, name: str) -> None:
        """Assert that nobody lives who has to be stopped before ``name``, if there is an order."""
        unit = self.group.units[name]
        if not self.group.cause or self.group.stops > 1 or unit.timed_out:
            return
        for other, before in self.stops_after.items():
            if name in before:
                assert self.group.units[other].state in SETTLED, f"{name} stopped before {other}"

    def check(self) -> None:
        """Assert what is true at all times."""
        for name, unit in self.group.units.items():
            has_processes = name in self.alive or name in self.rest
            assert not has_processes or unit.state in LIVING
            assert name not in self.watched or unit.state == machine.STARTING
            assert (name in self.timers) <= (unit.state not in SETTLED | {machine.WAITING})
            if unit.state in (machine.STOPPING, machine.ENDING, machine.KILLING, machine.BACKOFF):
                assert name in self.timers, f"nothing would end {name}: {unit.state}"

    def tell(self, name: str, event: str, status: int = 0) -> None:
        """Tell the group of something that happened to a service."""
        ready = self.released()
        todo = self.group.tell(name, event, self.now, status)
        for each, action in todo:
            if action == machine.EXEC and self.group.units[each].state == machine.STARTING:
                restarted = each == name and event == machine.DEADLINE
                assert restarted or set(self.after[each]) <= ready | self.released()
        abandoned = any(action == machine.ABANDON for _, action in todo)
        self.do(todo, checks=not abandoned)
        if abandoned:
            self.tell(name, machine.GONE)

    def released(self) -> set[str]:
        """Return who is ready or done."""
        units = self.group.units.items()
        return {name for name, unit in units if unit.state in machine.RELEASED}

    def end(self, name: str, status: int, *, leaves: bool = False) -> None:
        """End the process of a service, which leaves others behind or does not."""
        self.alive.discard(name)
        if leaves and name not in self.killed:
            self.rest.add(name)
        self.tell(name, machine.ENDED, status)
        if name not in self.rest:
            self.tell(name, machine.GONE)

    def end_rest(self, name: str) -> None:
        """End what a service has left behind."""
        self.rest.discard(name)
        self.tell(name, machine.GONE)

    def pass_time(self) -> str:
        """Let time pass up to the next deadline; return whose it was."""
        name = min(self.timers, key=lambda each: self.timers[each])
        self.now = max(self.now, self.timers.pop(name))
        self.tell(name, machine.DEADLINE)
        return name
