"""Random services, without a process: the order holds, and there always is an end."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from pyinit.services import machine, model
from pyinit.services.group import BY_SERVICE, BY_SIGNAL, REQUESTS
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


TestWorld = World.TestCase
TestWorld.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
