"""A command that hangs on the way to its exec, as in a directory of a server that does not answer.

Here it is stopped there, which lasts until the init continues it.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from tests import conftest
from tests.harness import PID1, Container, until

if TYPE_CHECKING:
    from pathlib import Path


def test_a_stop_signal_is_heeded(namespaces: None, tmp_path: Path) -> None:
    """It ends the process that is not the command yet, as it would end that."""
    conftest.need("strace")
    log = tmp_path / "log"
    log.touch()
    before = ["strace", "-D", "-f", "-qq", "-o", str(log), "-P", "/usr"]
    before += ["-e", "inject=chdir:signal=STOP"]  # not of the init, which goes to / itself
    options = ["--chdir", "/usr", "--grace", "0"]  # strace is left
    with Container(["echo", "ran"], mode=PID1, before=before, options=options) as container:
        until(lambda: "stopped by SIGSTOP" in log.read_text(), "it hangs", container.pid)
        container.signal(signal.SIGTERM)
        assert container.wait() == 128 + signal.SIGTERM
        assert container.rest() == ""
