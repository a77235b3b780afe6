"""``pyinitctl ns``: which namespaces there are, and who shares which."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING, Any, NamedTuple

from pyinit.ctl import common, containers, table
from pyinit.ctl.show import survey
from pyinit.namespaces.found import Namespace, namespaces_of
from pyinit.namespaces.kinds import KINDS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

HELP = "show namespaces, their members, and which are shared"
DESCRIPTION = (
    "With PIDs: the inodes of the namespaces of each of these processes and of ours (self), and "
    "which of them are the same.  Without: every namespace that can be seen, who is in it, what "
    "else keeps it, and to which others it belongs."
)

_FIRST_MEMBERS = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    containers.add_target(parser, "*")
    common.add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Show them; return 1 if a process that was named cannot be shown.  Raises CommandError."""
    common.need_own_proc()
    if args.pids:
        return _show_processes(list(dict.fromkeys(args.pids)), args)
    _show_all(args)
    return 0


class Looked(NamedTuple):
    """A process that was named; ``error`` says why its namespaces cannot be seen, or is empty."""

    pid: int
    name: str
    namespaces: dict[str, Namespace]
    error: str = ""


def _show_processes(pids: list[int], args: argparse.Namespace) -> int:
    own = Looked(os.getpid(), "(self)", namespaces_of())
    found = [_looked_at(pid) for pid in pids]
    if args.json:
        common.show_json(_processes_as_data(own, found))
    else:
        for each in found:
            if each.error:
                common.note("ns", each.error)
        seen = [each for each in found if not each.error]
        if seen:
            others = [each for each in seen if each.pid != own.pid]
            common.show(_processes_as_text([own, *others], table.screen()))
    return int(any(each.error for each in found))


def _looked_at(pid: int) -> Looked:
    try:
        found = namespaces_of(pid)
    except OSError as error:
        return Looked(pid, common.name_of(pid), {}, error.strerror or str(error))
    if not found:
        return Looked(pid, "?", {}, f"process {pid} has just ended")
    return Looked(pid, common.name_of(pid), found)


def _groups(kind: str, processes: Iterable[Looked]) -> dict[Namespace, list[int]]:
    """Return who of ``processes`` is in each of their namespaces of ``kind``."""
    found: dict[Namespace, list[int]] = {}
    for process in processes:
        if kind in process.namespaces:
            found.setdefault(process.namespaces[kind], []).append(process.pid)
    return found


def _processes_as_data(own: Looked, found: list[Looked]) -> dict[str, Any]:
    return {
        "self": {"pid": own.pid, "namespaces": _inodes(own)},
        "processes": [
            {
                "pid": each.pid,
                "name": each.name if not each.error else None,
                "namespaces": _inodes(each),
                "differing": [
                    kind
                    for kind, space in each.namespaces.items()
                    if space != own.namespaces.get(kind)
                ],
                "error": each.error or None,
            }
            for each in found
        ],
        "shared": [
            {
                "kind": kind,
                "inode": space.inode,
                "pids": pids,
                "self": space == own.namespaces.get(kind),
            }
            for kind in KINDS
            for space, pids in _groups(kind, found).items()
        ],
    }


def _inodes(process: Looked) -> dict[str, int]:
    return {kind: each.inode for kind, each in process.namespaces.items()}


def _processes_as_text(everybody: list[Looked], on: table.Screen) -> list[str]:
    kinds = [kind for kind in KINDS if any(kind in each.namespaces for each in everybody)]
    columns = [
        table.Column("PID", right=True),
        table.Column("NAME", flexible=True),
        # Those where all are the same go first: below the table they are all the same.
        *(table.Column(k.upper(), rank=int(len(_groups(k, everybody)) == 1)) for k in kinds),
    ]
    rows = _inode_rows(everybody, kinds, 0)
    differ = any(len(_groups(kind, everybody)) > 1 for kind in kinds)
    notes = ["* differs from ours"] if differ else []
    if on.width is not None and table.total(table.natural_widths(columns, rows)) > on.width:
        dropped = _common_prefix(everybody)
        if dropped:
            rows = _inode_rows(everybody, kinds, len(dropped))
            notes.append(f"all inodes begin with {dropped}")
    lines = table.render(columns, rows, on)
    lines += ["", *table.render(_SHARED_COLUMNS, _shared_rows(everybody, kinds), on)]
    return [*lines, *([""] if notes else []), *notes]


def _inode_rows(everybody: list[Looked], kinds: list[str], skip: int) -> list[Any]:
    own = everybody[0]
    rows = []
    for each in everybody:
        cells = []
        for kind in kinds:
            space = each.namespaces.get(kind)
            if space is None:
                cells.append(table.Cell("-", "dim"))
            elif space == own.namespaces.get(kind):
                cells.append(table.Cell(str(space.inode)[skip:]))
            else:
                cells.append(table.Cell(f"{str(space.inode)[skip:]}*", "yellow"))
        rows.append((str(each.pid), each.name, *cells))
    return rows


