"""One service without a process: what each end leads to, and when it is tried again."""

from __future__ import annotations

from pyinit.services import machine, model
from pyinit.services.machine import (
    BACKOFF,
    CLEAR,
    DEADLINE,
    DONE,
    DOWN,
    ENDED,
    FAILED,
    GONE,
    IDLE,
    OFF,
    READY,
    RESTART,
    START,
    STOP,
    TRANSITIONS,
    UP,
    WAITING,
    Unit,
)
from tests.cases import in_one_test
from tests.services import draw_states

FAILURE = 3 << 8


def unit(**values: object) -> Unit:
    """Return a unit of a service."""
    return Unit(model.Service("it", ("x",), **values).settle())


def run(one: Unit, status: int, *, at: float = 0.0, up_for: float = 0.0) -> str:
    """Start it, let it be up for a time, end it, and return the state it comes to."""
    one.step(CLEAR if one.state == WAITING else DEADLINE, at)
    if one.state == machine.STARTING and one.service.type == model.SERVICE:
        one.step(READY, at)
    one.step(ENDED, at + up_for, status)
    one.step(GONE, at + up_for)
    return one.state


def test_the_document_agrees_with_the_table() -> None:
    """If not: ``python -m tests.services.draw_states`` draws it anew."""
    assert draw_states.DOCUMENT.read_text(encoding="utf-8") == draw_states.draw()


def test_every_state_is_reached_and_left() -> None:
    """By some row of the table, from the first state on; but for the start there is a way down."""
    reached = {OFF, WAITING}
    while more := {to for (state, _), (to, _) in TRANSITIONS.items() if state in reached} - reached:
        reached |= more
    assert reached == {state for state, _ in TRANSITIONS}


ENDS = (
    (model.SERVICE, "", 0, DOWN),
    (model.SERVICE, "", FAILURE, DOWN),
    (model.SERVICE, model.IGNORE, 0, DONE),
    (model.SERVICE, model.IGNORE, FAILURE, FAILED),
    (model.SERVICE, model.RESTART, 0, BACKOFF),
    (model.SERVICE, model.RESTART, FAILURE, BACKOFF),
    (model.TASK, "", 0, DONE),
    (model.TASK, "", FAILURE, DOWN),
    (model.TASK, model.RESTART, FAILURE, BACKOFF),
    (model.JOB, "", 0, IDLE),
    (model.JOB, "", FAILURE, IDLE),
    (model.JOB, model.STOP, FAILURE, DOWN),
)


@in_one_test(("kind", "policy", "status", "state"), ENDS)
def test_what_an_end_leads_to(kind: str, policy: str, status: int, state: str) -> None:
    """By type, policy and status."""
    one = unit(type=kind, on_success=policy, on_failure=policy, every_s=5.0)
    assert run(one, status) == state


def test_further_codes_and_signals_are_success() -> None:
    """As `success` has them, signal n as 128+n."""
    assert run(unit(on_success=model.IGNORE, success=frozenset((3,))), FAILURE) == DONE
    assert run(unit(on_success=model.IGNORE, success=frozenset((143,))), 15) == DONE


def test_the_delay_doubles_up_to_the_most_and_begins_anew() -> None:
    """After an end that came when it had been up for the longest delay."""
    one = unit(on_failure=model.RESTART, restart_times=0, restart_delay_s=(0.5, 2.0))
    delays = []
    for _ in range(4):
        assert run(one, FAILURE) == BACKOFF
        delays.append(one.delay_s)
    assert delays == [0.5, 1.0, 2.0, 2.0]
    assert run(one, FAILURE, up_for=2.0) == BACKOFF
    assert one.delay_s == 0.5
    assert one.restarts == 5


def test_a_used_up_budget_ends_the_container_or_is_ignored() -> None:
    """Restarts count for `within` seconds."""
    for give_up, state in ((model.STOP, DOWN), (model.IGNORE, FAILED)):
        one = unit(on_failure=model.RESTART, restart_times=2, give_up=give_up)
        assert [run(one, FAILURE, at=at) for at in (0.0, 59.0)] == [BACKOFF, BACKOFF]
        assert run(one, FAILURE, at=61.0) == BACKOFF  # the first one counts no more
        assert run(one, FAILURE, at=62.0) == state
        assert one.gave_up


def test_a_start_that_times_out_is_a_failure_with_124() -> None:
    """Even if the process ends with 0 when it is stopped for it."""
    one = unit(on_failure=model.IGNORE)
    one.step(CLEAR, 0)
    assert machine.SEND_STOP in one.step(DEADLINE, 60)
    one.step(ENDED, 61, 0)
    one.step(GONE, 61)
    assert (one.state, one.code) == (FAILED, machine.TIMED_OUT)


def test_an_operators_stop_is_no_end_of_the_container() -> None:
    """Nor a failure; a start brings it back."""
    one = unit()
    one.step(CLEAR, 0)
    one.step(READY, 0)
    one.step(STOP, 1)
    one.step(ENDED, 1, FAILURE)
    one.step(GONE, 1)
    assert one.state == DOWN
    one.step(START, 2)
    assert one.state == WAITING


def test_an_operators_restart_stops_and_starts() -> None:
    """It counts for no limit."""
    one = unit()
    one.step(CLEAR, 0)
    one.step(READY, 0)
    one.step(RESTART, 1)
    one.step(ENDED, 1, 15)
    one.step(GONE, 1)
    assert (one.state, one.restarts) == (WAITING, 0)


def test_a_run_that_goes_on_is_not_overlapped() -> None:
    """The next one comes at a multiple of the job's time."""
    one = unit(type=model.JOB, every_s=10.0)
    one.step(CLEAR, 0)
    assert one.step(DEADLINE, 10.0) == (machine.SKIP, machine.ARM_NEXT)
    one.step(DEADLINE, 35.0)
    assert one.next_run == 40.0
    one.step(ENDED, 36.0, 0)
    one.step(GONE, 36.0)
    assert (one.state, one.next_run) == (IDLE, 40.0)
    one.step(DEADLINE, 40.0)
    assert (one.state, one.next_run) == (UP, 50.0)
