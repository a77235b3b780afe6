"""The exit code is the main child's: its own status, or 128+n when signal n killed it."""

from __future__ import annotations

import signal

from tests.cases import in_turn
from tests.harness import run


def test_every_exit_code_is_passed_on(mode: str) -> None:
    """All of 0 to 255 arrive as they are: tried at both ends, around 128, and in between."""
    for code in (0, 1, 2, 63, 127, 128, 129, 143, 254, 255):
        assert run(["sh", "-c", f"exit {code}"], mode=mode)[0] == code


@in_turn("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, 34, 64])
def test_a_killed_child_is_128_plus_the_signal(mode: str, number: int) -> None:
    """Real-time signals included; a signal's own number would be lost in WEXITSTATUS."""
    assert run(["sh", "-c", f"kill -{int(number)} $$"], mode=mode)[0] == 128 + number
