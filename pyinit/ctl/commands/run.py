"""``pyinitctl run``: new namespaces with pyinit as their init, and a command in them."""

from __future__ import annotations

import os
import pwd
import shlex
from typing import TYPE_CHECKING, Any

import pyinit
from pyinit import settings
from pyinit.ctl import common
from pyinit.ctl.common import CommandError
from pyinit.ctl.start import attach
from pyinit.ctl.start.words import WORDS, add_command, words_of
from pyinit.namespaces import kinds
from pyinit.options import parser as options
from pyinit.options import values
from pyinit.options.values import UsageError

if TYPE_CHECKING:
    import argparse

HELP = "start a command in new namespaces, with pyinit as their init"
DESCRIPTION = (
    "Start CMD in new namespaces, under pyinit.  Signals are passed on, the exit code is that "
    "of CMD, and no process is left when either end dies.  Without any kind of namespace named: "
    "--pid --mount, and --map-root-user for an ordinary user."
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
    spaces.add_argument("--all", action="store_true", help="new ones of all kinds but user")
    spaces.add_argument(
        "--map-root-user", action="store_true", help="be root in a new user namespace"
    )
    spaces.add_argument(
        "--map-auto",
        action="store_true",
        help="be root there, with the ranges that subuid(5) and subgid(5) allow",
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
        help="show a file or directory of ours there as well; may be repeated",
    )
    inside.add_argument("--hostname", metavar="NAME", help="the name of the host")
    inside.add_argument("--chdir", metavar="DIR", help="the working directory of CMD")
    inside.add_argument(
        "--join-cgroup",
        metavar="DIR",
        action="append",
        default=[],
        help="put all into this cgroup, a directory of cgroupfs; may be repeated",
    )
    inside.add_argument(
        "--no-loopback", action="store_true", help="leave lo of a new network namespace down"
    )
    for clock in ("monotonic", "boottime"):
        inside.add_argument(
            f"--{clock}", metavar="SECONDS", type=float, help=f"add this to the {clock} clock"
        )


def run(asked: argparse.Namespace) -> int:
    """Start it and wait; return its exit code.  Raises CommandError."""
    _check_user(asked)
    with attach.Blocked() as mask:
        chosen = _settings(asked, mask)
        arguments = _arguments(asked)
        return attach.run(
            lambda: pyinit.spawn(chosen, terminal=asked.terminal, **arguments),
            terminal=asked.terminal,
        )


def _check_user(asked: argparse.Namespace) -> None:
    """See that --user names one.  Raises UsageError."""
    if asked.user == _OLD_WORD:
        common.note("run", "--user without a name is --userns, and will be an error in 2.0")
        asked.namespaces.append("user")
        asked.user = None
    if asked.user is None:
        return
    try:
        values.user(asked.user, "--user")
    except UsageError as error:
        raise common.UsageError(str(error)) from None
    name = asked.user.partition(":")[0]
    if asked.root is None and not name.isdecimal():
        try:
            pwd.getpwnam(name)
        except KeyError:
            raise common.UsageError(
                f"--user: there is no user '{name}' here; a new user namespace is --userns"
            ) from None


def _settings(asked: argparse.Namespace, mask: frozenset[int]) -> settings.Settings:
    """Return what the init is asked for.  Raises CommandError."""
    try:
        chosen = options.parse(
            [*shlex.split(asked.init), "--", *words_of(asked)], dict(os.environb)
        )
    except (UsageError, ValueError) as error:
        raise CommandError(f"--init: {error}", attach.FAILED) from None
    if asked.user:
        chosen.user = asked.user
    chosen.mask = mask
    chosen.tells_of_stops = True
    return chosen


def _arguments(asked: argparse.Namespace) -> dict[str, Any]:
    """Return the keywords of `pyinit.spawn` for what is asked for."""
    names = set(asked.namespaces)
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
        "cwd": asked.chdir,
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