def _common_prefix(everybody: list[Looked]) -> str:
    """Return the digits that all inodes begin with, but never all digits of one."""
    inodes = [str(space.inode) for each in everybody for space in each.namespaces.values()]
    first = min(inodes, key=len)[:-1]
    while not all(inode.startswith(first) for inode in inodes):
        first = first[:-1]
    return first


_SHARED_COLUMNS = (table.Column("SHARED"), table.Column("BY", flexible=True))


def _shared_rows(everybody: list[Looked], kinds: list[str]) -> list[Any]:
    """Return which processes share a namespace, the kinds together in which it is the same."""
    rows: dict[str, list[str]] = {}
    for kind in kinds:
        groups = _groups(kind, everybody)
        rows.setdefault(
            " | ".join(
                " ".join("self" if pid == everybody[0].pid else str(pid) for pid in group)
                for group in groups.values()
            ),
            [],
        ).append(kind)
    return [(" ".join(kinds), text) for text, kinds in rows.items()]


def _show_all(args: argparse.Namespace) -> None:
    found = survey.Survey()
    found.look()
    if args.json:
        common.show_json(_all_as_data(found))
        return
    rows = [_row(found, *each) for each in _nested(found)]
    common.show(table.render(_COLUMNS, rows, table.screen()))
    if found.unseen:
        common.note(
            "ns",
            f"{common.count(found.unseen)} may not be looked at (ptrace(2)): not counted here, and "
            "perhaps in namespaces that are missing",
        )


def _nested(found: survey.Survey) -> list[tuple[Namespace, int]]:
    """Return all namespaces by kind, and how deep each is: those with a parent are below it."""
    below: dict[Namespace | None, list[Namespace]] = {}
    for each in sorted(found.all(), key=lambda each: each.inode):
        below.setdefault(_parent(found, each), []).append(each)
    order = list(KINDS)
    left = [(each, 0) for each in sorted(below[None], key=lambda each: order.index(each.kind))]
    rows = []
    while left:
        each, depth = left.pop(0)
        rows.append((each, depth))
        left[:0] = [(child, depth + 1) for child in below.get(each, ())]
    return rows


def _parent(found: survey.Survey, each: Namespace) -> Namespace | None:
    relatives = found.relatives.get(each)
    return relatives.parent if relatives else None


_COLUMNS = (
    table.Column("TYPE"),
    table.Column("INODE", right=True),
    table.Column("PARENT", right=True, rank=3),
    table.Column("OWNER", right=True, rank=1),
    table.Column("USER", flexible=True, rank=2),
    table.Column("N", right=True),
    table.Column("MEMBERS", flexible=True, least=24),
)


def _row(found: survey.Survey, each: Namespace, depth: int) -> table.Row:
    around = found.relatives.get(each, survey.Relatives())
    members = found.members.get(each, [])
    own = os.getpid() in members
    return (
        "  " * depth + each.kind,
        table.Cell(str(each.inode), "" if own else "yellow"),
        str(around.parent.inode) if around.parent else "-",
        str(around.owner.inode) if around.owner else "-",
        "-" if around.owner_uid is None else _user(around.owner_uid),
        str(len(members)),
        _members_as_text(found, each, members),
    )


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _members_as_text(found: survey.Survey, each: Namespace, members: list[int]) -> str:
    """Return the first members; where there are none, what else keeps the namespace."""
    if members:
        first = [f"{pid} {common.name_of(pid)}" for pid in members[:_FIRST_MEMBERS]]
        return ", ".join(first + ["..."] * (len(members) > _FIRST_MEMBERS))
    holders = found.holders.get(each, [])
    if not holders:
        return "(kept by those that belong to it)"
    first = [_holder_as_text(holder) for holder in holders[:_FIRST_MEMBERS]]
    return "(kept by " + ", ".join(first + ["..."] * (len(holders) > _FIRST_MEMBERS)) + ")"


def _holder_as_text(holder: survey.Holder) -> str:
    process = f"{holder.pid} {common.name_of(holder.pid)}"
    if holder.how == "mount":
        return f"mount {holder.what}"
    if holder.how == "children":
        return f"the next children of {process}"
    return f"{holder.how} {holder.what} of {process}"


def _all_as_data(found: survey.Survey) -> dict[str, Any]:
    return {
        "namespaces": [_as_data(found, each) for each, _ in _nested(found)],
        "unseen": found.unseen,
    }


def _as_data(found: survey.Survey, each: Namespace) -> dict[str, Any]:
    around = found.relatives.get(each, survey.Relatives())
    members = found.members.get(each, [])
    return {
        "kind": each.kind,
        "inode": each.inode,
        "self": os.getpid() in members,
        "parent": around.parent.inode if around.parent else None,
        "owner": around.owner.inode if around.owner else None,
        "owner_uid": around.owner_uid,
        "processes": [{"pid": pid, "name": common.name_of(pid)} for pid in members],
        "kept_by": [
            {"pid": holder.pid, "how": holder.how, "what": holder.what or None}
            for holder in found.holders.get(each, [])
        ],
    }
