"""``pyinitctl tree``: processes by PID namespace, each with its number at every level."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from pyinit.ctl import common, containers, inits, table, view
from pyinit.ctl.common import CommandError
from pyinit.ctl.show import survey
from pyinit.ctl.status import services
from pyinit.kernel import proc
from pyinit.namespaces import found as namespaces
from pyinit.namespaces import members
from pyinit.services import entry as entry_of_services

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from pyinit.namespaces.found import Namespace

HELP = "show processes by PID namespace, with all their numbers"
DESCRIPTION = (
    "Show all processes that can be seen, or those in the PID namespace of process PID and "
    "below it: by namespace, each with its number here (PID) and one (+1), two (+2) or more "
    "levels further down.  Marked are the init of each namespace, processes that entered it "
    "(their parent is outside), zombies, stopped ones, and services by their names."
)

# PROC_PID_INIT_INO of the kernel's include/linux/proc_ns.h: the PID namespace above all
# others.  Nobody can enter it, for setns(2) leads downwards only; and yet kthreadd has no parent.
_INITIAL = 0xEFFFFFFC


# What processes are sorted by, and how.
SORTS: dict[str, Callable[[proc.ProcessStat], Any]] = {
    "pid": lambda each: each.pid,
    "start": lambda each: (each.start, each.pid),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    containers.add_target(parser, "?")
    common.add_sort(parser, SORTS, "processes, each below its parent,")
    common.add_json(parser)


def run(args: argparse.Namespace) -> None:
    """Show it.  Raises CommandError."""
    common.need_own_proc()
    forest = Forest(args.sort)
    root = forest.own if args.pid is None else _namespace_of(args.pid)
    forest.look()
    if args.json:
        common.show_json(forest.as_data(root))
    else:
        common.show(_as_text(forest, root, table.screen()))


def _namespace_of(pid: int) -> Namespace:
    try:
        return namespaces.namespaces_of(pid)["pid"]
    except OSError as error:
        raise CommandError(error.strerror or str(error)) from None
    except KeyError:
        raise CommandError(f"process {pid} has just ended") from None


class Entry(NamedTuple):
    """A process: ``numbers`` are those in our PID namespace and in each one down to its own."""

    pid: int
    numbers: list[int]
    parent: int
    state: str
    zombie: bool
    name: str
    command: list[str]

    @property
    def init(self) -> bool:
        """Whether it is the init of its namespace."""
        return self.numbers[-1] == 1

    @property
    def stopped(self) -> bool:
        """Whether a signal or a tracer has stopped it; see proc(5)."""
        return self.state in "Tt"


class Forest:
    """The processes by PID namespace; ``unseen`` are those whose namespace may not be looked at."""

    def __init__(self, sort: str = "pid") -> None:
        self._sort = SORTS[sort]
        self.own = namespaces.namespaces_of()["pid"]
        self.entries: dict[int, Entry] = {}
        self.places: dict[Namespace, list[Entry]] = {self.own: []}
        self.below: dict[Namespace, list[Namespace]] = {}
        self.unseen: list[Entry] = []
        self.services: dict[int, str] = {}  # from the process that was started to its name
        self._relations = survey.Survey()

    def look(self) -> None:
        """Look at every process."""
        with proc.Ours() as directory:
            processes = proc.snapshot(directory) if directory is not None else {}
        for process in sorted(processes.values(), key=self._sort):
            pid = process.pid
            try:
                entry = _entry(process)
                place = self._place(entry)
            except OSError:
                continue  # it has ended
            self.entries[pid] = entry
            (self.unseen if place is None else self.places.setdefault(place, [])).append(entry)
        for entry in self.entries.values():
            if entry.name == entry_of_services.NAME:
                self._name_services(entry)
        for each in self._relations.relatives:
            if each.kind == "pid" and each != self.own:
                self.places.setdefault(each, [])
                parent = self._relations.relatives[each].parent
                self.below.setdefault(parent or self.own, []).append(each)

    def _name_services(self, supervisor: Entry) -> None:
        """Learn the names of the services below a supervisor from its init's status file."""
        try:
            found = services.read(inits.look_at(supervisor.parent)).facts
        except (OSError, CommandError):
            return  # it has ended, or may not be looked at
        names = {each["pid"]: each["name"] for each in (found or {}).get("services") or ()}
        for entry in self.entries.values():
            if entry.parent == supervisor.pid and entry.numbers[-1] in names:
                self.services[entry.pid] = names[entry.numbers[-1]]

    def _place(self, entry: Entry) -> Namespace | None:
        """Return the PID namespace of a process, or None where it may not be looked at."""
        if len(entry.numbers) == 1:
            return self.own  # which can be told of everybody
        path = f"/proc/{entry.pid}/ns/pid"
        try:
            info = os.stat(path)
        except PermissionError:
            return None
        found = namespaces.Namespace("pid", info.st_ino, info.st_dev)
        self._relations.learn(found, path)
        return found

    def entered(self, entry: Entry) -> bool:
        """Return whether it came by setns(2): its parent is outside, and it is not the init."""
        if entry.init or (len(entry.numbers) == 1 and self.own.inode == _INITIAL):
            return False
        parent = self.entries.get(entry.parent)
        if parent is None:
            return entry.parent == 0  # else it has ended meanwhile
        return len(parent.numbers) < len(entry.numbers)

    def as_data(self, root: Namespace) -> dict[str, Any]:
        """Return it for programs."""
        unseen = {
            "inode": None,
            "level": None,
            "init": None,
            "processes": [self._process(each) for each in self.unseen],
            "namespaces": [],
        }
        found = [self._namespace(root, self._level(root))]
        return {"namespaces": found + [unseen] * bool(self.unseen and root == self.own)}

    def _level(self, each: Namespace) -> int:
        """Return how many levels below our own a namespace is."""
        entries = self.places.get(each)
        return len(entries[0].numbers) - 1 if entries else 0

    def _namespace(self, each: Namespace, level: int) -> dict[str, Any]:
        entries = self.places.get(each, [])
        return {
            "inode": each.inode,
            "level": level,
            "init": next((entry.pid for entry in entries if entry.init), None),
            "processes": [self._process(entry) for entry in entries],
            "namespaces": [self._namespace(child, level + 1) for child in self.below.get(each, [])],
        }

    def _process(self, entry: Entry) -> dict[str, Any]:
        return {
            "pid": entry.pid,
            "numbers": entry.numbers,
            "parent": entry.parent,
            "name": entry.name,
            "command": entry.command,
            "state": entry.state,
            "init": entry.init,
            "service": self.services.get(entry.pid),
            "entered": self.entered(entry),
            "zombie": entry.zombie,
            "stopped": entry.stopped,
        }


