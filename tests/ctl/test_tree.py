"""``pyinitctl tree``: processes by PID namespace, each with its number at every level."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from pyinit import ctl
from tests.ctl.views import (
    SOMEBODY_ELSE,
    entered,
    inode,
    nested,
    run,
    view,
    wait_for_state,
    zombie,
)
from tests.harness import PYINITCTL, UNSHARE_USER, Container, children, python, status_field

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("namespaces")

WAITING = python("record.py", "TERM")


def everybody(found: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each process with the namespace that it is listed in."""
    for each in found["namespaces"]:
        for process in each["processes"]:
            yield process, each
        yield from everybody(each)


def listed(found: Any, pid: int) -> Any:
    """Return one process."""
    (process,) = (process for process, _ in everybody(found) if process["pid"] == pid)
    return process


def test_each_process_has_its_numbers_at_every_level(capsys: pytest.CaptureFixture[str]) -> None:
    """From ours down to its own, as NSpid in /proc/PID/status has them."""
    with nested() as (container, inner):
        found = view(capsys, "tree")
        numbers = {
            pid: [int(word) for word in status_field(pid, "NSpid").split()]
            for pid in (os.getpid(), container.pid, *container.descendants())
        }
        assert {pid: listed(found, pid)["numbers"] for pid in numbers} == numbers
        assert numbers[os.getpid()] == [os.getpid()]
        assert numbers[container.pid] == [container.pid, 1]
        assert (len(numbers[inner]), numbers[inner][-1]) == (3, 1)


def test_namespaces_stand_in_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    """Each with its level below ours, its init and its own processes only."""
    with nested() as (container, inner):
        own, *_ = view(capsys, "tree")["namespaces"]
        assert (own["inode"], own["level"]) == (inode("self", "pid"), 0)
        assert os.getpid() in [each["pid"] for each in own["processes"]]
        (outer,) = (each for each in own["namespaces"] if each["init"] == container.pid)
        assert (outer["inode"], outer["level"]) == (inode(container.pid, "pid"), 1)
        pids = [each["pid"] for each in outer["processes"]]
        assert pids == [container.pid, *container.descendants()[:-1]]
        (last,) = outer["namespaces"]
        assert (last["inode"], last["level"], last["init"]) == (inode(inner, "pid"), 2, inner)
        assert [each["pid"] for each in last["processes"]] == [inner]
        assert last["namespaces"] == []


def test_a_process_stands_for_its_namespace(capsys: pytest.CaptureFixture[str]) -> None:
    """Any member of it: it and those below it are shown, and nothing else."""
    with nested() as (container, inner):
        member = container.main_child()
        (outer,) = view(capsys, "tree", str(member))["namespaces"]
        assert (outer["inode"], outer["level"]) == (inode(container.pid, "pid"), 1)
        assert [each["inode"] for each in outer["namespaces"]] == [inode(inner, "pid")]
        (last,) = view(capsys, "tree", str(inner))["namespaces"]
        assert (last["inode"], last["level"]) == (inode(inner, "pid"), 2)
        found = view(capsys, "tree", str(os.getpid()))
        assert found["namespaces"][0]["inode"] == inode("self", "pid")
        assert listed(found, inner)["init"]


def test_the_table_has_a_column_a_level(capsys: pytest.CaptureFixture[str]) -> None:
    """A heading a namespace; a process stands below its parent and is indented."""
    with nested() as (container, inner):
        for pid in (container.pid, *container.descendants()):
            wait_for_state(pid, "S")
        assert ctl.main(["tree", str(container.pid)]) == 0
        lines = capsys.readouterr().out.splitlines()
        leave, starter, unshare, _ = container.descendants()
        assert lines[0].split() == ["PID", "+1", "+2", "S", "MARK", "COMMAND"]
        number = inode(container.pid, "pid")
        assert lines[1] == f"pid:[{number}], 4 processes, init {container.pid}"
        assert lines[2].split()[:4] == [str(container.pid), "1", "S", "init"]
        assert lines[3].split()[:2] == [str(leave), "2"]
        assert lines[4].split()[:2] == [str(starter), "3"]
        assert lines[5].split()[:4] == [str(unshare), "4", "S", "unshare"]
        places = [
            line.index(name) for line, name in zip(lines[3:6], ("/", "/", "unshare"), strict=True)
        ]
        assert places == [places[0], places[0] + 2, places[0] + 4]
        number = inode(inner, "pid")
        assert lines[6] == f"  pid:[{number}], 1 process, init {inner}"
        assert lines[7].split()[:5] == [str(inner), "5", "1", "S", "init"]
        assert len(lines) == 8


def test_stopped_ones_are_marked(capsys: pytest.CaptureFixture[str]) -> None:
    """An init too: STOP from above reaches it (pid_namespaces(7))."""
    with nested() as (container, inner):
        os.kill(inner, signal.SIGSTOP)
        wait_for_state(inner, "T")
        found = view(capsys, "tree", str(container.pid))
        stopped = [process["pid"] for process, _ in everybody(found) if process["stopped"]]
        assert stopped == [inner]
        assert listed(found, inner)["state"] == "T"
        assert ctl.main(["tree", str(inner)]) == 0
        line = capsys.readouterr().out.splitlines()[-1]
        assert line.split()[:6] == [str(inner), "5", "1", "T", "stopped", "init"]


def test_zombies_are_marked(capsys: pytest.CaptureFixture[str]) -> None:
    """Of the command line nothing is left, but the name is."""
    with zombie() as pid:
        process = listed(view(capsys, "tree"), pid)
        assert process == {
            "pid": pid,
            "numbers": [pid],
            "parent": os.getpid(),
            "name": "true",
            "command": [],
            "state": "Z",
            "init": False,
            "service": None,
            "entered": False,
            "zombie": True,
            "stopped": False,
        }
        assert ctl.main(["tree"]) == 0
        (line,) = (
            line for line in capsys.readouterr().out.splitlines() if line.split()[0] == str(pid)
        )
        assert [word for word in line.split()[1:] if not word.isdecimal()] == [
            "Z",
            "zombie",
            "[true]",
        ]


