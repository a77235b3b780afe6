"""What a runtime's own stop sends reaches the command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.harness import python

if TYPE_CHECKING:
    from tests.container_runtimes import Runtime


def test_a_stop_reaches_the_command(runtime: type[Runtime]) -> None:
    """It takes TERM and ends with 0; the runtime's KILL would come after the test's deadline.

    Only TERM is recorded: `runc run` was seen to pass on a SIGURG, with which the
    runtime of Go interrupts its own threads.
    """
    with runtime(python("record.py", "TERM")) as container:
        container.expect("ready")
        container.stop()
        container.expect("TERM")
        assert container.wait() == 0
