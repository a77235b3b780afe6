"""``pyinitctl run``: new namespaces with pyinit as their init, and a command in them."""

from __future__ import annotations

import argparse
import math
import os
import pwd
import shlex
from typing import Any

import pyinit
from pyinit import settings
from pyinit.container import order as orders
from pyinit.ctl import common
from pyinit.ctl.common import CommandError
from pyinit.ctl.start import attach
from pyinit.ctl.start.words import WORDS, add_command, words_of
from pyinit.namespaces import kinds
from pyinit.options import parser as options
from pyinit.options import values
from pyinit.options.values import UsageError

HELP = "start a command in new namespaces, with pyinit as their init"
DESCRIPTION = (
    "Start CMD in new namespaces, under pyinit.  Signals are passed on, the exit code is that "
    "of CMD, and no process is left when pyinitctl or the init is killed.  The default kinds of "
    "namespaces are --pid --mount, and --map-root-user for an ordinary user."
)


AFTER = "CMD"
FAILED = attach.FAILED

# What --user was before it took a user.
_OLD_WORD = "\0"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.usage = "%(prog)s [OPTION]... -- CMD [ARG]..."
    spaces = parser.add_argument_group("namespaces (namespaces(7))")
    for kind in kinds.KINDS:
        spaces.add_argument(
            f"--{WORDS[kind]}",
            action="append_const",
            dest="namespaces",
            const=kind,
            default=[],
            help=f"a new {kind} namespace",
        )
    spaces.add_argument(
        "--all", action="store_true", help="new namespaces of all kinds except user"
    )
    spaces.add_argument(
        "--map-root-user", action="store_true", help="be root in a new user namespace"
    )
    spaces.add_argument(
        "--map-auto",
        action="store_true",
        help="be root in a new user namespace, with the ranges of subuid(5) and subgid(5)",
    )
    _add_inside(parser)
    parser.add_argument(
        "--user", metavar="USER[:GROUP]", nargs="?", const=_OLD_WORD, help="run CMD as this user"
    )
    parser.add_argument(
        "--init",
        metavar="OPTIONS",
        default="",
        help="options of the init in one word, such as --init='--grace 3 -v': see `pyinit --help`",
    )
    add_command(parser)


def _add_inside(parser: argparse.ArgumentParser) -> None:
    inside = parser.add_argument_group("what is in them")
    inside.add_argument(
        "--mount-proc",
        action="store_true",
        help="mount /proc: the default with both --pid and --mount",
    )
    inside.add_argument("--no-proc", action="store_true", help="do not mount /proc")
    inside.add_argument("--root", metavar="DIR", help="the root directory (pivot_root(2))")
    inside.add_argument(
        "--bind",
        metavar="SOURCE:TARGET[:ro]",
        action="append",
        default=[],
        help="bind-mount a file or directory of ours there; may be repeated",
    )
    inside.add_argument("--hostname", metavar="NAME", help="the host name")
    inside.add_argument("--chdir", metavar="DIR", help="the working directory of CMD")
    inside.add_argument(
        "--join-cgroup",
        metavar="DIR",
        action="append",
        default=[],
        help="put the container into this cgroup, a directory of cgroupfs; may be repeated",
    )
    inside.add_argument(
        "--no-loopback", action="store_true", help="leave lo of a new network namespace down"
    )
    for clock in ("monotonic", "boottime"):
        inside.add_argument(
            f"--{clock}", metavar="SECONDS", type=_offset, help=f"add this to the {clock} clock"
        )


def _offset(word: str) -> float:
    """Return a time to add to a clock, for argparse.  Raises ArgumentTypeError."""
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if not orders.is_offset(number):
        raise argparse.ArgumentTypeError(
            f"'{word}' is not a number of seconds: expected one such as 86400 or -0.5"
        )
    return number


def run(args: argparse.Namespace) -> int:
    """Start it and wait; return its exit code.  Raises CommandError."""
    _check_user(args)
    with attach.Blocked() as mask:
        chosen = _settings(args, mask)
        arguments = _arguments(args)
        return attach.run(
            lambda: pyinit.spawn(chosen, terminal=args.terminal, **arguments),
            terminal=args.terminal,
        )


def _check_user(args: argparse.Namespace) -> None:
    """See that --user names one.  Raises UsageError."""
    if args.user == _OLD_WORD:
        common.note("run", "--user without a name is --userns, and will be an error in 2.0")
        args.namespaces.append("user")
        args.user = None
    if args.user is None:
        return
    try:
        values.user(args.user, "--user")
    except UsageError as error:
        raise common.UsageError(str(error)) from None
    name = args.user.partition(":")[0]
    if args.root is None and not name.isdecimal():
        try:
            pwd.getpwnam(name)
        except KeyError:
            raise common.UsageError(
                f"--user: there is no user '{name}' here; a new user namespace is --userns"
            ) from None


def _settings(args: argparse.Namespace, mask: frozenset[int]) -> settings.Settings:
    """Return what the init is asked for.  Raises CommandError."""
    try:
        chosen = options.parse([*shlex.split(args.init), "--", *words_of(args)], dict(os.environb))
    except (UsageError, ValueError) as error:
        raise CommandError(f"--init: {error}", attach.FAILED) from None
    if args.user:
        chosen.user = args.user
    chosen.mask = mask
    chosen.tells_of_stops = True
    return chosen


def _arguments(args: argparse.Namespace) -> dict[str, Any]:
    """Return the keywords of `pyinit.spawn` for what is asked for."""
    names = set(args.namespaces)
    if args.all:
        names |= kinds.KINDS.keys() - {"user"}
    maps_users = args.map_root_user or args.map_auto
    if not names and not maps_users:
        names = {"pid", "mount"}
        maps_users = os.geteuid() != 0
    elif not names:
        names = {"pid", "mount"}
    if maps_users:
        names.add("user")
    offsets = {clock: getattr(args, clock) for clock in ("monotonic", "boottime")}
    offsets = {clock: value for clock, value in offsets.items() if value is not None}
    if args.mount_proc or args.root or args.bind:
        names.add("mount")
    if args.hostname:
        names.add("uts")
    if offsets:
        names.add("time")
    mount_proc = True if args.mount_proc else False if args.no_proc else None
    return {
        "namespaces": names,
        "uid_map": "auto" if args.map_auto else None,
        "gid_map": "auto" if args.map_auto else None,
        "mount_proc": mount_proc,
        "root": args.root,
        "binds": [_bind(word) for word in args.bind],
        "hostname": args.hostname,
        "cwd": args.chdir,
        "cgroup": args.join_cgroup,
        "loopback": not args.no_loopback,
        "time_offsets": offsets,
    }


def _bind(word: str) -> tuple[str, str, bool]:
    source, colon, rest = word.partition(":")
    target, _, mode = rest.partition(":")
    if not colon or not source or not target or mode not in ("", "ro", "rw"):
        raise CommandError(
            f"--bind: '{word}' is not a bind mount: expected SOURCE:TARGET or SOURCE:TARGET:ro",
            attach.FAILED,
        )
    return source, target, mode == "ro"
