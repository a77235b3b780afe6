"""Acts out random trees under pyinit, many at a time, and asks of each what has to hold."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING, NamedTuple

from fuzz import invariants, tree
from fuzz.container import CONT, STOP, Container, children, python, setup_s

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from fuzz.tree import Tree

_FROZEN_S = 0.3
# How long a child of the init may be a zombie, and how often that is looked at.
_ZOMBIE_S, _LOOK_S = 1.0, 0.1
# What the init is given to begin to wait for what it is then frozen in.
_BEGIN_S = 0.05
_TERM, _INT = tree.STOPS["TERM"], tree.STOPS["INT"]


class Result(NamedTuple):
    """What came of one tree: its seed, the tree, what did not hold, and what it was about."""

    seed: str
    tree: Tree
    failures: list[str]
    details: str


def run(init: Sequence[str], seed: str, each: Tree, bound_s: float) -> Result:
    """Run one tree and check it."""
    argv = [*init, "--grace", f"{each['grace_s']:g}", *each["options"]]
    argv += ["--", *python("actor.py", repr(each["main"]))]
    stuck = each["stderr"] == "stuck"
    with Container(argv, mode=each["mode"], is_stuck=stuck) as container:
        actor = _Actor(container, each, bound_s)
        try:
            failures = actor.act()
        finally:
            actor.end_those_outside()
        if not failures:
            failures = invariants.check(each, actor.seen())
        details = ""
        if failures:
            details = f"{container.table()}\n{_story(container)}"
    return Result(seed, each, failures, details)


def _story(container: Container) -> str:
    records = container.records
    start = records[0].at_s if records else 0
    lines = [f"  {max(r.at_s - start, 0):8.3f} {r.node:5} {r.what}" for r in records]
    return "\n".join([*lines, container.errors()])


class _Actor:
    """The part of a tree that is outside: signals, those who enter, the clock."""

    def __init__(self, container: Container, each: Tree, bound_s: float) -> None:
        self._container = container
        self._tree = each
        self._bound_s = bound_s
        self._setup_s = setup_s(bound_s)
        self._outside: list[subprocess.Popen[bytes]] = []
        self._zombies: set[tuple[int, str]] = set()
        self._end_s = 0.0  # when the main child ended, as far as is known
        self._over_s = 0.0

    def act(self) -> list[str]:
        """Act it out; return what was missing on the way, if it could not be done to the end."""
        container, each = self._container, self._tree
        if each["stop"]:
            missing = self._build()
            if missing:
                return [f"not there within {self._setup_s:g} s: {missing}"]
            self._hold()
        container.close_writer()
        if each["stop"]:
            missing = self._send_signals()
            if missing:
                return [f"the main child did not get {missing} within {self._setup_s:g} s"]
            self._stop()
        return self._see_the_end()

    def _build(self) -> str:
        """Wait until every node is armed; return who is not."""
        until_s = time.monotonic() + self._setup_s
        if not self._container.wait_for("armed", until_s=until_s):
            return "main child"
        for node in self._tree["entered"]:
            way = ["nsenter", "--target", str(self._container.pid), "--pid", "--"]
            self._outside.append(
                subprocess.Popen(
                    [*way, *python("actor.py", repr(node))],
                    stdin=subprocess.DEVNULL,
                    stdout=self._container.writer,
                    stderr=subprocess.DEVNULL,
                )
            )
        for node in tree.all_nodes(self._tree):
            if not self._container.wait_for("armed", node["id"], until_s=until_s):
                return f"node {node['id']} ({node['kind']})"
        while self._tree["main"]["kind"] == "stops" and self._container.main_state() != "T":
            if time.monotonic() > until_s:
                return "the main child's stop"
            time.sleep(0.001)
        return ""

    def _hold(self) -> None:
        """Leave the tree alone, and see who is a zombie all the time."""
        if not self._tree["hold_s"]:
            return
        since_s: dict[tuple[int, str], float] = {}
        until_s = time.monotonic() + self._tree["hold_s"]
        while (now_s := time.monotonic()) < until_s:
            zombies = self._container.zombies()
            since_s = {each: since_s.get(each, now_s) for each in zombies}
            self._zombies |= {each for each in zombies if now_s - since_s[each] >= _ZOMBIE_S}
            self._rest(_LOOK_S)

    def _send_signals(self) -> str:
        """Send the signals that are to be relayed, and wait for them; return what did not come."""
        for number in self._tree["signals"]:
            self._container.signal(number)
        if self._tree["freeze"] == "running":
            self._freeze()
        until_s = time.monotonic() + self._setup_s
        while wanted := invariants.not_relayed(self._tree, self._container.records):
            if not self._container.read(until_s):
                return ", ".join(map(str, wanted))
        return ""

    def _freeze(self) -> None:
        self._rest(_BEGIN_S)
        self._container.signal(STOP)
        self._rest(_FROZEN_S)
        self._container.signal(CONT)

    def _rest(self, seconds: float) -> None:
        until_s = time.monotonic() + seconds
        while self._container.read(until_s):
            pass

    def _stop(self) -> None:
        number = tree.STOPS.get(self._tree["stop"], tree.GO)
        self._end_s = time.monotonic() + invariants.stop_takes_s(self._tree)
        self._container.signal(number)
        if self._tree["freeze"] == "stopping":
            self._freeze()

    def _see_the_end(self) -> list[str]:
        """Wait for the end of all; return why it has not come."""
        container, each = self._container, self._tree
        until_s = time.monotonic() + self._setup_s
        if not self._is_killed() and not container.wait_for("end", until_s=until_s):
            if container.wait(time.monotonic() + 1):
                return [f"pyinit has exited with {container.code}, the main child was killed"]
            return [f"the main child has not ended within {self._setup_s:g} s of its stop"]
        self._end_s = container.time_of("end") or self._end_s
        if each["freeze"] == "teardown":
            self._freeze()
        limit_s = invariants.limit_s(each) + self._bound_s
        deadline_s = self._end_s + limit_s
        while each["hurry"] and not container.ended and time.monotonic() < deadline_s:
            container.signal(_TERM)
            container.signal(_INT)
            container.wait(time.monotonic() + 0.2)
        if not container.wait(deadline_s):
            who = "" if container.code is None else f"; pyinit has exited with {container.code}"
            return [f"not over {limit_s:g} s after the main child's end{who}"]
        self._over_s = time.monotonic()
        return []

    def _is_killed(self) -> bool:
        return not self._tree["main"]["ends_on"]

    def end_those_outside(self) -> None:
        """Reap the outside parents of those who have entered."""
        for each in self._outside:
            for pid in children(each.pid):
                os.kill(pid, 9)
            each.wait()

    def seen(self) -> invariants.Seen:
        """Return what is to be judged."""
        container = self._container
        return invariants.Seen(
            code=container.code,
            records=container.records,
            took_s=self._over_s - self._end_s,
            zombies=len(self._zombies),
            errors=container.errors(),
            directory=container.directory,
        )


def shrink(
    result: Result, fails: Callable[[Tree], bool], kept: Collection[str] = ("mode", "main")
) -> Tree:
    """Return a smaller tree that still fails: without each node and each feature in turn."""
    smallest = result.tree
    progress = True
    while progress:
        progress = False
        for candidate in _smaller(smallest, kept):
            if fails(candidate):
                smallest, progress = candidate, True
                break
    return smallest


def _smaller(each: Tree, kept: Collection[str]) -> Iterator[Tree]:
    for key, value in each.items():
        if key not in kept and value and key not in ("grace_s", "stop"):
            yield {**each, key: type(value)()}
    for node in _without_one(each["main"]):
        yield {**each, "main": node}


def _without_one(node: tree.Node) -> Iterator[tree.Node]:
    """Yield ``node`` without each of those below it, and without each of those below them."""
    below = node["below"]
    for index, child in enumerate(below):
        yield {**node, "below": below[:index] + below[index + 1 :]}
        for smaller in _without_one(child):
            yield {**node, "below": [*below[:index], smaller, *below[index + 1 :]]}
