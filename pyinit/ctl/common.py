"""What the subcommands share."""

from __future__ import annotations


class CommandError(Exception):
    """It was not done; the text says why, ``code`` is the exit code."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code
