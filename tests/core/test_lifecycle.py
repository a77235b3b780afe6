"""The policy of stopping, without a process: whatever happens in whatever order."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pyinit.lifecycle import (
    ADOPTED,
    ARM_BOUND,
    ARM_DRAIN,
    ARM_GRACE,
    ARM_HALF,
    ARM_LAST,
    ARM_PLAN,
    ASK_BYPASSED,
    ASK_CHILDREN,
    BYPASSING,
    DEADLINE,
    DESCENDING,
    DONE,
    DRAINING,
    END_WAIT,
    ENDED,
    ESCALATE,
    GONE,
    HURRY,
    KILL,
    KILLING,
    LEFTOVERS,
    LEFTOVERS_AWAITED,
    LEFTOVERS_BELOW,
    LEFTOVERS_NO_GRACE,
    NAME_BLOCKERS,
    RELAY,
    RELAY_DOWN,
    RELEASE,
    RUNNING,
    SIGNAL,
    STOP,
    STOP_DRAIN,
    STOPPING,
    TEARDOWN,
    TERMINATE,
    TRANSITIONS,
    WAITING,
    Lifecycle,
)
from tests.cases import in_one_test

# What can happen in the world while the machine is in a state.
WITH_MAIN_CHILD = (SIGNAL, STOP, ENDED, LEFTOVERS, LEFTOVERS_BELOW)
WITH_WAIT = (RUNNING, WAITING, DRAINING, STOPPING)
WITH_DEADLINE = (*WITH_MAIN_CHILD, DEADLINE)
WITH_LEFTOVERS = (SIGNAL, STOP, DEADLINE, GONE)
POSSIBLE = {
    RUNNING: (*WITH_MAIN_CHILD, LEFTOVERS_AWAITED),
    WAITING: WITH_MAIN_CHILD,
    DRAINING: WITH_DEADLINE,
    STOPPING: WITH_DEADLINE,
    DESCENDING: (*WITH_LEFTOVERS, ADOPTED),
    BYPASSING: (*WITH_LEFTOVERS, ADOPTED),
    TEARDOWN: WITH_LEFTOVERS,
    KILLING: WITH_LEFTOVERS,
    DONE: (*WITH_MAIN_CHILD, *WITH_LEFTOVERS),
}


FOLLOWS = {
    ARM_HALF: ASK_CHILDREN,
    ARM_LAST: ASK_BYPASSED,
    ARM_GRACE: TERMINATE,
    ARM_BOUND: KILL,
}


class World(RuleBasedStateMachine):
    """A container, as far as the lifecycle can tell, and what it was told to do with it."""

    @initialize(
        grace_s=st.sampled_from([0.0, 0.001, 5.0]),
        drain_s=st.sampled_from([0.0, 0.001, 5.0]),
        steps=st.integers(0, 3),
    )
    def start(self, grace_s: float, drain_s: float, steps: int) -> None:
        """Start the command; the plan has so many steps."""
        self.machine = Lifecycle(grace_s, drain_s)
        self.steps = steps
        self.happened: list[tuple[str, str]] = []  # the state before, and the event
        self.done: list[str] = []
        self.armed = False
        self.ends = 0

    def step(self, event: str) -> None:
        """Feed one event, and check the answer against what has happened so far."""
        before = self.machine.state
        self.happened.append((before, event))
        actions = self.machine.step(event)
        if before != self.machine.state:
            self.armed = False
        for action in actions:
            self.check(action)
            self.done.append(action)
        self.ends += before != DONE and self.machine.state == DONE
        if before == DONE:
            assert actions == ()
            assert self.machine.state == DONE

    def check(self, action: str) -> None:
        """Assert that ``action`` is right at this time."""
        state, event = self.happened[-1]
        events = [event for _, event in self.happened]
        if action in (RELAY, RELAY_DOWN, END_WAIT, ARM_DRAIN, RELEASE, ARM_PLAN, ESCALATE):
            assert not self.wait_ended()
            self.check_stop(action, state, event, events.count(STOP))
        else:
            assert self.wait_ended()
            self.check_teardown(action, state, event, events.count(STOP))

    def check_stop(self, action: str, state: str, event: str, stops: int) -> None:
        """Assert that ``action``, one of those for a main child that lives, is right now."""
        if action == RELAY:
            assert event == SIGNAL or (event == STOP and (state, stops) != (DRAINING, 1))
        elif action == RELAY_DOWN:
            assert (state, event) == (WAITING, SIGNAL)
        elif action == END_WAIT:
            assert (state, event, stops) == (WAITING, STOP, 1)
            self.steps = 0  # the plan is for a main child
        elif action == ARM_DRAIN:
            assert state in (RUNNING, WAITING)
            assert event == STOP
            assert self.machine.drain_s > 0
            self.armed = True
        elif action == RELEASE:
            assert self.done.count(ARM_DRAIN) == 1
            assert RELEASE not in self.done
            assert event == DEADLINE or stops == 2
        elif action == ARM_PLAN:
            assert self.done[-1] in (RELAY, RELEASE)
            assert ARM_PLAN not in self.done
            self.armed = self.steps > 0
        else:
            assert ARM_PLAN in self.done
            self.steps -= 1
            self.armed = self.steps > 0

    def check_teardown(self, action: str, state: str, event: str, stops: int) -> None:
        """Assert that ``action``, one of those for leftovers, is right now."""
        if action == ASK_CHILDREN:
            assert self.machine.grace_s > 0
            assert event in (LEFTOVERS_BELOW, ADOPTED)
            assert not {TERMINATE, KILL} & set(self.done)
        elif action == ASK_BYPASSED:
            assert (state, event) == (DESCENDING, DEADLINE)
            assert not {ASK_BYPASSED, TERMINATE, KILL} & set(self.done)
        elif action == TERMINATE:
            assert self.machine.grace_s > 0
            assert not {TERMINATE, KILL} & set(self.done)
            # All at once, or near the end of the grace.
            assert event == LEFTOVERS or (state, event) == (BYPASSING, DEADLINE)
        elif action == KILL:
            assert KILL not in self.done
            if self.machine.grace_s == 0:
                assert event in (LEFTOVERS, LEFTOVERS_BELOW)
            else:
                grace_over = (state, event) == (TEARDOWN, DEADLINE)
                assert grace_over or (event == STOP and stops > 1)
                assert TERMINATE in self.done or (ASK_CHILDREN in self.done and not grace_over)
        elif action in FOLLOWS:
            assert self.done[-1] == FOLLOWS[action]
            self.armed = True
        else:
            assert action == NAME_BLOCKERS
            assert (state, event) == (KILLING, DEADLINE)

    def wait_ended(self) -> bool:
        """Return whether the main child has ended, and nobody else is waited for."""
        return any(event in (ENDED, LEFTOVERS, LEFTOVERS_BELOW) for _, event in self.happened)

    @rule(stop=st.booleans())
    def signal(self, *, stop: bool) -> None:
        """Send a signal, which can come at any time."""
        self.step(STOP if stop else SIGNAL)

    @precondition(lambda self: self.machine.state == RUNNING)
    @rule()
    def main_child_ends_and_others_are_awaited(self) -> None:
        """With --wait-all."""
        self.step(LEFTOVERS_AWAITED)

    @precondition(lambda self: self.machine.state in (RUNNING, WAITING, DRAINING, STOPPING))
    @rule(event=st.sampled_from((ENDED, LEFTOVERS, LEFTOVERS_BELOW)))
    def main_child_ends(self, event: str) -> None:
        """Once."""
        self.step(event)

    @precondition(lambda self: self.machine.state in (DESCENDING, BYPASSING))
    @rule()
    def a_parent_ends(self) -> None:
        """Its children become ours; several do, one after the other."""
        self.step(ADOPTED)

    @precondition(lambda self: self.armed)
    @rule()
    def time_passes(self) -> None:
        """Let the armed deadline come, several times if nobody arms a new one."""
        self.step(DEADLINE)

    @precondition(lambda self: self.machine.state in (DESCENDING, BYPASSING, TEARDOWN, KILLING))
    @rule()
    def leftovers_end(self) -> None:
        """Let the last one end."""
        self.step(GONE)

    @precondition(lambda self: self.machine.state == DONE)
    @rule(event=st.sampled_from(POSSIBLE[DONE]))
    def anything_afterwards(self, event: str) -> None:
        """Nothing comes of it."""
        self.step(event)

    @invariant()
    def it_ends_once(self) -> None:
        """There is one final status: done is entered once, after the main child's end."""
        assert self.ends == (self.machine.state == DONE)
        assert self.ends <= self.wait_ended()

    @invariant()
    def it_cannot_hang(self) -> None:
        """Whoever holds a signal back, has steps to take or waits for leftovers has a deadline."""
        state = self.machine.state
        if state != DONE:
            due = state == STOPPING and self.steps > 0
            waits = state in (DRAINING, DESCENDING, BYPASSING, TEARDOWN, KILLING)
            assert self.armed == (due or waits)

    @invariant()
    def no_stop_signal_is_lost(self) -> None:
        """Each is relayed, or held back by the drain, while there is a main child to get it."""
        if self.wait_ended():
            return
        stops = [event for _, event in self.happened].count(STOP)
        plain = [event for _, event in self.happened].count(SIGNAL)
        relayed = sum(map(self.done.count, (RELAY, RELAY_DOWN, END_WAIT, RELEASE))) - plain
        assert relayed == stops - (self.machine.state == DRAINING)


