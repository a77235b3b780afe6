"""poll(2) with a time-out of any length: its own has 31 bits for milliseconds, 24.8 days."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import select

MOST_S = (2**31 - 1) // 1000


def wait(poll: select.poll, left_s: float | None) -> list[tuple[int, int]]:
    """Return what is ready within ``left_s`` seconds; nothing when they are over.

    None is for ever.  What has run out is time that has passed, whatever a clock says; see
    `pyinit.kernel.clock`.
    """
    while left_s is not None and left_s > MOST_S:
        if ready := poll.poll(MOST_S * 1000):
            return ready
        left_s -= MOST_S
    # poll(2) takes a negative time for none.
    return poll.poll(None if left_s is None else max(0.0, left_s) * 1000)
