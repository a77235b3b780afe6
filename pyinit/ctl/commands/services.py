"""``pyinitctl services``: look at a file of services before it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinit.ctl import common
from pyinit.services import check, graph, group, readers, toml
from pyinit.services.problems import ServicesError

if TYPE_CHECKING:
    import argparse

    from pyinit.services.model import Services

HELP = "check, draw or convert a file of services"
DESCRIPTION = (
    "check: report all errors in FILE, and what is probably a mistake: a stop that takes longer "
    "than a runtime waits, a shell in front of a program, a 'ready' that no service waits for.  "
    "graph: draw the order.  convert: print FILE as TOML."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("action", choices=sorted(_ACTIONS))
    parser.add_argument("file", metavar="FILE", help="as for 'pyinit --services FILE'")
    parser.add_argument(
        "--stop-timeout",
        metavar="SECONDS",
        type=float,
        help="check: the --stop-timeout of pyinit, which limits the stop",
    )
    parser.add_argument("--mermaid", action="store_true", help="graph: a flowchart for Mermaid")


def run(args: argparse.Namespace) -> int:
    """Do what is asked for; return 1 if something is wrong with the file.  Raises CommandError."""
    try:
        services = readers.read(args.file)
    except ServicesError as error:
        for line in error.lines:
            common.say(line)
        return 1
    return _ACTIONS[args.action](services, args)


def _check(services: Services, args: argparse.Namespace) -> int:
    found = check.warnings(services, args.stop_timeout)
    common.show([f"{args.file}: {text}" for text in [*services.notes, *found]])
    count = len(services.by_name)
    longest, _ = group.longest_stop(services)
    word = "service" if count == 1 else "services"
    common.show([f"{args.file}: {count} {word}, a stop takes {longest:g} s at most"])
    return 0


def _graph(services: Services, args: argparse.Namespace) -> int:
    common.show(graph.as_mermaid(services) if args.mermaid else graph.as_text(services))
    return 0


def _convert(services: Services, _: argparse.Namespace) -> int:
    notes = [f"# {note}" for note in services.notes]
    common.show([*notes, *toml.write(services).splitlines()])
    return 0


_ACTIONS = {"check": _check, "convert": _convert, "graph": _graph}
