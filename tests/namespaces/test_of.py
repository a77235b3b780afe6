"""`pyinit.namespaces_of`: the namespaces of a process, by kind; see namespaces(7)."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

import pyinit
from pyinit.namespaces.found import differing
from pyinit.namespaces.kinds import KINDS
from tests.harness import PYINIT, UNSHARE_USER, Container, until
from tests.spawning import USER, output, spawn
from tests.users import need_root

pytestmark = pytest.mark.usefixtures("namespaces")

SLEEP = ["sleep", "1000"]
# Says what the question in argv[1] raises.
ASK = """
import sys, pyinit
try:
    pyinit.namespaces_of(int(sys.argv[1]))
except OSError as error:
    print(type(error).__name__, error)
else:
    print("seen")
"""


def test_our_own() -> None:
    """Each is what readlink(2) of its file says, and the default is this process."""
    own = pyinit.namespaces_of()
    assert own == pyinit.namespaces_of(os.getpid())
    assert set(own) == {kind for kind in KINDS if os.path.exists(f"/proc/self/ns/{KINDS[kind][1]}")}
    for kind, each in own.items():
        assert kind == each.kind
        assert str(each) == os.readlink(f"/proc/self/ns/{KINDS[kind][1]}")
        info = os.stat(f"/proc/self/ns/{KINDS[kind][1]}")
        assert (each.inode, each.device) == (info.st_ino, info.st_dev)


def test_what_differs_of_a_container() -> None:
    """Those that are new, and no others; a container knows its own."""
    with spawn(SLEEP, "uts") as container:
        assert set(differing(container.pid)) == {"pid", "mount", "uts"} | USER
        assert pyinit.namespaces_of(container.pid) == container.namespaces
        with spawn(SLEEP, "uts") as another:
            same = set(container.namespaces.items()) & set(another.namespaces.items())
            assert {kind for kind, _ in same} == KINDS.keys() - {"pid", "mount", "uts"} - USER


def test_a_child_has_ours() -> None:
    """It inherits them all."""
    child = subprocess.Popen(SLEEP)
    try:
        assert pyinit.namespaces_of(child.pid) == pyinit.namespaces_of()
        assert differing(child.pid) == []
    finally:
        child.kill()
        child.wait()


def test_a_thread_has_a_number_too() -> None:
    """Its directory in /proc is not listed, but it is there; see proc(5)."""
    ready, end = threading.Event(), threading.Event()

    def live() -> None:
        ready.set()
        end.wait()

    thread = threading.Thread(target=live)
    thread.start()
    try:
        ready.wait()
        assert thread.native_id is not None
        assert pyinit.namespaces_of(thread.native_id) == pyinit.namespaces_of()
    finally:
        end.set()
        thread.join()


def test_a_zombie_is_in_two() -> None:
    """It has left all but its user and PID namespaces; see exit(2)."""
    child = subprocess.Popen(["true"])
    try:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        own = pyinit.namespaces_of()
        until(lambda: len(pyinit.namespaces_of(child.pid)) < len(own), "it has left them")
        found = pyinit.namespaces_of(child.pid)
        assert found == {kind: own[kind] for kind in ("user", "pid")}
    finally:
        child.wait()


@pytest.mark.parametrize("pid", [-1, 2**22 + 1, 2**40])
def test_there_is_no_such_process(pid: int) -> None:
    """PIDs end at 2**22; see proc_sys_kernel(5)."""
    with pytest.raises(ProcessLookupError, match=f"there is no process {pid}"):
        pyinit.namespaces_of(pid)


def test_a_process_that_has_been_waited_for() -> None:
    """It is no more; that is not the same as one that is in no namespace."""
    child = subprocess.Popen(["true"])
    child.wait()
    with pytest.raises(ProcessLookupError, match=f"there is no process {child.pid}"):
        pyinit.namespaces_of(child.pid)


def test_another_users_process() -> None:
    """To look takes the right to trace, which a user has over its own processes: ptrace(2)."""
    if os.geteuid() == 0:
        asking = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"]
        child = subprocess.Popen(["setpriv", "--reuid", "65534", "--clear-groups", *SLEEP])
        pid = child.pid
        until(lambda: os.stat(f"/proc/{pid}").st_uid == 65534, "it is nobody's")
    else:
        asking, child, pid = [], None, 1
        if os.stat("/proc/1").st_uid == os.geteuid():
            need_root()
    try:
        done = subprocess.run(
            [*asking, sys.executable, "-c", ASK, str(pid)], check=True, capture_output=True
        )
        text = done.stdout.decode()
        assert text.startswith(f"PermissionError [Errno 13] the namespaces of process {pid} cannot")
        assert "the right to trace" in text
    finally:
        if child is not None:
            child.kill()
            child.wait()


@pytest.mark.parametrize("pid", ["0", "1"])
def test_without_proc(pid: str) -> None:
    """Nothing can be said, of ourselves no more than of others."""
    hide = ["sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh"]
    text = output([*hide, sys.executable, "-c", ASK, pid])
    assert text == "FileNotFoundError [Errno 2] there is no /proc here of our own PID namespace"


@pytest.mark.parametrize(("pid", "expected"), [("0", "seen"), ("1", "FileNotFoundError")])
def test_with_the_proc_of_another_pid_namespace(pid: str, expected: str) -> None:
    """Its numbers are other processes, so only what /proc/self leads to is to be believed."""
    text = output([sys.executable, "-c", ASK, pid], kinds={"pid"})
    assert text.split(" ")[0] == expected


def test_a_container_can_be_made_without_a_proc_that_shows_it() -> None:
    """It just does not know which namespaces it has."""
    program = """
import pyinit
with pyinit.spawn(["true"], namespaces=["pid"]) as container:
    print(container.namespaces, container.wait().code)
"""
    assert output([sys.executable, "-c", program], kinds={"pid"}) == "{} 0"


def test_a_container_that_unshare_has_made() -> None:
    """It need not be one of ours."""
    with Container(SLEEP, init=PYINIT) as container:
        container.main_child()
        new = {"pid", "mount"} | ({"user"} if UNSHARE_USER else set())
        assert set(differing(container.pid)) == new
