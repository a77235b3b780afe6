"""Namespaces that cannot be made: the error names the system call, its errno and the reason."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import pyinit
from pyinit.namespaces import kinds
from tests.harness import DEADLINE_S
from tests.spawning import USER
from tests.users import need_root

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.usefixtures("namespaces")

PROGRAM = """
import errno, sys
import pyinit
try:
    with pyinit.spawn(["true"], namespaces=sys.argv[1].split(",")):
        print("made")
except pyinit.NamespaceError as error:
    print(error.call, errno.errorcode[error.errno], error.reason, sep="\\n")
    assert str(error) == f"{error.call}: {errno.errorcode[error.errno]}; {error.reason}"
"""
# Root of a user namespace, which has limits of its own; see namespaces(7).
ROOT_THERE = ["unshare", "--user", "--map-root-user"]
THEN = ["sh", "-c"]


def making(names: str, before: Sequence[str]) -> list[str]:
    """Have a program make namespaces; return the call, the errno and the reason."""
    done = subprocess.run(
        [*before, sys.executable, "-c", PROGRAM, names],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
    )
    assert (done.stderr, done.returncode) == ("", 0)
    return done.stdout.splitlines()


@pytest.mark.parametrize("kind", ["user", "cgroup", "ipc", "uts", "net", "pid", "time", "mount"])
def test_a_limit_is_reached(kind: str) -> None:
    """ENOSPC, and the limit by its name."""
    limit = f"user.max_{kinds.KINDS[kind][1]}_namespaces"
    lower = f'echo 0 > /proc/sys/{limit.replace(".", "/")} && exec "$@"'
    call, number, reason = making(kind, [*ROOT_THERE, *THEN, lower, "sh"])
    assert call == f"unshare(CLONE_NEW{'NS' if kind == 'mount' else kind.upper()})"
    assert number == "ENOSPC"
    assert reason == f"too many namespaces, or too deep: see the limits {limit}"


def test_one_of_several_limits_is_reached() -> None:
    """Which one is not known, so all that it can be are named; the user namespace comes first."""
    lower = 'echo 0 > /proc/sys/user/max_uts_namespaces && exec "$@"'
    call, number, reason = making("pid,uts", [*ROOT_THERE, *THEN, lower, "sh"])
    assert (call, number) == ("unshare(CLONE_NEWUTS|CLONE_NEWPID)", "ENOSPC")
    assert "user.max_uts_namespaces, user.max_pid_namespaces" in reason


def test_without_the_right_to_it() -> None:
    """EPERM, and what to add."""
    before = [] if USER else ["setpriv", "--bounding-set", "-sys_admin"]
    assert making("uts", before) == [
        "unshare(CLONE_NEWUTS)",
        "EPERM",
        "it needs CAP_SYS_ADMIN, which a new user namespace gives: add 'user'",
    ]


def test_who_has_no_number() -> None:
    """In a user namespace where we are not mapped none can be made; see user_namespaces(7)."""
    call, number, reason = making("user", ["unshare", "--user"])
    assert (call, number) == ("unshare(CLONE_NEWUSER)", "EPERM")
    assert "our user has no number in our user namespace" in reason


def test_in_a_chroot() -> None:
    """EPERM: the new one would be root there, and could leave it; see unshare(2)."""
    # A bind mount of / on itself is another directory than the root of the mount namespace.
    enter = 'mount --rbind / /mnt && PATH=$PATH:/usr/sbin:/sbin && exec chroot /mnt "$@"'
    before = [*ROOT_THERE, "--mount", *THEN, enter, "sh"]
    call, number, reason = making("user", before)
    assert (call, number) == ("unshare(CLONE_NEWUSER)", "EPERM")
    assert "a chroot" in reason


@pytest.mark.parametrize(
    ("name", "value"),
    [("unprivileged_userns_clone", 0), ("apparmor_restrict_unprivileged_userns", 1)],
)
def test_a_switch_forbids_them(name: str, value: int) -> None:
    """The reason is the switch, where the distribution's kernel has one.

    The refusal is a chroot's; the switch stands in a file in the place of the kernel's.
    """
    script = (
        f"mount -t tmpfs none /proc/sys/kernel && echo {value} > /proc/sys/kernel/{name} && "
        'mount --rbind / /mnt && PATH=$PATH:/usr/sbin:/sbin && exec chroot /mnt "$@"'
    )
    before = [*ROOT_THERE, "--mount", *THEN, script, "sh"]
    assert making("user", before) == [
        "unshare(CLONE_NEWUSER)",
        "EPERM",
        f"unprivileged user namespaces are switched off by kernel.{name}",
    ]


def test_the_maps_of_another_process_are_not_written() -> None:
    """In a PID namespace with the old /proc a number there is somebody else's."""
    before = [*ROOT_THERE, "--pid", "--fork"]
    call, number, reason = making("user", before)
    assert call.startswith("writing /proc/")
    assert number == "ENOENT"
    assert "of our own PID namespace" in reason


def test_a_switch_that_allows_them_is_not_blamed() -> None:
    """It was something else then."""
    script = (
        "mount -t tmpfs none /proc/sys/kernel && "
        "echo 1 > /proc/sys/kernel/unprivileged_userns_clone && "
        'mount --rbind / /mnt && PATH=$PATH:/usr/sbin:/sbin && exec chroot /mnt "$@"'
    )
    _, _, reason = making("user", [*ROOT_THERE, "--mount", *THEN, script, "sh"])
    assert "switched off" not in reason


def test_the_caller_stays_where_it_was() -> None:
    """A failure leaves no child behind, and nothing that has changed."""
    need_root()
    before = {name: os.readlink(f"/proc/self/ns/{name}") for name in os.listdir("/proc/self/ns")}
    with pytest.raises(pyinit.NamespaceError, match="writing /proc/"):
        pyinit.spawn(["true"], namespaces=["user", "pid"], uid_map=[(0, 0, 1), (0, 0, 1)])
    assert before == {name: os.readlink(f"/proc/self/ns/{name}") for name in before}


def test_an_unknown_kind() -> None:
    """ValueError, before anything is started."""
    with pytest.raises(ValueError, match="'network' is not a kind of namespace: expected some of"):
        pyinit.spawn(["true"], namespaces=["network"])
