"""What has to hold for every tree, whatever is in it."""

from __future__ import annotations

import collections
import json
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fuzz import tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fuzz.container import Record
    from fuzz.tree import Node, Tree

# What pyinit may be early by: the clock is read before and after.
_EARLY_S = 0.05
_TICK_S = 0.01  # of the starts in /proc; see proc(5)
_BAD_WORDS = re.compile(r"Traceback|internal.error")


class Seen(NamedTuple):
    """What was seen of one tree, to its end; times of CLOCK_MONOTONIC in seconds."""

    code: int | None
    records: Sequence[Record]
    took_s: float  # from the main child's end to the end of all
    zombies: int  # children of the init that have been zombies for longer than a second
    errors: str  # stderr
    directory: str


def check(each: Tree, seen: Seen) -> list[str]:
    """Return what did not hold.  That nobody survives is known by then: the pipe has ended."""
    return [
        *_exit_code(each, seen),
        *_tokens(each, seen),
        *_terms(each, seen),
        *_grace(each, seen),
        *_words(seen),
        *_report(each, seen),
        *(["a child of the init was a zombie for a second"] if seen.zombies else []),
    ]


def exit_code(each: Tree) -> int:
    """Return the exit code that the tree's end leads to: 128+n for a signal n."""
    how = each["main"]["value"]
    if not each["main"]["ends_on"]:
        return 128 + int(signal.SIGKILL)
    return 128 - how if how < 0 else int(how)


def stop_takes_s(each: Tree) -> float:
    """Return how long pyinit may take until the main child is told, or killed."""
    options = each["options"]
    return sum(
        float(options[options.index(name) + 1])
        for name in ("--drain", "--stop-timeout")
        if name in options
    )


def limit_s(each: Tree) -> float:
    """Return how long after the main child's end all others may live, besides the bound."""
    nodes = list(tree.all_nodes(each))
    frozen_s = 0.3 if each["freeze"] == "teardown" else 0.0
    if each["hurry"]:
        return frozen_s + 1.0
    if any(tree.may_stay(node, each) for node in nodes):
        return float(each["grace_s"]) + frozen_s
    return frozen_s + max([_delay_s(node) for node in nodes], default=0.0)


def _delay_s(node: Node) -> float:
    return float(node["term"][1]) if isinstance(node["term"], list) else 0.0


def not_relayed(each: Tree, records: Sequence[Record]) -> list[int]:
    """Return which signals the main child has not got: each one that queues, of others one."""
    got = collections.Counter(int(r.what[4:]) for r in records if r.what.startswith("got "))
    sent: collections.Counter[int] = collections.Counter(each["signals"])
    # A traced one has handlers, and Python keeps one flag a number for them.
    counts = each["main"]["kind"] != "traced"
    queued = int(signal.SIGRTMIN)
    return [n for n, count in sent.items() if got[n] < (count if counts and n >= queued else 1)]


def _exit_code(each: Tree, seen: Seen) -> list[str]:
    wanted = exit_code(each)
    return [] if seen.code == wanted else [f"exit code {seen.code} instead of {wanted}"]


def _armed(records: Sequence[Record]) -> set[int]:
    """Return which nodes were armed before the main child ended."""
    end = next((i for i, r in enumerate(records) if (r.node, r.what) == (0, "end")), len(records))
    return {r.node for r in records[:end] if r.what == "armed"}


def _tokens(each: Tree, seen: Seen) -> list[str]:
    """Return who was to write a token and has not."""
    if each["hurry"]:
        return []
    armed = _armed(seen.records)
    wrote = {r.node for r in seen.records if r.what == "token"}
    return [
        f"node {node['id']} ({node['kind']}) has not written its token"
        for node in tree.all_nodes(each)
        if tree.owes_token(node) and node["id"] in armed - wrote
    ]


def _terms(each: Tree, seen: Seen) -> list[str]:
    """Return who was sent TERM more than once: many programs take a second for the end at once."""
    if each["hurry"]:
        return []  # with --group the second stop is relayed to others too
    got = collections.Counter(r.node for r in seen.records if r.what == "term")
    # The processes of a storm have its number, and its handler.
    storms = {node["id"] for node in tree.all_nodes(each) if node["kind"] == "storm"}
    late = _armed_late(seen.records) if "--group" in each["options"] else set()
    return [
        f"node {node} got TERM {count} times"
        for node, count in got.items()
        if count > 1 and node not in storms | late
    ]


def _armed_late(records: Sequence[Record]) -> set[int]:
    """Return who may have been started in the clock tick in which the group was sent the stop.

    Nobody can tell then whether it was sent TERM with its group; see `Order.reached` of pyinit.
    """
    end_s = next((r.at_s for r in records if (r.node, r.what) == (0, "end")), 0.0)
    return {r.node for r in records if r.what == "armed" and r.at_s > end_s - 2 * _TICK_S}


def _grace(each: Tree, seen: Seen) -> list[str]:
    """Return whether somebody who stays was not given the grace."""
    armed = _armed(seen.records)
    stays = any(tree.stays(node) and node["id"] in armed for node in tree.all_nodes(each))
    if stays and not each["hurry"] and seen.took_s < each["grace_s"] - _EARLY_S:
        return [f"over {seen.took_s:.3f} s after the main child's end, before the grace is"]
    return []


def _words(seen: Seen) -> list[str]:
    found = _BAD_WORDS.search(seen.errors)
    return [f"stderr has {found.group()!r}"] if found else []


def _report(each: Tree, seen: Seen) -> list[str]:
    """Return what is wrong with the report, if one is asked for."""
    if "--report" not in each["options"]:
        return []
    try:
        report = json.loads(Path(seen.directory, "report").read_text())
    except (OSError, ValueError) as error:
        return [f"no report: {error}"]
    if report["exit_code"] != seen.code:
        return [f"the report says exit code {report['exit_code']}"]
    return []
