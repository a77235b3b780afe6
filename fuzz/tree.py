"""Random process trees as data: what is started below an init, and how it is to behave.

A tree is a dictionary of plain values, so its ``repr`` is a line that can be kept, changed by hand
and run again:

    mode      pid1, or subreaper: pyinit below another PID 1
    options   of pyinit, besides --grace
    grace_s   of --grace
    stderr    file, or stuck: a pipe that is full and that nobody reads
    signals   sent from outside while the tree runs; the main child must get each
    stop      how the main child is ended: a stop signal, go (a signal that means nothing to
              pyinit), or nothing (it ends by itself at once)
    freeze    when the init gets SIGSTOP, and SIGCONT a moment later: running (before the stop),
              stopping (right after it), teardown, or never
    hurry     whether a second stop signal cuts the grace short
    hold_s    how long the tree is left alone and watched for zombies before the end
    main      the main child, a node
    entered   nodes whose process enters the namespace from outside by setns(2)

A node is one process:

    id        its number in the records
    start     fork (a child of the node above), orphan (double-forked), enter
    place     same, session (setsid(2)) or group (setpgid(2))
    closed    whether it closes the standard streams
    term      default, ignore, or [token, S]: on TERM it writes its token after S seconds and exits
    kind      one of KINDS
    value     what the kind needs
    below     the nodes that it starts
"""

from __future__ import annotations

import random
import signal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

Node = dict[str, Any]
Tree = dict[str, Any]

# What a node can be, how often it is drawn, and in words.
KINDS = {
    "plain": (30, "lives until it is ended"),
    "ends": (14, "exits or is ended by a signal at once; value: the code, or minus the signal"),
    "stops": (7, "stops itself with SIGSTOP"),
    "exec": (6, "becomes sleep(1)"),
    "shell": (3, "becomes sh(1), which has a trap, and waits for one sleep(1) after another"),
    "late": (6, "forks while it is being ended; the child ignores TERM and lives value seconds"),
    "leader": (5, "its thread group leader ends first, another thread lives on"),
    "traced": (4, "asks its parent to trace it (PTRACE_TRACEME), which never continues it"),
    "traced by init": (3, "the same of an orphan: its parent is the init"),
    "subreaper": (5, "adopts the orphans below it (PR_SET_CHILD_SUBREAPER), and reaps none"),
    "nested": (
        5,
        "is the init of a PID namespace of its own; TERM at its default is dropped there",
    ),
    "hydra": (2, "forks and ends in turn, each value seconds, for ever"),
    "storm": (2, "leaves value orphans behind that end at once"),
}
# What a tree can have, for --without.
FEATURES = {
    "main traced": "the main child asks the init to trace it",
    "main stops": "the main child has stopped itself when it is stopped by a signal",
    "main leader": "the main child's thread group leader ends first",
    "entered": "a process enters from outside",
    "freeze": "the init is stopped and continued",
    "hurry": "a second stop signal in the teardown",
    "stuck": "stderr is a pipe that nobody reads",
    "subreaper mode": "pyinit is not PID 1",
    "drain": "--drain",
    "plan": "--stop-timeout",
    "signals": "random signals meanwhile",
}

FREEZES = ("running", "stopping", "teardown")
GO = int(signal.SIGRTMIN) + 9
STOPS = {"TERM": int(signal.SIGTERM), "INT": int(signal.SIGINT), "QUIT": int(signal.SIGQUIT)}
RELAYED = [int(signal.SIGUSR1), int(signal.SIGUSR2), int(signal.SIGWINCH), int(signal.SIGALRM)]
REAL_TIME = [int(signal.SIGRTMIN) + offset for offset in (1, 2, 7)]
# Of these the default action is an end.
FATAL = [int(each) for each in (signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGUSR1)]
FATAL += [int(signal.SIGTERM), int(signal.SIGPIPE), int(signal.SIGXFSZ)]

