"""The tools in the tests: without a terminal they have room for all that they know."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tables and helps be wide, and not as wide as the terminal of whoever runs the tests."""
    monkeypatch.setenv("COLUMNS", "1000")
