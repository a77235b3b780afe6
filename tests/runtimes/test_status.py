"""Under each runtime pyinit is process 1, and what the runtime reports is the command's status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.harness import python

if TYPE_CHECKING:
    from tests.container_runtimes import Runtime


def test_pyinit_is_process_1_and_the_commands_status_comes_out(runtime: type[Runtime]) -> None:
    """The command's parent is process 1; runtimes differ in the number of the command itself."""
    with runtime(python("who_is_here.py")) as container:
        container.expect("pyinit 1")
        assert container.wait() == 7