TestWorld = World.TestCase
TestWorld.settings = settings(max_examples=60, deadline=None)


CASES = [
    (state, event, stops)
    for state, events in POSSIBLE.items()
    for event in events
    for stops in (0, 1, 2)
    # The first stop signal is what leads from the first of these states to the others.
    if (state not in WITH_WAIT or (state in (DRAINING, STOPPING)) == (stops > 0))
    # The second one ends the drain.
    and (state, stops) != (DRAINING, 2)
]


@in_one_test(("state", "event", "stops"), CASES)
@in_one_test("grace_s", [0.0, 5.0])
@in_one_test("drain_s", [0.0, 5.0])
def test_there_is_an_answer_to_all_that_can_happen(
    state: str, event: str, stops: int, grace_s: float, drain_s: float
) -> None:
    """An event without a row would be an exception inside PID 1."""
    machine = Lifecycle(grace_s, drain_s)
    machine.state, machine.stops = state, stops
    machine.step(event)


def test_every_row_of_the_table_is_used() -> None:
    """Each is reached from the start by what can happen: none is there for nothing."""
    used = set()
    events = (*WITH_MAIN_CHILD, LEFTOVERS_AWAITED, ADOPTED, DEADLINE, GONE)
    happening = itertools.product(events, repeat=5)
    times = itertools.product((0.0, 5.0), repeat=2)
    for (grace_s, drain_s), happened in itertools.product(times, happening):
        machine = Lifecycle(grace_s, drain_s)
        for event in happened:
            if machine.state == DONE or event not in POSSIBLE[machine.state]:
                break
            used.add((machine.state, event_of_row(machine, event)))
            machine.step(event)
    assert used == set(TRANSITIONS)


