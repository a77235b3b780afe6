"""What an init logs, as data: one JSON object a line in a pipe; see docs/events.md."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO


class EventStream:
    """The reading end of a pipe that is the init's log.

    The init waits for no reader: what does not fit is dropped, and it tells how much that was.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        """Have the log of ``settings`` come here.  Raises ValueError where it goes elsewhere."""
        if not settings.keys().isdisjoint(("log_to", "log_format", "quiet")):
            raise ValueError(
                "events=True is where the log goes: expected no log_fd, log_file, log_format, quiet"
            )
        reader, self._writer = os.pipe2(os.O_CLOEXEC)
        self.file: IO[bytes] = os.fdopen(reader, "rb", buffering=0)
        settings.update(
            log_to=self._writer, log_format="json", verbose=max(settings.get("verbose", 0), 1)
        )

    def leave_writer(self) -> None:
        """Leave the writing end to the init."""
        if self._writer >= 0:
            os.close(self._writer)
            self._writer = -1

    def close(self) -> None:
        """Close both ends."""
        self.leave_writer()
        self.file.close()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        buffer = b""
        while data := self.file.read(65536):
            *lines, buffer = (buffer + data).split(b"\n")
            for line in lines:
                yield event_of(line)


def event_of(line: bytes) -> dict[str, Any]:
    """Return the event in a line."""
    event: dict[str, Any] = json.loads(line)
    return event
