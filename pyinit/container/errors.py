"""The errors that a host program is used to from subprocess."""

from __future__ import annotations

import subprocess
from typing import Any


class TimeoutExpired(subprocess.TimeoutExpired, TimeoutError):  # noqa: N818 - as there
    """A container or a process has not ended within ``timeout`` seconds, and goes on.

    It is both `subprocess.TimeoutExpired`, with ``cmd``, ``output`` and ``stderr``, and the
    built-in TimeoutError.
    """

    __module__ = "pyinit"

    def __init__(
        self, cmd: list[str], timeout: float, output: Any = None, stderr: Any = None, who: str = ""
    ) -> None:
        super().__init__(cmd, timeout, output, stderr)
        self.args = (cmd, timeout)  # for repr()
        self.who = who or str(cmd)

    def __str__(self) -> str:
        """Say who and how long."""
        return f"{self.who} has not ended within {self.timeout} seconds"

    def __reduce__(self) -> tuple[Any, ...]:
        """Say how to make it anew, for pickle and so for other processes."""
        return type(self), (self.cmd, self.timeout, self.output, self.stderr, self.who)
