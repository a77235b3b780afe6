"""Many leftovers: our children are asked before others are looked for."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pyinit
from pyinit.stopping import crowd
from tests.harness import DEADLINE_S, Container, python
from tests.stopping.test_teardown import NEVER_S, end_main

MANY = crowd.MANY + 4


def leave(ending: int, deaf: int, masters: int, grace: str, mode: str) -> Container:
    """Return a container whose command leaves so many; see crowd.py."""
    words = map(str, (ending, deaf, masters))
    container = Container(
        python("crowd.py", *words),
        options=["--grace", grace],
        mode=mode,
        stdin=subprocess.PIPE,
    )
    container.expect("ready")
    return container


def names(kind: str, count: int) -> list[str]:
    """Return what so many of a kind write."""
    return [f"{kind} {n}" for n in range(count)]


def test_each_is_asked_once(mode: str) -> None:
    """Who does not end has the grace, and gets no second TERM."""
    with leave(MANY, 3, 0, "0.5", mode) as container:
        end_main(container)
        found = container.rest().splitlines()
        assert sorted(found) == sorted([*names("ending", MANY), *names("deaf", 3)])
        assert container.wait() == 7


def test_all_end_at_once(mode: str) -> None:
    """Nothing waits for the grace, or for half of it."""
    with leave(MANY, 0, 0, NEVER_S, mode) as container:
        end_main(container)
        assert sorted(container.rest().splitlines()) == sorted(names("ending", MANY))
        assert container.wait() == 7


def test_workers_of_masters_among_them_are_asked_after_these(mode: str) -> None:
    """A master ends first, though many others have ended meanwhile."""
    with leave(MANY, 0, 3, NEVER_S, mode) as container:
        end_main(container)
        found = container.rest().splitlines()
        assert container.wait() == 7
    assert len(found) == MANY + 6
    for n in range(3):
        assert found.index(f"master {n}") < found.index(f"worker {n}")


def test_a_second_stop_kills_them(mode: str) -> None:
    """The grace is over then."""
    with leave(MANY, MANY, 0, NEVER_S, mode) as container:
        end_main(container)
        for _ in range(2 * MANY):
            container.line()
        for number in (signal.SIGTERM, signal.SIGINT):
            container.signal(number)
        assert container.wait() == 7


ALONE = """
import os, signal, sys, _signal
sys.path.append(sys.argv[1])
from pyinit import events, inbox, reaper, scope, settings
from pyinit.kernel import clock
from pyinit.stopping import crowd
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
pids = set()
for _ in range(3):
    pid = os.fork()
    if not pid:
        os.close(1)
        signal.alarm(60)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
        signal.pause()
    pids.add(pid)
os.kill(os.getpid(), signal.SIGUSR1)
log = events.Log(0, lambda: None)
box = inbox.Inbox(settings.Settings([]), log)
reaping = reaper.Reaper(log)
taken = crowd.end(pids, scope.Scope(), reaping, box, clock.Clock())
print(taken.si_signo == signal.SIGUSR1, reaping.signalled == pids)
for pid in pids:
    os.kill(pid, signal.SIGKILL)
"""


def test_a_signal_that_comes_meanwhile_is_handed_on() -> None:
    """It is taken only there: what it means depends on the state, which comes after that."""
    directory = str(Path(pyinit.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", ALONE, directory],
        capture_output=True,
        text=True,
        check=True,
        timeout=DEADLINE_S,
    )
    assert done.stdout == "True True\n"
