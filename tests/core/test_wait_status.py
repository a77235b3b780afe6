"""Wait statuses without a process, against the macros of the C library."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st

from pyinit import signals
from tests.cases import in_one_test

STATUSES = st.integers(0, 0xFFFF)


@in_one_test("code", range(256))
def test_an_exit_code_is_itself(code: int) -> None:
    """All 256."""
    assert signals.exit_code(code << 8) == code
    assert signals.stop_signal(code << 8) == 0


@in_one_test("dumped", [0, 0x80])
@in_one_test("number", range(1, 65))
def test_a_killed_process_is_128_plus_the_signal(number: int, dumped: int) -> None:
    """All 64, with and without a core dump, whose bit stands beside the number."""
    assert signals.exit_code(number | dumped) == 128 + number
    assert signals.stop_signal(number | dumped) == 0


@given(STATUSES)
def test_the_macros_agree(status: int) -> None:
    """WIFSTOPPED, WSTOPSIG, WIFSIGNALED, WTERMSIG and WEXITSTATUS, for every value there is."""
    stop = os.WSTOPSIG(status) if os.WIFSTOPPED(status) else 0
    assert signals.stop_signal(status) == stop
    if os.WIFSIGNALED(status):
        assert signals.exit_code(status) == 128 + os.WTERMSIG(status)
    if os.WIFEXITED(status):
        assert signals.exit_code(status) == os.WEXITSTATUS(status)


@given(STATUSES)
def test_every_exit_code_fits_into_a_byte(status: int) -> None:
    """What exit(3) would cut off could turn a failure into 0."""
    assert 0 <= signals.exit_code(status) <= 255
