"""The files that an init keeps up to date, as others find them."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

from tests.harness import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.harness import Container


def facts(path: Path) -> dict[str, Any]:
    """Return what stands in a status file: one whole line, or nothing before the first one."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        return {}
    assert text.endswith("}\n")
    found: dict[str, Any] = json.loads(text)
    return found


def until_told(path: Path, claim: Callable[[dict[str, Any]], object], container: Container) -> Any:
    """Wait until ``claim`` is true of what the status file tells; return that."""
    found: dict[str, Any] = {}

    def look() -> bool:
        found.clear()
        found.update(facts(path))
        with contextlib.suppress(LookupError):
            return bool(claim(found))
        return False

    until(look, f"what is awaited of {path}", container.pid)
    return found
