"""The one poll(2) of the supervisor."""

from __future__ import annotations

import os

from pyinit.services import loop


def test_a_number_that_is_used_again_is_another_descriptor() -> None:
    """What poll(2) has told of a descriptor is not for one that has its number since."""
    called = []
    made = loop.Loop()
    pipes = [os.pipe() for _ in "12"]
    empty = os.pipe()

    def replace(other: int) -> None:
        """Close the other one's reader, and watch an empty pipe of this number."""
        called.append("first")
        made.unwatch(other)
        os.dup2(empty[0], other)
        made.watch(other, loop.READ, lambda: called.append("stale"))

    try:
        (one, writer), (two, other_writer) = pipes
        os.write(writer, b"x")
        os.write(other_writer, b"x")
        # Whichever is called first.
        made.watch(one, loop.READ, lambda: replace(two))
        made.watch(two, loop.READ, lambda: replace(one))
        made.run_once()
        assert called == ["first"]
    finally:
        for pair in [*pipes, empty]:
            for fd in pair:
                os.close(fd)
