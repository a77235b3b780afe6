"""A supervisor with nothing to do sleeps, and its init has loaded nothing of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.harness import until
from tests.services.boxes import box, supervisor, switches

if TYPE_CHECKING:
    from pathlib import Path

SLEEPS = "command = ['sleep', '1000']\n"


def test_nothing_wakes_it_up_while_nothing_happens(namespaces: None, tmp_path: Path) -> None:
    """Neither it nor the init: with readiness of each kind over, restarts and outputs at hand."""
    text = "[service.a]\n" + SLEEPS + "[service.b]\nlog = 'prefix'\non-failure = 'restart'\n"
    text += SLEEPS + "[service.c]\nready = {command = ['true']}\n" + SLEEPS
    text += "[service.d]\nready = {fd = 3}\nafter = ['c']\n"
    text += "command = ['sh', '-c', 'echo >&3; echo d; exec sleep 1000']\n"
    with box(tmp_path, text) as container:
        container.expect("d")
        pid = supervisor(container)

        def is_quiet() -> bool:
            """Look for a second, which a tick of a second or of a tenth would show in."""
            before = switches(pid), switches(container.pid)
            time.sleep(1.1)
            return (switches(pid), switches(container.pid)) == before

        # What the start has left to be done is over when the first such second has passed.
        until(is_quiet, "a second without a wake-up", container.process.pid)
