"""Random services as real processes: the order holds at start and stop, and all ends."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.harness import MODES, draw
from tests.services.boxes import box, stays, supervisor

if TYPE_CHECKING:
    import random
    from pathlib import Path

NAMES = "abcdefg"


def graph(source: random.Random) -> dict[str, list[str]]:
    """Return a graph without circles."""
    order = source.sample(NAMES, len(NAMES))
    found: dict[str, list[str]] = {}
    for index, name in enumerate(order):
        found[name] = sorted(source.sample(order[:index], source.randint(0, min(index, 3))))
    return {name: found[name] for name in NAMES}


@pytest.mark.parametrize("mode", MODES)
def test_the_order_holds(namespaces: None, tmp_path: Path, mode: str) -> None:
    """Whoever comes after another one is there later, and told to stop earlier."""
    after = graph(draw("the order of services"))
    text = "".join(
        f"[service.{name}]\nafter = {after[name]}\n{stays(name)}" for name in source_order(after)
    )
    with box(tmp_path, text, mode=mode) as container:
        started = [container.line() for _ in NAMES]
        assert sorted(started) == list(NAMES)
        pid = supervisor(container)
        container.signal(signal.SIGTERM)
        assert container.wait() == 0, pid
        stopped = [line.partition(" ")[0] for line in container.rest().splitlines()]
    assert sorted(stopped) == list(NAMES)
    for name, others in after.items():
        for other in others:
            assert started.index(other) < started.index(name), text
            assert stopped.index(name) < stopped.index(other), text


def source_order(after: dict[str, list[str]]) -> list[str]:
    """Return the names in an order that says nothing of theirs."""
    return sorted(after, key=lambda name: (len(after[name]) % 2, name))
