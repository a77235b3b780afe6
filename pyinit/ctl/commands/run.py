"""``pyinitctl run``: new namespaces with pyinit as their init, and a command in them."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING, Any

import pyinit
from pyinit import settings
from pyinit.ctl.common import CommandError
from pyinit.ctl.start import attach
from pyinit.ctl.start.words import add_command, words_of
from pyinit.namespaces import kinds
from pyinit.options import parser as options
from pyinit.options.values import UsageError

if TYPE_CHECKING:
    import argparse

HELP = "start a command in new namespaces, with pyinit as their init"
DESCRIPTION = (
    "Start CMD in new namespaces, under pyinit.  Signals are passed on, the exit code is that "
    "of CMD, and nobody is left when either end dies.  Without any kind of namespace named: "
    "--pid --mount, and --map-root-user for an ordinary user."
)


AFTER = "CMD"
FAILED = attach.FAILED


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.usage = "%(prog)s [OPTION]... -- CMD [ARG]..."
    spaces = parser.add_argument_group("namespaces (namespaces(7))")
    for kind in kinds.KINDS:
        spaces.add_argument(f"--{kind}", action="store_true", help=f"a new {kind} namespace")
    spaces.add_argument("--all", action="store_true", help="all of them but user")
    spaces.add_argument(
        "--map-root-user", action="store_true", help="be root in a new user namespace"
    )
    spaces.add_argument(
        "--map-auto",
        action="store_true",
        help="root, and the ranges that subuid(5) and subgid(5) allow",
    )
    inside = parser.add_argument_group("what is in them")
    inside.add_argument("--mount-proc", action="store_true", help="mount /proc (default with both "
        "--pid and --mount)")  # fmt: skip
    inside.add_argument("--no-proc", action="store_true", help="do not")
    inside.add_argument("--root", metavar="DIR", help="the root directory (pivot_root(2))")
    inside.add_argument(
        "--bind", metavar="SOURCE:TARGET[:ro]", action="append", default=[], help="may be repeated"
    )
    inside.add_argument("--hostname", metavar="NAME", help="the host's name")
    inside.add_argument("--chdir", metavar="DIR", help="the working directory")
    inside.add_argument(
        "--join-cgroup", metavar="DIR", action="append", default=[], help="may be repeated"
    )
    inside.add_argument("--no-loopback", action="store_true", help="leave lo of a new network down")
    for clock in ("monotonic", "boottime"):
        inside.add_argument(
            f"--{clock}", metavar="SECONDS", type=float, help=f"add to the {clock} clock"
        )
    parser.add_argument(
        "--init",
        metavar="OPTIONS",
        default="",
        help="options of the init in one word, such as --init='--grace 3 -v': see `pyinit --help`",
    )
    add_command(parser)


def run(asked: argparse.Namespace) -> int:
    """Start it and wait; return its exit code.  Raises CommandError."""
    with attach.Blocked() as mask:
        chosen = _settings(asked, mask)
        arguments = _arguments(asked)
        return attach.run(
            lambda: pyinit.spawn(chosen, terminal=asked.terminal, **arguments),
            terminal=asked.terminal,
        )


def _settings(asked: argparse.Namespace, mask: frozenset[int]) -> settings.Settings:
    """Return what the init is asked for.  Raises CommandError."""
    try:
        chosen = options.parse(
            [*shlex.split(asked.init), "--", *words_of(asked)], dict(os.environb)
        )
    except (UsageError, ValueError) as error:
        raise CommandError(f"--init: {error}", attach.FAILED) from None
    chosen.mask = mask
    chosen.tells_of_stops = True
    return chosen


def _arguments(asked: argparse.Namespace) -> dict[str, Any]:
    """Return the keywords of `pyinit.spawn` for what is asked for."""
    names = {kind for kind in kinds.KINDS if getattr(asked, kind)}
    if asked.all:
        names |= kinds.KINDS.keys() - {"user"}
    maps_users = asked.map_root_user or asked.map_auto
    if not names and not maps_users:
        names = {"pid", "mount"}
        maps_users = os.geteuid() != 0
    elif not names:
        names = {"pid", "mount"}
    if maps_users:
        names.add("user")
    offsets = {clock: getattr(asked, clock) for clock in ("monotonic", "boottime")}
    offsets = {clock: value for clock, value in offsets.items() if value is not None}
    if asked.mount_proc or asked.root or asked.bind:
        names.add("mount")
    if asked.hostname:
        names.add("uts")
    if offsets:
        names.add("time")
    mount_proc = True if asked.mount_proc else False if asked.no_proc else None
    return {
        "namespaces": names,
        "uid_map": "auto" if asked.map_auto else None,
        "gid_map": "auto" if asked.map_auto else None,
        "mount_proc": mount_proc,
        "root": asked.root,
        "binds": [_bind(word) for word in asked.bind],
        "hostname": asked.hostname,
        "directory": asked.chdir,
        "cgroup": asked.join_cgroup,
        "loopback": not asked.no_loopback,
        "time_offsets": offsets,
    }


def _bind(word: str) -> tuple[str, str, bool]:
    source, colon, rest = word.partition(":")
    target, _, mode = rest.partition(":")
    if not colon or not source or not target or mode not in ("", "ro", "rw"):
        raise CommandError(
            f"--bind: '{word}' is none: expected SOURCE:TARGET or SOURCE:TARGET:ro",
            attach.FAILED,
        )
    return source, target, mode == "ro"