def event_of_row(machine: Lifecycle, event: str) -> str:
    """Return the name that the table has for ``event``."""
    if event == STOP and machine.stops:
        return HURRY
    if event == STOP and machine.state in (RUNNING, WAITING) and machine.drain_s:
        return STOP_DRAIN
    if event in (LEFTOVERS, LEFTOVERS_BELOW) and machine.grace_s == 0:
        return LEFTOVERS_NO_GRACE
    return event


@in_one_test(("state", "event"), [(TEARDOWN, ENDED), (RUNNING, GONE), (RUNNING, "x")])
def test_what_cannot_happen_is_an_error(state: str, event: str) -> None:
    """And the state is the same afterwards."""
    machine = Lifecycle(5.0)
    machine.state = state
    with pytest.raises(KeyError):
        machine.step(event)
    assert machine.state == state


def test_a_stop_signal_counts_wherever_it_came() -> None:
    """One while the command ran and one in teardown are two: somebody has asked again."""
    machine = Lifecycle(5.0)
    machine.step(STOP)
    machine.step(LEFTOVERS)
    assert machine.step(STOP) == (KILL, ARM_BOUND)


def test_the_first_stop_signal_in_teardown_changes_nothing() -> None:
    """The leftovers were told to end already, and have the grace that they were promised."""
    machine = Lifecycle(5.0)
    machine.step(LEFTOVERS)
    assert machine.step(STOP) == ()
    assert machine.step(STOP) == (KILL, ARM_BOUND)


def test_a_drain_holds_back_the_first_stop_signal_only() -> None:
    """Others are relayed meanwhile; at the deadline it follows, and the plan begins."""
    machine = Lifecycle(5.0, 5.0)
    assert machine.step(STOP) == (ARM_DRAIN,)
    assert machine.step(SIGNAL) == (RELAY,)
    assert machine.step(DEADLINE) == (RELEASE, ARM_PLAN)
    assert machine.step(STOP) == (RELAY,)


def test_a_second_stop_signal_ends_the_drain() -> None:
    """Both are relayed, in their order."""
    machine = Lifecycle(5.0, 5.0)
    machine.step(STOP)
    assert machine.step(STOP) == (RELEASE, RELAY, ARM_PLAN)


def test_a_stop_signal_that_the_drain_held_back_counts_in_teardown() -> None:
    """The main child ended by itself; the next one says that somebody is in a hurry."""
    machine = Lifecycle(5.0, 5.0)
    machine.step(STOP)
    machine.step(LEFTOVERS)
    assert machine.step(STOP) == (KILL, ARM_BOUND)


def test_no_drain_begins_in_teardown() -> None:
    """There is nobody any more whom it could spare."""
    machine = Lifecycle(5.0, 5.0)
    machine.step(LEFTOVERS)
    assert machine.step(STOP) == ()
    assert machine.state == TEARDOWN


def test_any_signal_is_relayed_while_the_main_child_lives() -> None:
    """So the supervisor relays without asking, and tells only of stops.

    Without a drain every stop signal is relayed too; only the first changes anything.
    """
    for state in (RUNNING, DRAINING, STOPPING):
        assert TRANSITIONS[state, SIGNAL] == (state, (RELAY,))
    assert TRANSITIONS[RUNNING, STOP] == (STOPPING, (RELAY, ARM_PLAN))
    assert TRANSITIONS[STOPPING, HURRY] == (STOPPING, (RELAY,))


def test_parents_first_then_all() -> None:
    """Our children as they come; then who waits for nothing, all others, and KILL."""
    machine = Lifecycle(5.0)
    assert machine.step(LEFTOVERS_BELOW) == (ASK_CHILDREN, ARM_HALF)
    assert machine.step(ADOPTED) == (ASK_CHILDREN,)
    assert machine.step(DEADLINE) == (ASK_BYPASSED, ARM_LAST)
    assert machine.step(ADOPTED) == (ASK_CHILDREN,)
    assert machine.step(DEADLINE) == (TERMINATE, ARM_GRACE)
    assert machine.step(DEADLINE) == (KILL, ARM_BOUND)
