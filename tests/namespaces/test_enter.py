"""`pyinit.enter`: this process enters the namespaces of another; see setns(2).

Each test does so in a program of its own: there is no way back.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import pyinit
from pyinit import NamespaceError
from tests.conftest import missing
from tests.harness import DEADLINE_S
from tests.spawning import USER, output, own_namespaces, spawn

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyinit.api.types import Words

pytestmark = pytest.mark.usefixtures("namespaces")

SLEEP = ["sleep", "1000"]
# An ordinary user has the right to others only by way of the user namespace.
ALL = {"cgroup", "ipc", "uts", "net", "pid", "time"}
PROGRAM = """
import os, socket, sys, threading, time
import pyinit
pid = int(sys.argv[1])
def kinds():
    files = {"mount": "mnt"}
    found = {}
    for kind in ("user", "cgroup", "ipc", "uts", "net", "pid", "time", "mount"):
        try:
            found[kind] = os.stat(f"/proc/self/ns/{files.get(kind, kind)}").st_ino
        except FileNotFoundError:
            pass
    return found
def entered(*arguments):
    before = kinds()
    pyinit.enter(pid, *arguments)
    after = kinds()
    print(*[kind for kind in before if before[kind] != after.get(kind)])
def refused(*arguments):
    before = kinds()
    try:
        pyinit.enter(pid, *arguments)
    except (OSError, ValueError) as error:
        print(type(error).__name__, error)
    else:
        print("done")
    if kinds() != before:
        print("but some are others now")
"""

# As Linux before 5.8, where setns(2) takes no pidfd.
OLD = """
from pyinit import linux
def setns(fd, flags, plain=linux.setns):
    if os.readlink(f"/proc/self/fd/{fd}") == "anon_inode:[pidfd]":
        raise OSError(22, "Invalid argument")
    plain(fd, flags)
linux.setns = setns
"""


@pytest.fixture(params=["", OLD], ids=["at-once", "one-by-one"])
def way(request: pytest.FixtureRequest) -> str:
    """Each way to enter several namespaces."""
    return str(request.param)


def program(pid: int, code: str, before: Iterable[str] = ()) -> list[str]:
    """Run PROGRAM and ``code`` with the number of a process; return its lines."""
    done = subprocess.run(
        [*before, sys.executable, "-c", PROGRAM + code, str(pid)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
    )
    assert (done.stderr, done.returncode) == ("", 0)
    return done.stdout.splitlines()


def test_all_that_differ(way: str) -> None:
    """And not those that are shared; the PID namespace is that of the next child."""
    with spawn(SLEEP, kinds=ALL, hostname="inner") as container:
        lines = program(
            container.pid,
            way
            + """
entered()
print(socket.gethostname())
if os.fork() == 0:
    os._exit(7 if os.getpid() > 1 and os.getppid() == 0 else 1)
print(os.waitstatus_to_exitcode(os.wait()[1]))
""",
        )
        expected = [kind for kind in pyinit.namespaces_of() if kind in (ALL - {"pid"} | USER)]
        assert lines == [" ".join(expected), "inner", "7"]


def test_a_mount_namespace_too(way: str) -> None:
    """Its /proc does not show us, but our children: they are in its PID namespace."""
    with spawn(SLEEP) as container:
        lines = program(
            container.pid,
            way
            + """
pyinit.enter(pid)
print(os.path.exists("/proc/self"), flush=True)
if os.fork() == 0:
    print(os.readlink("/proc/self") == str(os.getpid()), flush=True)
    os._exit(0)
os.wait()
""",
        )
        assert lines == ["False", "True"]


@pytest.mark.parametrize("kind", sorted(ALL - {"pid"} | {"mount"}))
def test_only_one_that_is_named(kind: str) -> None:
    """The others stay ours; as an ordinary user with the user namespace that gives the right."""
    with spawn(SLEEP, kinds={*ALL, "mount"}, mount_proc=False) as container:
        (line,) = program(container.pid, f"entered({[kind, *USER]!r})")
        assert set(line.split()) == {kind} | USER


def test_a_pid_namespace_counts_for_the_next_children() -> None:
    """Ourselves keep our number, see pid_namespaces(7)."""
    with spawn(SLEEP, kinds={"pid"}) as container:
        lines = program(
            container.pid,
            f"""