# How often, and what; a log or a report costs as much processor time as five quiet runs.
_OPTIONS: tuple[tuple[int, list[str]], ...] = (
    (12, []),
    (3, ["--group"]),
    (2, ["--session"]),
    (1, ["-v"]),
    (1, ["-vv"]),
    (1, ["-w"]),
    (1, ["--log-level", "debug", "--log-format", "logfmt"]),
    (1, ["--report", "{directory}/report"]),
    (1, ["--status-file", "{directory}/status"]),
    (1, ["-v", "--report", "{directory}/report", "--metrics-file", "{directory}/metrics.prom"]),
    (1, ["--on-oom", "stop"]),
)
# Who stays after TERM is killed when this is over; it is waited for in full.
_SHORT_GRACE_S = 2.0
# Nobody stays: waiting for its end would be a defect.
_LONG_GRACE_S = 120.0
_MOST_NODES = 12


def draw(seed: str, without: Collection[str] = ()) -> Tree:
    """Return the tree of ``seed``, with none of the kinds and features ``without``."""
    rng = random.Random(seed)
    subreaper = rng.random() < 0.3 and "subreaper mode" not in without
    tree: Tree = {
        "mode": "subreaper" if subreaper else "pid1",
        "options": list(rng.choices([o for _, o in _OPTIONS], [n for n, _ in _OPTIONS])[0]),
        "grace_s": 0.0,
        "stderr": "stuck" if _has(rng, 0.1, "stuck", without) else "file",
        "signals": [],
        "stop": rng.choice(["go", "go", "go", "TERM", "TERM", "INT", "QUIT", ""]),
        "freeze": rng.choice(FREEZES) if _has(rng, 0.15, "freeze", without) else "",
        "hurry": _has(rng, 0.06, "hurry", without),
        "hold_s": 1.4 if rng.random() < 0.07 else 0.0,
        "entered": [],
    }
    nodes = _Nodes(rng, without)
    tree["main"] = _main(rng, tree, nodes, without)
    if tree["stop"] and not subreaper and _has(rng, 0.07, "entered", without):
        tree["entered"] = [nodes.node("enter", 9)]
    can_listen = tree["stop"] and tree["main"]["kind"] != "stops"
    if can_listen and _has(rng, 0.6, "signals", without):
        tree["signals"] = rng.choices(RELAYED + REAL_TIME, k=rng.randint(1, 12))
    _add_plan(rng, tree, without)
    stays = any(may_stay(each, tree) for each in all_nodes(tree))
    tree["grace_s"] = _SHORT_GRACE_S if stays and not tree["hurry"] else _LONG_GRACE_S
    return tree


def _has(rng: random.Random, share: float, feature: str, without: Collection[str]) -> bool:
    # Drawn in any case: leaving something out is to change nothing else.
    return rng.random() < share and feature not in without


def _main(rng: random.Random, tree: Tree, nodes: _Nodes, without: Collection[str]) -> Node:
    """Return the main child, which may be anything that can be told to end."""
    kinds = ["plain"] * 12
    if tree["stop"] and "main traced" not in without:
        kinds.append("traced")
    if tree["stop"] and "main leader" not in without:
        kinds.append("leader")
    if tree["stop"] in STOPS and tree["mode"] == "pid1" and "main stops" not in without:
        kinds.append("stops")
    code = rng.choice([0, 0, 1, 7, 126, 255, *(-number for number in FATAL)])
    ends_on = [GO] if tree["stop"] == "go" else [STOPS.get(tree["stop"], 0)]
    return {
        "id": 0,
        "start": "main",
        "kind": rng.choice(kinds),
        "value": code,
        "when": "told" if tree["stop"] else "at once",
        "heeds": [GO, *STOPS.values(), *RELAYED, *REAL_TIME],
        "ends_on": ends_on,
        "below": nodes.some(rng.randint(0, 5), 0),
    }


def _add_plan(rng: random.Random, tree: Tree, without: Collection[str]) -> None:
    """Have some stops drained, and some ignored and escalated."""
    if tree["stop"] not in STOPS:
        return
    if _has(rng, 0.7 if tree["freeze"] == "stopping" else 0.2, "drain", without):
        tree["options"] += ["--drain", "0.2"]
    if _has(rng, 0.15, "plan", without):
        # With --group the group would be killed with it.
        tree["options"] = [word for word in tree["options"] if word != "--group"]
        tree["options"] += ["--stop-timeout", "0.3"]
        tree["main"]["ends_on"] = []


