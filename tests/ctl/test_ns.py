"""``pyinitctl ns``: which namespaces there are, who is in them, and who shares which."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from pyinit import ctl
from pyinit.namespaces.kinds import KINDS
from tests import conftest
from tests.ctl.views import (
    SOMEBODY_ELSE,
    entered_zombie,
    inode,
    nested,
    run,
    view,
    zombie,
)
from tests.harness import UNSHARE_USER, Container, python, until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("namespaces")

WAITING = python("record.py", "TERM")
NEW = {"pid", "mount"} | ({"user"} if UNSHARE_USER else set())


def listed(found: Any, kind: str, number: int) -> Any:
    """Return a namespace of the whole list."""
    (each,) = (
        each for each in found["namespaces"] if (each["kind"], each["inode"]) == (kind, number)
    )
    return each


def test_the_namespaces_of_a_process_are_those_in_its_proc(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By inode, as namespaces(7) has it; ours stand beside them."""
    with Container(WAITING) as container:
        container.expect("ready")
        found = view(capsys, "ns", str(container.pid))
        (process,) = found["processes"]
        assert process == {
            "pid": container.pid,
            "name": "pyinit",
            "namespaces": {kind: inode(container.pid, file) for kind, (_, file) in KINDS.items()},
            "differing": [kind for kind in KINDS if kind in NEW],
            "error": None,
        }
        ours = {kind: inode("self", file) for kind, (_, file) in KINDS.items()}
        assert found["self"] == {"pid": os.getpid(), "namespaces": ours}