own = os.getpid()
entered({["pid", *USER]!r})
of_children = os.stat("/proc/self/ns/pid_for_children").st_ino
print(os.getpid() == own, of_children == pyinit.namespaces_of(pid)["pid"].inode)
""",
        )
        assert lines == [" ".join(USER), "True True"]


def test_a_time_namespace_counts_at_once() -> None:
    """Unlike with unshare(2), which moves the next children only; see time_namespaces(7)."""
    offset_s = 100_000_000
    with spawn(SLEEP, kinds={"time"}, time_offsets={"monotonic": offset_s}) as container:
        lines = program(
            container.pid,
            f"""
before = time.monotonic()
entered()
print(time.monotonic() - before > {offset_s})
""",
        )
        assert lines == [
            " ".join(kind for kind in ("user", "time") if kind in {"time"} | USER),
            "True",
        ]


def test_none_that_differs() -> None:
    """There is nothing to do then, and nothing that takes a right."""
    child = subprocess.Popen(SLEEP)
    try:
        assert program(child.pid, "entered(); entered(['uts', 'user']); entered([])") == [""] * 3
        before = own_namespaces()
        pyinit.enter(child.pid)
        assert own_namespaces() == before
    finally:
        child.kill()
        child.wait()


MIXED = """
import os, sys, pyinit
from pyinit import linux
from pyinit.namespaces.kinds import KINDS
linux.unshare(KINDS["net"][0])
with pyinit.spawn(["sleep", "1000"], namespaces=["user", "uts"]) as inner:
    print(inner.pid, flush=True)
    sys.stdin.read()
"""


def test_namespaces_of_an_outer_and_of_an_inner_user_namespace(way: str) -> None:
    """The network belongs to the outer one: after the inner one alone it could not be entered.

    One after the other takes the right to the network beforehand, in our own user namespace too.
    """
    if way and USER:
        missing("root")
    with spawn([sys.executable, "-c", MIXED], stdin=subprocess.PIPE, kinds={"uts"}) as container:
        assert container.stdout is not None
        innermost = int(container.stdout.readline())
        assert {"user", "net", "uts"} <= {
            kind
            for kind, each in pyinit.namespaces_of(innermost).items()
            if each != pyinit.namespaces_of()[kind]
        }
        assert program(innermost, way + "entered()") == ["user uts net"]


def test_one_thread_only() -> None:
    """For a user, a mount and a time namespace; the reason says so, and nothing is entered."""
    threads = """
end = threading.Event()
threading.Thread(target=end.wait).start()
"""
    reason = "with more than one thread"
    with spawn(SLEEP, "time", "user", "uts") as container:
        lines = program(
            container.pid,
            threads + "refused()\nrefused(['uts', 'user'])\nrefused(['time'])\nend.set()",
        )
        flags = "CLONE_NEWUSER|CLONE_NEWUTS|CLONE_NEWPID|CLONE_NEWTIME|CLONE_NEWNS"
        start = f"NamespaceError setns({flags}) to process {container.pid}: "
        assert lines[0].startswith(start)
        assert reason in lines[0]
        assert lines[1].startswith("NamespaceError setns(CLONE_NEWUSER|CLONE_NEWUTS) to process")
        assert f"EINVAL; {reason}" in lines[1]
        assert f"setns(CLONE_NEWTIME) to process {container.pid}: EUSERS; {reason}" in lines[2]
        assert len(lines) == 3


THREADED = """
with pyinit.spawn(["sleep", "1000"], namespaces=["mount"]) as container:
    pid = container.pid
    refused(["mount"])