class _Nodes:
    """Draws nodes, and numbers them."""

    def __init__(self, rng: random.Random, without: Collection[str]) -> None:
        self._rng = rng
        self._kinds = [kind for kind in KINDS if kind not in without]
        self._weights = [KINDS[kind][0] for kind in self._kinds]
        self._count = 0
        self._inits = 0  # above the node at hand, besides pyinit

    def some(self, count: int, depth: int) -> list[Node]:
        """Return up to ``count`` nodes."""
        return [
            self.node(self._rng.choice(["fork", "fork", "orphan"]), depth)
            for _ in range(count)
            if self._count < _MOST_NODES
        ]

    def node(self, start: str, depth: int) -> Node:
        """Return one node, ``depth`` below the main child, with those below it."""
        rng = self._rng
        self._count += 1
        kind = "plain" if start == "enter" else rng.choices(self._kinds, self._weights)[0]
        node: Node = {"id": self._count, "start": start, "kind": kind, "value": 0, "term": "ignore"}
        if kind == "traced by init":
            node["start"] = "orphan"
            # Below another init, or a subreaper, that is who becomes the parent.
            node["kind"] = kind = "traced" if self._inits else kind
        node["place"] = rng.choice(["same", "same", "same", "session", "group"])
        node["closed"] = rng.random() < 0.15
        node["term"] = rng.choice(
            ["default"] * 3 + ["ignore"] + [["token", rng.choice([0, 0, 0.02, 0.1, 0.3])]] * 5
        )
        self._complete(node)
        if kind in ("nested", "subreaper"):
            self._inits += 1
        many = depth < 3 and kind not in ("ends", "exec", "shell", "hydra", "leader")
        node["below"] = self.some(rng.choice([0, 0, 1, 2]), depth + 1) if many else []
        if kind in ("nested", "subreaper"):
            self._inits -= 1
        return node

    def _complete(self, node: Node) -> None:
        """Give the node what its kind needs."""
        rng, kind = self._rng, node["kind"]
        if kind == "ends":
            node["value"] = rng.choice([0, 1, 255, *(-number for number in FATAL)])
        elif kind == "storm":
            node["value"] = rng.randint(5, 60)
        elif kind == "hydra":
            node["value"] = rng.choice([0.003, 0.01])
        elif kind == "late":
            node["value"] = rng.choice([0.05, 30])
        if kind == "late":
            node["term"] = ["token", 0.1]
        elif kind in ("hydra", "exec", "nested", "shell") and isinstance(node["term"], list):
            # In a nested namespace all end with its init, so that one has to stay.
            node["term"] = "default"


def all_nodes(tree: Tree) -> Iterator[Node]:
    """Yield every node of ``tree`` but the main child."""
    todo = [*tree["main"]["below"], *tree["entered"]]
    while todo:
        node = todo.pop()
        yield node
        todo += node["below"]


def may_stay(node: Node, tree: Tree) -> bool:
    """Return whether the process of ``node``, or one that it makes, may outlive a TERM."""
    kind = node["kind"]
    if kind == "ends":
        return False
    if kind in ("nested", "traced", "shell") or node["term"] == "ignore":
        return True
    if node["below"] and not tree["stop"]:
        return True  # it may fork when TERM has come already
    if kind == "late":
        return bool(node["value"] > 1)
    # Who forks while the descendants are walked through may be missed by the one TERM.
    return tree["mode"] == "subreaper" and kind in ("hydra", "storm")


def stays(node: Node) -> bool:
    """Return whether the process of ``node`` outlives a TERM for certain: it can only be killed."""
    return node["term"] == "ignore" and node["kind"] not in (
        "ends",
        "traced",
        "traced by init",
        "shell",
    )


def owes_token(node: Node) -> bool:
    """Return whether the process of ``node`` writes its token when it gets TERM, if it is armed."""
    return isinstance(node["term"], list) and node["kind"] not in ("ends", "traced")