def test_one_whose_first_thread_has_ended_is_no_zombie(capsys: pytest.CaptureFixture[str]) -> None:
    """State Z is that thread's; the others go on (pthread_exit(3))."""
    with Container(python("leave.py", "threads", "ignore"), stdin=subprocess.PIPE) as container:
        container.expect("ready")
        pid = children(container.main_child())[0]
        wait_for_state(pid, "Z")
        process = listed(view(capsys, "tree", str(pid)), pid)
        assert (process["state"], process["zombie"]) == ("Z", False)


def test_who_entered_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    """The parent is outside; as a zombie of that parent it is still there."""
    with Container(WAITING) as container:
        container.expect("ready")
        with entered(container) as (inside, outside):
            found = view(capsys, "tree", str(container.pid))
            assert [each["pid"] for each, _ in everybody(found) if each["entered"]] == [inside]
            assert listed(found, inside)["parent"] == outside
            os.kill(outside, signal.SIGSTOP)
            wait_for_state(outside, "T")
            os.kill(inside, signal.SIGKILL)
            wait_for_state(inside, "Z")
            assert ctl.main(["tree", str(container.pid)]) == 0
            (line,) = (
                line
                for line in capsys.readouterr().out.splitlines()
                if line.split()[0] == str(inside)
            )
            assert line.split()[2:5] == ["Z", "zombie", "entered"]


def test_seen_from_inside_who_entered_has_no_parent() -> None:
    """Its number is 0 there, as that of the init's parent (getppid(2)); the init did not enter."""
    with Container(WAITING) as container:
        container.expect("ready")
        user = ("--user", "--preserve-credentials") if UNSHARE_USER else ()
        enter = ["nsenter", "-t", str(container.pid), *user, "--pid", "--mount"]
        found = json.loads(run("tree", "--json", before=enter)[0])
        (own,) = found["namespaces"]
        assert (own["inode"], own["level"], own["init"]) == (inode(container.pid, "pid"), 0, 1)
        assert all(len(process["numbers"]) == 1 for process, _ in everybody(found))
        parents = {each["pid"]: (each["parent"], each["entered"]) for each in own["processes"]}
        assert parents.pop(1) == (0, False)
        assert parents.pop(2) == (1, False)
        assert list(parents.values()) == [(0, True)]


def test_who_may_not_be_looked_at_has_its_numbers_all_the_same() -> None:
    """NSpid is open to everybody, the namespace is not: it is listed as unknown."""
    with Container(WAITING) as container:
        container.expect("ready")
        found = json.loads(run("tree", "--json", before=SOMEBODY_ELSE)[0])
        own, unknown = found["namespaces"]
        assert (unknown["inode"], unknown["level"], unknown["init"]) == (None, None, None)
        process = listed({"namespaces": [unknown]}, container.pid)
        assert (process["numbers"], process["init"]) == ([container.pid, 1], True)
        # Who has one number is in our namespace, whoever it belongs to.
        assert os.getpid() in [each["pid"] for each in own["processes"]]
        out, _ = run("tree", before=SOMEBODY_ELSE)
        _, title, below = out.partition("\nnamespaces that may not be looked at, ")
        assert title
        first = below.splitlines()[1]
        assert first[out.index("COMMAND")] != " ", "it is nobody's child here"
        out, err = run("tree", str(container.pid), before=SOMEBODY_ELSE, code=1)
        assert out == ""
        assert f"the namespaces of process {container.pid} cannot be seen" in err


def test_a_process_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    """Is an error, not an empty tree."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert ctl.main(["tree", str(gone.pid)]) == 1
    assert capsys.readouterr() == ("", f"pyinitctl tree: there is no process {gone.pid}\n")


def test_names_command_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """A process calls itself what it likes: escapes, line ends, bytes that are no text."""
    words = [b"\x1b[31mred\n", b"-c", b"echo; read _; : \xff"]
    process = subprocess.Popen(
        words, executable="/bin/sh", stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        command = listed(view(capsys, "tree"), process.pid)["command"]
        assert [os.fsencode(word) for word in command] == words
        assert ctl.main(["tree"]) == 0
        out = capsys.readouterr().out
        assert "\x1b" not in out
        assert "\\x1b[31mred\\n -c echo; read _; : \\udcff\n" in out
    finally:
        process.communicate()


def test_nobody_has_entered_the_first_namespace(capsys: pytest.CaptureFixture[str]) -> None:
    """The kernel's kthreadd has no parent either, but nothing is above that namespace."""
    found = view(capsys, "tree")
    if found["namespaces"][0]["inode"] == 0xEFFFFFFC:
        processes = found["namespaces"][0]["processes"]
        assert not [each["pid"] for each in processes if each["entered"]]


@pytest.mark.parametrize("subcommand", ["ns", "tree"])
def test_a_reader_that_has_enough_ends_it_in_silence(subcommand: str) -> None:
    """As `pyinitctl tree | head`: by SIGPIPE, which Python had ignored."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [*PYINITCTL, subcommand]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, b"")


@pytest.mark.parametrize("subcommand", ["ns", "tree"])
def test_a_full_disk_is_told(subcommand: str) -> None:
    """What was not written was not done."""
    with open("/dev/full", "wb") as full:
        command = [*PYINITCTL, subcommand]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1
    said = f"pyinitctl {subcommand}: cannot write to standard output: No space left on device\n"
    assert done.stderr.startswith(said.encode())