"""


def test_a_program_that_has_used_spawn_has_two_threads() -> None:
    """A mount namespace is then refused too: threads share their root, CLONE_FS in clone(2)."""
    line = output([sys.executable, "-c", PROGRAM + THREADED, "0"])
    assert "setns(CLONE_NEWNS) to process" in line
    assert line.endswith("EINVAL; with more than one thread it cannot be done")


# Root without the right.
UNPRIVILEGED = () if USER else ("setpriv", "--bounding-set", "-sys_admin")


def test_without_the_right_to_it(way: str) -> None:
    """EPERM: CAP_SYS_ADMIN is wanted over what is entered, and in our own user namespace."""
    with spawn(SLEEP, kinds={"uts", "user"}) as container:
        (line,) = program(container.pid, way + "refused(['uts'])", UNPRIVILEGED)
        assert line == (
            f"NamespaceError setns(CLONE_NEWUTS) to process {container.pid}: EPERM; it needs "
            "CAP_SYS_ADMIN in the user namespace that the namespace belongs to, and here"
        )


def test_all_or_nothing() -> None:
    """One that is refused keeps us out of those that were not."""
    if USER:
        missing("root")
    with spawn(SLEEP, kinds={"uts", "user", "time"}) as container:
        (line,) = program(
            container.pid,
            """
end = threading.Event()
threading.Thread(target=end.wait).start()
refused(["uts", "time"])
end.set()
""",
        )
        assert line.startswith("NamespaceError setns(CLONE_NEWUTS|CLONE_NEWTIME)")
        assert line.endswith("EUSERS; with more than one thread it cannot be done")


@pytest.mark.parametrize(
    ("names", "text"), [(["pid", "mnt"], "'mnt' is not a kind"), ({"d"}, "'d' is not a kind")]
)
def test_an_unknown_kind(names: Words[str], text: str) -> None:
    """Is refused before anything else is looked at, also with those that there are."""
    with pytest.raises(ValueError, match=text) as raised:
        pyinit.enter(2**22 + 1, names)
    assert "expected some of user, cgroup, ipc, uts, net, pid, time, mount" in str(raised.value)


@pytest.mark.parametrize("namespaces", [None, ["uts"]])
def test_there_is_no_such_process(namespaces: list[str] | None) -> None:
    """And none is entered."""
    with pytest.raises(ProcessLookupError, match=f"there is no process {2**22 + 1}"):
        pyinit.enter(2**22 + 1, namespaces)


def test_a_zombie_has_nothing_to_enter() -> None:
    """What it shares with us needs no entering, and what it has left is gone: ESRCH."""
    child = subprocess.Popen(["true"])
    try:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        pyinit.enter(child.pid)
        lines = program(child.pid, "refused(['uts'])")
        assert lines == [
            f"NamespaceError setns(CLONE_NEWUTS) to process {child.pid}: ESRCH; it has ended"
        ]
    finally:
        child.wait()


def test_without_proc() -> None:
    """What differs cannot be known then."""
    hide = ["sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh"]
    code = "import pyinit\ntry:\n pyinit.enter(1)\nexcept FileNotFoundError as e:\n print(e)"
    assert "there is no /proc here" in output([*hide, sys.executable, "-c", code])


def test_no_descriptor_stays_open() -> None:
    """Not when it is entered and not when it is refused."""
    with spawn(SLEEP, kinds={"uts", "user"}) as container:
        lines = program(
            container.pid,
            """
before = os.listdir("/proc/self/fd")
refused(["uts", "nonsense"])
pyinit.enter(pid)
print(os.listdir("/proc/self/fd") == before)
""",
        )
        assert lines[-1] == "True"


def test_an_error_can_be_pickled() -> None:
    """As it is when it has to go from one process of a pool to another."""
    error = NamespaceError("setns(CLONE_NEWPID)", 22, "a reason")
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, NamespaceError)
    assert str(again) == str(error) == "setns(CLONE_NEWPID): EINVAL; a reason"
    assert (again.call, again.errno, again.reason) == (error.call, 22, "a reason")