def _entry(process: proc.ProcessStat) -> Entry:
    """Return all of a process.  Raises OSError: it has ended."""
    pid = process.pid
    numbers = members.numbers_of(pid)
    name = common.name_of(pid)
    command = [] if process.is_zombie else view.command_of(pid)
    return Entry(pid, numbers, process.parent, process.state, process.is_zombie, name, command)


def _as_text(forest: Forest, root: Namespace, on: table.Screen) -> list[str]:
    groups = list(_groups(forest, root, 0))
    if forest.unseen and root == forest.own:
        title = f"namespaces that may not be looked at, {common.count(len(forest.unseen))}"
        groups.append((table.Cell(title, "bold"), forest.unseen, 0))
    levels = max((len(each.numbers) for _, group, _ in groups for each in group), default=1)
    columns = [
        table.Column("PID", right=True),
        *(table.Column(f"+{level}", right=True) for level in range(1, levels)),
        table.Column("S", rank=1),
        table.Column("MARK"),
        table.Column("COMMAND", flexible=True, least=24),
    ]
    rows: list[table.Row | table.Cell] = []
    for heading, group, depth in groups:
        rows.append(heading)
        rows += [_row(forest, entry, levels, depth + below) for entry, below in _family(group)]
    return table.render(columns, rows, on)


def _groups(
    forest: Forest, root: Namespace, depth: int
) -> Iterator[tuple[table.Cell, list[Entry], int]]:
    """Yield the title, the processes and the depth of a namespace and of all below it."""
    entries = forest.places.get(root, [])
    words = [
        str(root),
        *(["ours"] if root == forest.own else []),
        common.count(len(entries)),
        *(f"init {each.pid}" for each in entries if each.init),
    ]
    yield table.Cell("  " * depth + ", ".join(words), "bold"), entries, depth
    for child in forest.below.get(root, []):
        yield from _groups(forest, child, depth + 1)


def _family(group: list[Entry]) -> Iterator[tuple[Entry, int]]:
    """Yield each process after its parent, where that is in the group, and how deep it is."""
    pids = {each.pid for each in group}
    children: dict[int, list[Entry]] = {}
    for each in group:
        children.setdefault(each.parent if each.parent in pids else 0, []).append(each)
    left = [(each, 0) for each in reversed(children.get(0, []))]
    shown = set()
    while left:
        each, depth = left.pop()
        shown.add(each.pid)
        yield each, depth
        left += [(child, depth + 1) for child in reversed(children.get(each.pid, []))]
    # A number that was used anew while we looked can make a ring.
    yield from ((each, 0) for each in group if each.pid not in shown)


def _row(forest: Forest, entry: Entry, levels: int, depth: int) -> table.Row:
    marks = _marks(forest, entry)
    style = _STYLES.get(marks[0], "") if marks else ""
    numbers = [str(number) for number in entry.numbers]
    command = (
        table.command(entry.command, style)
        if entry.command
        else table.Cell(f"[{entry.name}]", style)
    )
    return (
        *numbers,
        *[""] * (levels - len(numbers)),
        entry.state,
        table.Cell(" ".join(marks), style),
        table.indented("  " * depth, command),
    )


_STYLES = {"zombie": "red", "stopped": "yellow", "entered": "cyan", "init": "green"}


def _marks(forest: Forest, entry: Entry) -> list[str]:
    """Return what is to be said of a process, what matters most first."""
    holds = {
        "zombie": entry.zombie,
        "stopped": entry.stopped,
        "entered": forest.entered(entry),
        "init": entry.init,
    }
    found = [mark for mark, is_so in holds.items() if is_so]
    service = forest.services.get(entry.pid)
    return [*found, service] if service else found
