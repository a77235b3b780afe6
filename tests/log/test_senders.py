"""Who has sent a signal: what the kernel and /proc tell of the sender, and never another's name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from tests import users
from tests.harness import PID1, Container, python, until
from tests.log import reports
from tests.log.reports import cause, finish, reported
from tests.stopping.test_teardown_entered import entered
from tests.terminals import state, until_settled

if TYPE_CHECKING:
    from pathlib import Path

TERM = str(int(signal.SIGTERM))
PYTHON = os.path.basename(os.path.realpath(sys.executable))[:15]
# It shows no processes of the namespace in which it is read.
STALE = ("unshare", "--pid", "--fork", "--kill-child")


def sent(directory: Path, how: str, mode: str, *options: str, **more: Any) -> dict[str, Any]:
    """Return the report of a command that has pyinit sent a SIGTERM in that way."""
    return reported(directory, python("sender.py", how, TERM), *options, mode=mode, **more)[1]


def test_the_command_itself(mode: str, tmp_path: Path) -> None:
    """Its number is that of the main child."""
    report = sent(tmp_path, "command", mode)
    stop = report["stop"]
    assert stop["origin"] == "inside"
    assert stop["sender_pid"] == report["child"]["pid"]
    assert stop["sender_uid"] == 0
    assert cause(report).endswith("the stop from the command itself")


def test_a_name_that_is_no_text(mode: str, tmp_path: Path) -> None:
    """A process calls itself what it likes, prctl(2): quotes, newlines and bytes are escaped."""
    stop = sent(tmp_path, "child", mode)["stop"]
    assert stop["sender_name"] == 'some "one"\\x0a\\xff\\xfe'
    assert stop["origin"] == "inside"


def test_another_user(mode: str, tmp_path: Path) -> None:
    """By the real user id: kill(2) tells no other."""
    users.need_root()
    report = sent(tmp_path, "user", mode)
    stop = report["stop"]
    assert (stop["sender_uid"], stop["sender_name"]) == (1234, "user")
    assert cause(report).endswith(f"the stop from user[{stop['sender_pid']}] of user 1234")


def test_one_that_has_ended_and_was_reaped(mode: str, tmp_path: Path) -> None:
    """kill(1) often has when we look: its number and user are left, from siginfo_t.

    As PID 1 it must have been inside, for who is not has no number there.  Otherwise
    nobody knows, and nothing is said of it.
    """
    path = tmp_path / "report"
    command = python("sender.py", "gone", TERM)
    with Container(
        command, mode=mode, options=reports.option(path), stdin=subprocess.PIPE
    ) as container:
        container.expect("ready")
        until_settled(container.pid)
        container.signal(signal.SIGSTOP)
        until(lambda: state(container.pid) == "T", "pyinit is stopped")
        assert container.process.stdin is not None
        container.process.stdin.write(b"\n")
        container.process.stdin.flush()
        container.expect("reaped")
        container.signal(signal.SIGCONT)
        report = finish(container, path)
    stop = report["stop"]
    assert stop["origin"] == ("inside" if mode == PID1 else "unknown")
    assert stop["sender_name"] is None
    assert cause(report).endswith(f"the stop from process {stop['sender_pid']} of user 0")


def test_a_proc_of_another_namespace_names_nobody(tmp_path: Path, namespaces: None) -> None:
    """The sender's number belongs to somebody else there: unshare(1) without --mount-proc."""
    report = sent(tmp_path, "command", PID1, before=STALE)
    assert (report["role"], report["child"]["pid"]) == ("init", 2)
    stop = report["stop"]
    assert (stop["origin"], stop["sender_pid"], stop["sender_name"]) == ("inside", 2, None)


def test_a_proc_of_another_namespace_names_no_ancestor(tmp_path: Path, namespaces: None) -> None:
    """When not PID 1, who is a descendant is asked of /proc: of a wrong one nothing is believed."""
    before = (*STALE, *python("stays.py"))
    report = sent(tmp_path, "command", PID1, before=before)
    stop = report["stop"]
    assert report["role"] == "subreaper"
    assert (stop["origin"], stop["sender_name"]) == ("unknown", None)
    assert cause(report).endswith("the stop from the command itself")


def test_hidden_processes_are_not_named(mode: str, tmp_path: Path) -> None:
    """With hidepid=2, an init without CAP_SYS_PTRACE sees no other user's; see proc(5)."""
    users.need_root()
    less = "setpriv --bounding-set -sys_ptrace --inh-caps -sys_ptrace"
    script = f'mount -o remount,hidepid=2,gid=4321 /proc && exec {less} "$@"'
    stop = sent(tmp_path, "user", mode, before=["sh", "-c", script, "sh"])["stop"]
    assert (stop["sender_uid"], stop["sender_name"]) == (1234, None)
    assert stop["origin"] == ("inside" if mode == PID1 else "unknown")


def test_one_that_has_entered(tmp_path: Path, namespaces: None) -> None:
    """By setns(2), as docker exec does: it has a number in the namespace, and is named."""
    path = tmp_path / "report"
    with Container(python("record.py", "TERM"), options=reports.option(path)) as container:
        container.expect("ready")
        script = "echo ready; kill -TERM 1; sleep 1000; :"
        with entered(container, ["bash", "-c", script]):
            report = finish(container, path)
    stop = report["stop"]
    assert (stop["origin"], stop["sender_name"]) == ("inside", "bash")


def test_a_parent_is_outside(tmp_path: Path, namespaces: None) -> None:
    """When not PID 1: the one above has a number and a name, and is no descendant."""
    path = tmp_path / "report"
    script = '"$@" & read _; kill -TERM $!; wait'
    before = ["bash", "-c", script, "bash"]
    command = python("record.py", "TERM")
    with Container(
        command,
        options=reports.option(path),
        before=before,
        stdin=subprocess.PIPE,
    ) as container:
        container.expect("ready")
        assert container.process.stdin is not None
        container.process.stdin.write(b"\n")
        container.process.stdin.close()
        assert container.wait() == 0
    report = reports.read(path)
    stop = report["stop"]
    assert report["role"] == "subreaper"
    assert (stop["origin"], stop["sender_pid"], stop["sender_name"]) == ("outside", 1, "bash")
    assert cause(report).endswith("by SIGTERM from bash[1] of user 0")
