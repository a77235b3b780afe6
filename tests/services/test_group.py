"""All services without a process: random ones keep the order and end; the code after a stop."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from pyinit.services import machine, model
from pyinit.services.group import BY_SERVICE, BY_SIGNAL, REQUESTS
from tests.cases import in_one_test
from tests.services.worlds import Processes, services

# Wait statuses: ends with 0, 3, and by TERM.
STATUSES = (0, 3 << 8, 15)


class World(RuleBasedStateMachine):
    """Services to which everything happens that can."""

    @initialize(made=services())
    def start(self, made: model.Services) -> None:
        """Start them."""
        self.world = Processes(made)
        self.requested = False

    def some(self, data: st.DataObject, names: set[str]) -> str:
        """Return one of ``names``."""
        return data.draw(st.sampled_from(sorted(names)))

    @precondition(lambda self: self.world.alive)
    @rule(data=st.data(), status=st.sampled_from(STATUSES), leaves=st.booleans())
    def end(self, data: st.DataObject, status: int, *, leaves: bool) -> None:
        """End a process, which leaves some of its session behind."""
        self.world.end(self.some(data, self.world.alive), status, leaves=leaves)

    @precondition(lambda self: self.world.rest)
    @rule(data=st.data())
    def end_rest(self, data: st.DataObject) -> None:
        """Who was left behind ends."""
        self.world.end_rest(self.some(data, self.world.rest))

    @precondition(lambda self: self.world.watched)
    @rule(data=st.data())
    def ready(self, data: st.DataObject) -> None:
        """Let a service say that it is ready; a task has no such word."""
        name = self.some(data, self.world.watched)
        if self.world.group.units[name].service.type == model.SERVICE:
            self.world.tell(name, machine.READY)

    @precondition(lambda self: self.world.timers)
    @rule()
    def pass_time(self) -> None:
        """Let the next deadline come."""
        self.world.pass_time()

    @rule()
    def stop(self) -> None:
        """Send the container a stop signal."""
        self.world.do(self.world.group.stop(self.world.now))

    @rule(data=st.data(), verb=st.sampled_from(sorted(REQUESTS)))
    def request(self, data: st.DataObject, verb: str) -> None:
        """Ask for something, as an operator."""
        group = self.world.group
        self.requested = True
        name = data.draw(st.sampled_from(sorted(group.units)))
        self.world.do(group.request(name, verb, self.world.now))

    def teardown(self) -> None:
        """Stop the container, after which nobody does anything any more: it always ends."""
        if not hasattr(self, "world"):
            return
        group = self.world.group
        if not self.requested and not group.cause:
            settled = (machine.OFF, machine.DONE, machine.FAILED)
            assert not all(unit.state in settled for unit in group.units.values())
        if not group.cause:
            self.world.do(group.stop(self.world.now))
        for _ in range(4 * len(group.units)):
            if group.is_over():
                break
            self.world.pass_time()
        assert group.is_over()
        self.check_exit_code()

    def check_exit_code(self) -> None:
        """Assert that the code is somebody's, and that of the culprit."""
        group = self.world.group
        codes = {unit.code for unit in group.units.values() if unit.code is not None}
        code = group.exit_code()
        assert code in codes | {0}
        main = group.services.main()
        if group.cause == BY_SERVICE and (main is None or group.culprit != main.name):
            assert code == group.units[group.culprit].code
        elif group.cause == BY_SIGNAL and main is not None:
            assert code == (group.units[main.name].code or code)


@in_one_test(
    ("values", "past", "code"),
    [
        ({"on_failure": model.IGNORE}, machine.FAILED, 0),
        ({"type": model.JOB, "every_s": 7.0}, machine.IDLE, 0),
        # What is left of its session is still being ended.
        ({"on_failure": model.IGNORE}, machine.ENDING, 0),
        ({"on_failure": model.STOP}, machine.ENDING, 3),
        ({"on_failure": model.RESTART}, machine.ENDING, 3),
        ({"on_failure": model.RESTART}, machine.BACKOFF, 3),
    ],
)
def test_a_failure_that_was_ignored_before_a_stop_does_not_count_for_its_code(
    values: dict[str, Any], past: str, code: int
) -> None:
    """One does that is yet to end the container, or to be made good by a restart."""
    made = [model.Service("past", ("x",), **values).settle()]
    made += [model.Service(name, ("x",)).settle() for name in ("web", "other")]
    for other, expected in ((0, code), (7 << 8, code or 7)):
        world = Processes(model.Services(made))
        world.end("past", 3 << 8, leaves=past == machine.ENDING)
        assert world.group.units["past"].state == past
        world.do(world.group.stop(world.now))
        if world.rest:
            world.end_rest("past")
        world.end("web", 15)
        world.end("other", other)
        assert world.group.is_over()
        assert world.group.exit_code() == expected


def test_an_operators_stop_before_the_containers_does_not_count_for_its_code() -> None:
    """Whatever it has ended with, as it ends nothing."""
    made = [model.Service(name, ("x",)).settle() for name in ("past", "web")]
    world = Processes(model.Services(made))
    world.do(world.group.request("past", "stop", world.now))
    world.end("past", 3 << 8)
    world.do(world.group.stop(world.now))
    world.end("web", 15)
    assert (world.group.is_over(), world.group.exit_code()) == (True, 0)


TestWorld = World.TestCase
TestWorld.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
