"""A time-out can be as long as anybody likes: poll(2) has 31 bits for its milliseconds."""

from __future__ import annotations

import asyncio
import math
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

import pyinit
from pyinit.kernel import polls
from tests.harness import python
from tests.spawning import USER, line, spawn

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyinit import Container, Exit

pytestmark = pytest.mark.usefixtures("namespaces")

LONG = [30 * 86400, 1e300, math.inf]
PIPE = subprocess.PIPE


def communicated(container: Container, timeout: float) -> Exit:
    """Write and read, and return the end."""
    assert container.communicate(b"x\n", timeout=timeout)[0] == b"x\n"
    return container.wait(timeout=timeout)


def ended(container: Container, timeout: float) -> Exit:
    """Give it what it waits for, and wait."""
    assert container.stdin is not None
    container.stdin.write(b"x\n")
    return container.wait(timeout=timeout)


WAYS: dict[str, Callable[[Container, float], Exit]] = {"wait": ended, "communicate": communicated}


@pytest.mark.parametrize("timeout", LONG)
@pytest.mark.parametrize("way", WAYS)
def test_it_ends_sooner(way: str, timeout: float) -> None:
    """And so does the wait."""
    with spawn(["sh", "-c", "read -r x; echo $x"], stdin=PIPE) as container:
        assert WAYS[way](container, timeout) == pyinit.Exit(0)


@pytest.mark.parametrize("timeout", LONG)
def test_a_stop_in_its_own_time(timeout: float) -> None:
    """Which is for ever, as good as: nobody is killed."""
    with spawn(python("record.py", "TERM")) as container:
        assert line(container.stdout) == "ready"
        assert container.stop(timeout) == pyinit.Exit(0)


@pytest.mark.parametrize("timeout", LONG)
def test_all_in_one(timeout: float) -> None:
    """By `run_container` too."""
    kinds: Any = {"namespaces": {"pid", "mount", *USER}}
    done = pyinit.run_container(["echo", "x"], capture_output=True, timeout=timeout, **kinds)
    assert done.stdout == b"x\n"


@pytest.mark.parametrize("timeout", LONG)
def test_a_stop_in_an_event_loop(timeout: float) -> None:
    """As by `Container.stop`."""

    async def main() -> Exit:
        kinds: Any = {"pid", "mount", *USER}
        argv = python("record.py", "TERM")
        async with pyinit.spawn_async(argv, namespaces=kinds, stdout=PIPE) as container:
            assert container.stdout is not None
            assert await container.stdout.readline() == b"ready\n"
            return await container.stop(timeout)

    assert asyncio.run(main()) == pyinit.Exit(0)


@pytest.mark.parametrize("way", ["wait", "communicate"])
def test_what_takes_more_than_one_poll(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one goes on, up to the time-out and not beyond it."""
    monkeypatch.setattr(polls, "MOST_S", 0.01)
    with spawn(["sleep", "1000"]) as container:
        with pytest.raises(pyinit.TimeoutExpired):
            getattr(container, way)(timeout=0.1)
        with pytest.raises(pyinit.TimeoutExpired):
            getattr(container, way)(timeout=0.01)
    with spawn(["sh", "-c", "sleep 0.2"]) as container:
        getattr(container, way)(timeout=1000)
        assert container.returncode == 0