def test_processes_that_share_a_namespace_are_named_together(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """For each kind: the processes in the same one, and whether it is ours too."""
    with nested() as (container, inner), zombie() as own:
        pids = [container.pid, inner, own]
        found = view(capsys, "ns", *map(str, pids))["shared"]
        groups = {
            kind: [(each["pids"], each["self"]) for each in found if each["kind"] == kind]
            for kind in KINDS
        }
        assert groups["pid"] == [([container.pid], False), ([inner], False), ([own], True)]
        assert groups["mount"] == [([container.pid, inner], False)]
        assert groups["net"] == [([container.pid, inner], True)]
        number = [each["inode"] for each in found if each["kind"] == "mount"]
        assert number == [inode(inner, "mnt")]


def test_the_table_marks_what_differs(capsys: pytest.CaptureFixture[str]) -> None:
    """A row a process, ours first; a star at each namespace that is not ours."""
    with Container(WAITING) as container:
        container.expect("ready")
        assert ctl.main(["ns", str(container.pid)]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].split() == ["PID", "NAME", *(kind.upper() for kind in KINDS)]
        assert lines[1].split()[:2] == [str(os.getpid()), "(self)"]
        assert "*" not in lines[1]
        pid, name, *cells = lines[2].split()
        assert (int(pid), name) == (container.pid, "pyinit")
        stars = {kind for kind, cell in zip(KINDS, cells, strict=True) if cell.endswith("*")}
        assert stars == NEW
        assert " ".join(kind for kind in KINDS if kind in NEW) + " " in "\n".join(lines[4:])
        assert f"self | {container.pid}\n" in "\n".join(lines) + "\n"
        assert lines[-1] == "* differs from ours"


def test_a_zombie_has_left_all_but_two(capsys: pytest.CaptureFixture[str]) -> None:
    """Its user and PID namespace; the kernel takes the others when it ends (exit(2))."""
    with zombie() as pid:
        (process,) = view(capsys, "ns", str(pid))["processes"]
        assert process["namespaces"].keys() == {"user", "pid"}
        assert process["error"] is None
        assert ctl.main(["ns", str(pid)]) == 0
        assert capsys.readouterr().out.splitlines()[2].split().count("-") == len(KINDS) - 2


def test_a_process_that_is_not_there_does_not_hide_the_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The exit code is 1, stderr says which, stdout has the rest."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    words = ["ns", str(gone.pid), str(os.getppid())]
    assert ctl.main(words) == 1
    out, err = capsys.readouterr()
    assert err == f"pyinitctl ns: there is no process {gone.pid}\n"
    assert str(os.getppid()) in out
    processes = view(capsys, *words, code=1)["processes"]
    assert [each["error"] for each in processes] == [f"there is no process {gone.pid}", None]


@pytest.mark.parametrize("word", ["0", "-1", "x", "1.5"])
def test_what_is_no_number_of_a_process_is_a_usage_error(
    word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 least of all: /proc would not have it, and other system calls take it for ourselves."""
    with pytest.raises(SystemExit) as error:
        ctl.main(["ns", "--", word])
    assert error.value.code == 2
    assert f"'{word}' is neither a PID nor" in capsys.readouterr().err


def test_who_may_not_be_looked_at_is_counted() -> None:
    """Without the right to trace it (ptrace(2)) the links in /proc/PID/ns cannot be followed."""
    out, err = run("ns", str(os.getpid()), before=SOMEBODY_ELSE, code=1)
    assert out == ""
    assert f"the namespaces of process {os.getpid()} cannot be seen" in err
    out, err = run("ns", before=SOMEBODY_ELSE)
    assert "may not be looked at (ptrace(2))" in err
    found = json.loads(run("ns", "--json", before=SOMEBODY_ELSE)[0])
    assert found["unseen"] > 0
    (process,) = listed(found, "uts", inode("self", "uts"))["processes"]
    assert process["pid"] != os.getpid()


def test_what_is_above_us_is_not_shown() -> None:
    """The kernel does not tell a user namespace of those above it: EPERM in ioctl_ns(2)."""
    found = json.loads(
        run("ns", "--json", before=[*SOMEBODY_ELSE, "--pid", "--fork", "--mount-proc"])[0]
    )
    (user,) = (each for each in found["namespaces"] if each["kind"] == "user")
    assert (user["self"], user["parent"], user["owner"], user["owner_uid"]) == (True, None, None, 0)
    (pid,) = (each for each in found["namespaces"] if each["kind"] == "pid")
    assert (pid["parent"], pid["owner"], pid["owner_uid"]) == (None, user["inode"], 0)
    net = listed(found, "net", inode("self", "net"))
    assert (net["self"], net["owner"], net["owner_uid"]) == (True, None, None)


def test_every_namespace_is_listed_with_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    """PID namespaces with their parents, all with the user namespace that they belong to."""
    with nested() as (container, inner):
        found = view(capsys, "ns")
        outer_pid = listed(found, "pid", inode(container.pid, "pid"))
        inner_pid = listed(found, "pid", inode(inner, "pid"))
        assert (outer_pid["parent"], inner_pid["parent"]) == (
            inode("self", "pid"),
            outer_pid["inode"],
        )
        *others, last = container.descendants()
        assert [each["pid"] for each in inner_pid["processes"]] == [last] == [inner]
        assert {each["pid"] for each in outer_pid["processes"]} == {container.pid, *others}
        user = listed(found, "user", inode(container.pid, "user"))
        assert {outer_pid["owner"], inner_pid["owner"]} == {user["inode"]}
        assert user["self"] != bool(UNSHARE_USER)
        assert listed(found, "pid", inode("self", "pid"))["self"]
        assert not outer_pid["self"]
        if UNSHARE_USER:
            assert (user["parent"], user["owner_uid"]) == (inode("self", "user"), os.geteuid())
            assert inner_pid["owner_uid"] == os.geteuid()


def lsns(columns: str) -> bytes:
    """Return what lsns(8) says as JSON; it gives up when any process ends while it looks."""
    command = ["lsns", "-J", "-o", columns]
    runs: list[subprocess.CompletedProcess[bytes]] = []

    def succeeds() -> bool:
        runs.append(subprocess.run(command, capture_output=True, check=False))
        return runs[-1].returncode == 0

    until(succeeds, "lsns has seen all processes")
    return runs[-1].stdout


def test_lsns_sees_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """Of a container's namespaces: the kind, the number of members, the first one, the parents."""
    conftest.need("lsns")
    with nested() as (container, inner):
        numbers = {
            inode(pid, file)
            for pid in (container.pid, inner)
            for kind, (_, file) in KINDS.items()
            if kind in NEW
        }
        out = lsns("NS,TYPE,NPROCS,PID,PNS,ONS")
        theirs = {
            int(each["ns"]): tuple(each.values())
            for each in json.loads(out)["namespaces"]
            if int(each["ns"]) in numbers
        }
        ours = {
            each["inode"]: (
                each["inode"],
                KINDS[each["kind"]][1],
                len(each["processes"]),
                each["processes"][0]["pid"],
                each["parent"] or 0,
                each["owner"] or 0,
            )
            for each in view(capsys, "ns")["namespaces"]
            if each["inode"] in numbers
        }
        assert ours == theirs
        assert len(ours) == len(NEW) + 1


def test_the_list_is_nested(capsys: pytest.CaptureFixture[str]) -> None:
    """A PID namespace stands below its parent, and is indented."""
    with nested() as (container, inner):
        assert ctl.main(["ns"]) == 0
        title, *lines = capsys.readouterr().out.splitlines()
        assert title.split() == ["TYPE", "INODE", "PARENT", "OWNER", "USER", "N", "MEMBERS"]
        rows = {line.split()[1]: (index, line) for index, line in enumerate(lines)}
        own, outer, below = (rows[str(inode(pid, "pid"))] for pid in ("self", container.pid, inner))
        assert own[0] < outer[0] < below[0]
        assert own[1].startswith("pid ")
        assert outer[1].startswith("  pid ")
        assert below[1].startswith("    pid ")
        assert f" 1  {inner} " in below[1]


def test_one_that_only_a_descriptor_keeps(capsys: pytest.CaptureFixture[str]) -> None:
    """It has no members any more; what keeps it is said, and where it belongs."""
    with Container(WAITING) as container:
        container.expect("ready")
        number = inode(container.pid, "pid")
        fd = os.open(f"/proc/{container.pid}/ns/pid", os.O_RDONLY)
        try:
            container.signal(signal.SIGKILL)
            container.wait()
            each = listed(view(capsys, "ns"), "pid", number)
            assert each["processes"] == []
            assert each["kept_by"] == [{"pid": os.getpid(), "how": "fd", "what": str(fd)}]
            assert each["parent"] == inode("self", "pid")
            assert ctl.main(["ns"]) == 0
            assert f"(kept by fd {fd} of {os.getpid()} " in capsys.readouterr().out
        finally:
            os.close(fd)


def test_one_that_only_a_mount_keeps(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """As `unshare --uts=FILE` and `ip netns` do it; a mount point may have blanks in its name."""
    point = tmp_path / "a name"
    point.touch()
    script = 'unshare --uts="$0" true && stat -L -c %i "$0" && exec "$@"'
    with Container(["sh", "-c", script, str(point), *WAITING]) as container:
        number = int(container.line())
        container.expect("ready")
        each = listed(view(capsys, "ns"), "uts", number)
        assert each["processes"] == []
        (kept,) = each["kept_by"]
        assert (kept["how"], kept["what"]) == ("mount", str(point))
        assert inode(kept["pid"], "mnt") == inode(container.pid, "mnt")
        assert each["owner"] == inode(container.pid, "user")


@pytest.mark.parametrize(("how", "kind"), [("thread", "uts"), ("children", "time")])
def test_one_that_no_process_is_in(how: str, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """But a thread that has left its process's, or those who will be its children; unshare(2)."""
    with Container(python("elsewhere.py", how), stdin=subprocess.PIPE) as container:
        number = int(container.line())
        each = listed(view(capsys, "ns"), kind, number)
        assert each["processes"] == []
        (kept,) = each["kept_by"]
        assert (kept["how"], kept["pid"]) == (how, container.main_child())
        assert each["owner"] == inode(container.pid, "user")


def test_one_that_only_those_below_it_keep(capsys: pytest.CaptureFixture[str]) -> None:
    """A user namespace that nobody is in, around another one; seen by ioctl_ns(2) alone."""
    twice = ["unshare", "--user", "--map-root-user"] * 2
    with Container([*twice, *WAITING]) as container:
        container.expect("ready")
        found = view(capsys, "ns")
        inner = listed(found, "user", inode(container.main_child(), "user"))
        between = listed(found, "user", inner["parent"])
        assert (between["processes"], between["kept_by"]) == ([], [])
        assert between["parent"] == inode(container.pid, "user")


def test_a_zombie_of_a_container_is_a_member(capsys: pytest.CaptureFixture[str]) -> None:
    """Of its PID namespace, until its parent reaps it, and of no mount namespace."""
    with Container(WAITING) as container:
        container.expect("ready")
        with entered_zombie(container) as (inside, _):
            found = view(capsys, "ns")
            pids = {
                kind: {
                    each["pid"]
                    for each in listed(found, kind, inode(container.pid, file))["processes"]
                }
                for kind, file in (("pid", "pid"), ("mount", "mnt"))
            }
            assert inside in pids["pid"]
            assert inside not in pids["mount"]


@pytest.mark.parametrize("subcommand", ["ns", "tree"])
def test_a_proc_that_shows_others_is_not_believed(subcommand: str) -> None:
    """Without --mount-proc its numbers are those of the namespace above."""
    before = ["unshare", *UNSHARE_USER, "--pid", "--fork"]
    out, err = run(subcommand, before=before, code=1)
    assert out == ""
    assert err.startswith(f"pyinitctl {subcommand}: /proc is missing, or shows another PID")
