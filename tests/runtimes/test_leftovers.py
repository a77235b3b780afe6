"""Under each container runtime a leftover ends in good order before the container does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.harness import python

if TYPE_CHECKING:
    from tests.container_runtimes import Runtime


def test_a_leftover_in_a_session_of_its_own_may_finish(runtime: type[Runtime]) -> None:
    """It has 300 ms of work to do on TERM; without a teardown the kernel would kill it at once."""
    with runtime(python("leaves_one.py")) as container:
        container.expect("saved")
        assert container.wait() == 7
