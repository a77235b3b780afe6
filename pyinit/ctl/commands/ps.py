"""``pyinitctl ps``: all containers of this machine that can be seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pyinit.ctl import common, containers, kinds, table, view
from pyinit.ctl.status import sample
from pyinit.report import cause

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from pyinit.ctl.containers import Found
    from pyinit.ctl.kinds import FoundInit

HELP = "show all containers: their init, uptime and command"
DESCRIPTION = (
    "Show every PID namespace below ours by its PID 1, as it is numbered here: the name or id that "
    "its runtime has put into the path of its cgroup (docker, podman, containerd, CRI-O, "
    "systemd-nspawn, LXC), the hostname, what kind of init it is, its state, uptime and command.  "
    "Other commands take name, id or hostname in the place of PID."
)

_STATES = {"T": "stopped", "t": "traced", "Z": "ended", "X": "ended", "D": "waiting"}


class Shown(NamedTuple):
    """A container, its init, and how long that has been there."""

    found: Found
    init: FoundInit
    uptime_s: float

    @property
    def state(self) -> str:
        """What its init does."""
        return _STATES.get(self.init.process.state, "running")


# What containers are sorted by, and how.
SORTS: dict[str, Callable[[Shown], Any]] = {
    "pid": lambda each: each.found.pid,
    "start": lambda each: (-each.uptime_s, each.found.pid),
    "name": lambda each: (each.found.name, each.found.hostname, each.found.pid),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "names", metavar="NAME", nargs="*", help="only those of this PID, name, id or hostname"
    )
    common.add_sort(parser, SORTS, "containers")
    common.add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Show them; return 1 if one that was named is not there.  Raises CommandError."""
    common.need_own_proc()
    shown = _look()
    missing = 0
    if args.names:
        wanted = []
        for name in args.names:
            those = [each for each in shown if _is_called(each.found, name)]
            wanted += [each for each in those if each not in wanted]
            if not those:
                common.note("ps", f"there is no container '{name}'")
                missing = 1
        shown = wanted
    shown.sort(key=SORTS[args.sort])
    if args.json:
        common.show_json({"containers": [_as_data(each) for each in shown]})
    else:
        rows = [_row(each) for each in shown]
        common.show(table.render(_COLUMNS, rows, table.screen()))
    return missing


def _is_called(found: Found, name: str) -> bool:
    return name == str(found.pid) or found.is_called(name)


def _look() -> list[Shown]:
    shown = []
    for found in containers.look():
        try:
            init = kinds.recognised(view.ProcessView(found.pid))
        except OSError:
            continue  # it has ended
        shown.append(Shown(found, init, sample.age_of(init.process.start)))
    return shown


def _as_data(each: Shown) -> dict[str, Any]:
    process = each.init.process
    return {
        "pid": each.found.pid,
        "inode": each.found.inode,
        "runtime": each.found.runtime or None,
        "name": each.found.name or None,
        "hostname": each.found.hostname or None,
        "kind": each.init.kind.name,
        "state": each.state,
        "uptime_s": round(each.uptime_s, 2),
        "command": process.command,
    }


_COLUMNS = (
    table.Column("PID", right=True),
    table.Column("NAME"),
    table.Column("RUNTIME", rank=1),
    table.Column("HOST", rank=3, flexible=True),
    table.Column("INIT", rank=5),
    table.Column("STATE", rank=4),
    table.Column("UPTIME", right=True, rank=2),
    table.Column("COMMAND", flexible=True, least=24),
)


def _row(each: Shown) -> table.Row:
    process = each.init.process
    style = "yellow" if each.state == "stopped" else "red" if each.state == "ended" else ""
    return (
        str(each.found.pid),
        each.found.short_name or "-",
        each.found.runtime or "-",
        each.found.hostname or "-",
        each.init.kind.name,
        table.Cell(each.state, style),
        cause.duration(each.uptime_s),
        table.command(process.command) if process.command else f"[{process.name}]",
    )
