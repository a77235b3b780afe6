"""``pyinitctl exec``: a command in the namespaces of a process."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pyinit.api.keywords import settings_of
from pyinit.container.execute import exec_in
from pyinit.ctl import common, containers
from pyinit.ctl.start import attach
from pyinit.ctl.start.words import WORDS, add_command, words_of

if TYPE_CHECKING:
    import argparse

HELP = "start a command in the namespaces of a process"
DESCRIPTION = (
    "Start CMD in the namespaces of process PID: in all that differ from ours, in its root and "
    "its cgroup, or only in the namespaces named (exec --net PID -- ip addr).  CMD has an init of "
    "its own, which ends and reaps all that CMD leaves behind."
)

AFTER = "CMD"
FAILED = attach.FAILED

# As timeout(1).
TIMED_OUT = 124


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.usage = "%(prog)s [OPTION]... PID -- CMD [ARG]..."
    containers.add_target(parser)
    spaces = parser.add_argument_group("only these namespaces")
    for kind, word in WORDS.items():
        spaces.add_argument(
            f"--{word}",
            action="append_const",
            dest="namespaces",
            const=kind,
            help=f"the {kind} namespace of process PID",
        )
    parser.add_argument("--user", metavar="USER[:GROUP]", default="", help="run CMD as this user")
    parser.add_argument("--chdir", metavar="DIR", help="the working directory of CMD")
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=common.seconds,
        help="end CMD and all that it started after this time, and exit with 124",
    )
    parser.add_argument(
        "--grace",
        metavar="SECONDS",
        type=common.seconds,
        default=1.0,
        help="time between TERM and KILL then (default: %(default)g)",
    )
    add_command(parser)


def run(args: argparse.Namespace) -> int:
    """Start it and wait; return its exit code.  Raises CommandError."""
    words = words_of(args)
    with attach.Blocked() as mask:
        chosen = settings_of(words, {"grace_s": args.grace}, exec_in)
        chosen.user = args.user
        chosen.mask = mask
        chosen.tells_of_stops = True
        if args.timeout is not None:
            chosen.escalation = ((args.grace, attach.KILL),)
        return attach.run(
            lambda: exec_in(
                args.pid,
                chosen,
                namespaces=args.namespaces,
                cwd=args.chdir,
                terminal=args.terminal,
                env=_environment(args),
            ),
            terminal=args.terminal,
            timeout_s=args.timeout,
            timed_out=TIMED_OUT,
        )


def _environment(args: argparse.Namespace) -> dict[str, str]:
    """Return our environment, with the PATH of the process where CMD is looked for in its root.

    Ours is about our own root: `docker exec` finds what the image's PATH has.
    """
    found = dict(os.environ)
    if args.namespaces is None or "mount" in args.namespaces:
        try:
            words = Path(f"/proc/{args.pid}/environ").read_bytes().split(b"\0")
        except OSError:
            return found  # it has ended, or may not be looked at, which entering it will tell
        paths = [word for word in words if word.startswith(b"PATH=")]
        if paths:
            found["PATH"] = os.fsdecode(paths[0][len("PATH=") :])
    return found
