"""``pyinitctl doctor``: zombies, stopped processes, terminals, rights, sockets handed on."""

from __future__ import annotations

import os
import signal
import types
from typing import TYPE_CHECKING

import pytest

from tests.conftest import need
from tests.ctl.doctors import examine, finding, named, namespace, severities, use_cgroup
from tests.ctl.views import entered_zombie, wait_for_state
from tests.harness import (
    PYINIT,
    SUBREAPER,
    Container,
    children,
    python,
    status_field,
    until,
)
from tests.terminals import SETSID, SHELLS, SUSPEND, Terminal
from tests.users import WITHOUT_KILL, need_root

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("namespaces")

WAITING = python("record.py", "TERM")
PYTHON = python("record.py")[:2]


@pytest.fixture(autouse=True)
def calm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep what has happened on this machine before out of the way."""
    use_cgroup(monkeypatch, tmp_path, memory_events="oom_kill 0\n")


# A factory of zombies: children that have ended, whom nobody waits for.
FACTORY = """
import os, time
for _ in range({number}):
    if os.fork() == 0:
        open("/proc/self/comm", "w").write("worker")
        os._exit(0)
    os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
print("ready", flush=True)
time.sleep(1000)
"""


def test_zombies_of_pid_1(capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody else could reap them."""
    with namespace(*PYTHON, "-c", FACTORY.format(number=3)) as pid:
        until(lambda: states(pid) == "ZZZ", "all three have ended")
        found = examine(capsys, pid)
        told = finding(found, "zombies")
        assert told["severity"] == "problem"
        assert told["what"].startswith("3 zombies (worker) of PID 1, ")
        assert named(told) == [1, 2, 3, 4]
        assert "an init in front of it" in told["remedy"]


def states(pid: int) -> str:
    """Return the states of the children of a process."""
    return "".join(status_field(each, "State")[0] for each in children(pid))


def test_zombies_of_another_parent(capsys: pytest.CaptureFixture[str], mode: str) -> None:
    """The parent is named: it is that one's defect, the best init does not help."""
    with Container([*PYTHON, "-c", FACTORY.format(number=1)], mode=mode) as container:
        container.expect("ready")
        parent = container.main_child()
        until(lambda: states(parent) == "Z", "it has ended")
        told = finding(examine(capsys, container.pid), "zombies")
        outer = status_field(parent, "NSpid").split()[-1]
        name = status_field(parent, "Name")
        assert told["what"].startswith(f"a zombie (worker) of {name} ({outer}, {parent} here)")
        assert "wait(2) for every child" in told["remedy"]


def test_zombies_of_a_stopped_parent(capsys: pytest.CaptureFixture[str]) -> None:
    """It would reap them, if it could do anything."""
    with Container(["sh", "-c", "sleep 1000 & echo ready; wait"]) as container:
        container.expect("ready")
        shell = container.main_child()
        until(lambda: children(shell), "it has a child")
        os.kill(shell, signal.SIGSTOP)
        wait_for_state(shell, "T")
        (child,) = children(shell)
        os.kill(child, signal.SIGKILL)
        wait_for_state(child, "Z")
        found = examine(capsys, container.pid)
        assert severities(found) == {"zombies": "problem", "stopped-processes": "hint"}
        assert "which is stopped" in finding(found, "zombies")["what"]
        assert finding(found, "zombies")["remedy"] == f"kill -CONT {shell}"


def test_zombies_of_a_parent_outside(capsys: pytest.CaptureFixture[str]) -> None:
    """Who entered by setns(2) is not the init's child: its parent has to reap it."""
    with Container(WAITING) as container:
        container.expect("ready")
        with entered_zombie(container) as (_, outside):
            told = finding(examine(capsys, container.pid), "zombies")
            assert f"a parent outside of the container, nsenter ({outside} here)" in told["what"]


def test_a_zombie_of_a_moment_is_none(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everybody is one between the end and wait(2): only who stays one is told."""
    with Container(WAITING) as container:
        container.expect("ready")
        with entered_zombie(container) as (inside, outside):

            def passes(_: float) -> None:
                os.kill(outside, signal.SIGCONT)
                until(lambda: not os.path.exists(f"/proc/{inside}"), "it is reaped")

            clock = types.SimpleNamespace(sleep=passes)
            monkeypatch.setattr("pyinit.ctl.doctor.processes.time", clock)
            assert "zombies" in examine(capsys, container.pid)["passed"]


@pytest.mark.parametrize(("init", "severity"), [(PYINIT, "hint"), (("tini",), "problem")])
def test_stopped_processes(
    capsys: pytest.CaptureFixture[str], init: tuple[str, ...], severity: str
) -> None:
    """TERM waits in them until CONT, which pyinit sends after it and others do not."""
    need(init[0])
    with Container(WAITING, init=init) as container:
        container.expect("ready")
        child = container.main_child()
        os.kill(child, signal.SIGSTOP)
        wait_for_state(child, "T")
        told = finding(examine(capsys, container.pid), "stopped-processes")
        assert (told["severity"], named(told)) == (severity, [2])
        assert told["remedy"] == f"kill -CONT {child}"


def test_a_stopped_init(capsys: pytest.CaptureFixture[str]) -> None:
    """STOP from outside reaches a PID 1 too; see pid_namespaces(7)."""
    with Container(WAITING) as container:
        container.expect("ready")
        os.kill(container.pid, signal.SIGSTOP)
        wait_for_state(container.pid, "T")
        told = finding(examine(capsys, container.pid), "stopped-processes")
        assert (told["severity"], named(told)) == ("problem", [1])


@pytest.mark.parametrize(
    ("name", "text"), [("freezer.state", "FROZEN\n"), ("cgroup.freeze", "1\n")]
)
def test_a_frozen_container(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
    text: str,
) -> None:
    """By either version of cgroups."""
    use_cgroup(monkeypatch, tmp_path, controller="freezer" if "state" in name else "")
    with Container(WAITING) as container:
        container.expect("ready")
        (tmp_path / name).write_text("THAWED\n" if name == "freezer.state" else "0\n")
        assert "frozen" in examine(capsys, container.pid)["passed"]
        (tmp_path / name).write_text(text)
        told = finding(examine(capsys, container.pid), "frozen")
        assert str(tmp_path) in told["what"]
        assert f"pyinitctl thaw {container.pid}" in told["remedy"]


def on_terminal(init: tuple[str, ...], command: list[str], terminal: Terminal) -> Container:
    """Return a container whose PID 1 has the terminal, as `docker run -t` makes it."""
    return Container(
        command,
        init=init,
        before=SETSID,
        stdin=terminal.slave,
        stdout=terminal.slave,
        stderr=terminal.slave,
    )


@pytest.mark.parametrize(
    ("init", "expected"),
    [
        (PYINIT, {}),
        (("tini",), {"init-kind": "hint"}),
        (("dumb-init",), {"init-kind": "hint"}),
        (("dumb-init", "-c"), {"init-kind": "hint", "process-group": "hint"}),
        # It sees from where a signal comes.
        ((*PYINIT, "--as", "dumb-init", "-c"), {}),
    ],
    ids=["pyinit", "tini", "dumb-init", "dumb-init-c", "as-dumb-init-c"],
)
def test_what_is_typed_arrives_once(
    capsys: pytest.CaptureFixture[str], init: tuple[str, ...], expected: dict[str, str]
) -> None:
    """An init in its command's process group gets ^C from the terminal too, and relays it."""
    need(init[0])
    with Terminal() as terminal, on_terminal(init, WAITING, terminal) as container:
        terminal.expect("ready")
        found = examine(capsys, container.pid)
        assert severities(found) == expected
        if "process-group" in expected:
            assert "twice" in finding(found, "process-group")["why"]
            assert named(finding(found, "process-group")) == [1, 2]


def test_a_foreground_that_nobody_has(capsys: pytest.CaptureFixture[str]) -> None:
    """Its process group has ended, or is stopped: what is typed is read by nobody."""
    gone = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGTTOU, signal.SIG_IGN)\n"
        "pid = os.fork()\n"
        "if pid == 0: os.setpgid(0, 0); os.tcsetpgrp(0, os.getpid()); os._exit(0)\n"
        "os.waitpid(pid, 0); print('ready', flush=True); time.sleep(1000)"
    )
    with (
        Terminal() as terminal,
        on_terminal(PYINIT, [*PYTHON, "-c", gone], terminal) as container,
    ):
        terminal.expect("ready")
        found = examine(capsys, container.pid)
        assert severities(found) == {"terminal-foreground": "hint"}
        assert "that has ended" in finding(found, "terminal-foreground")["what"]


def test_a_foreground_that_is_stopped(capsys: pytest.CaptureFixture[str]) -> None:
    """By STOP, of which no shell hears that would take the terminal back."""
    with Terminal() as terminal, on_terminal(PYINIT, WAITING, terminal) as container:
        terminal.expect("ready")
        child = container.main_child()
        os.kill(child, signal.SIGSTOP)
        wait_for_state(child, "T")
        found = examine(capsys, container.pid)
        assert severities(found) == {"terminal-foreground": "hint", "stopped-processes": "hint"}
        assert named(finding(found, "terminal-foreground")) == [2]


def test_a_stopped_job_is_not_the_foreground(capsys: pytest.CaptureFixture[str]) -> None:
    """A shell with job control takes the terminal back: the job alone is told, as stopped."""
    need("bash")
    with (
        Terminal() as terminal,
        on_terminal(PYINIT, list(SHELLS["bash"]), terminal) as container,
    ):
        terminal.type("echo rea''dy; cat\n")
        terminal.expect("ready")
        shell = container.main_child()
        until(lambda: names(shell) == ["cat"], "cat runs")
        terminal.type(SUSPEND)
        wait_for_state(children(shell)[0], "T")
        terminal.expect("Stopped")
        until(lambda: foreground(shell) == os.getpgid(shell), "bash has its terminal back")
        found = examine(capsys, container.pid)
        # An interactive shell ignores TERM, under any init.
        assert severities(found) == {"stopped-processes": "hint", "stop-not-heeded": "problem"}


def names(pid: int) -> list[str]:
    """Return the names of the children of a process."""
    return [status_field(each, "Name") for each in children(pid)]


def foreground(pid: int) -> int:
    """Return the foreground process group of the terminal of a process."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return int(file.read().rpartition(")")[2].split()[5])


@pytest.mark.parametrize(
    ("init", "remedy"),
    [
        (("tini",), "`tini -s` (TINI_SUBREAPER=1)"),
        ((*PYINIT, "--no-subreaper"), "leave --no-subreaper (PYINIT_SUBREAPER=0) out"),
        ((*PYINIT, "--as", "tini"), "`tini -s` (TINI_SUBREAPER=1)"),
        (("dumb-init",), "make it PID 1"),
        (("tini", "-s"), None),
        (("catatonit",), None),
        (PYINIT, None),
    ],
    ids=["tini", "pyinit-no", "as-tini", "dumb-init", "tini-s", "catatonit", "pyinit"],
)
def test_not_a_subreaper(
    capsys: pytest.CaptureFixture[str], init: tuple[str, ...], remedy: str | None
) -> None:
    """An init that is not PID 1 gets no orphans then: they go to the next one above."""
    need(init[0])
    with Container(WAITING, mode=SUBREAPER, init=init) as container:
        container.expect("ready")
        found = examine(capsys, container.pid)
        if remedy is None:
            assert "not-a-subreaper" in found["passed"]
        else:
            told = finding(found, "not-a-subreaper")
            assert (told["severity"], named(told)) == ("problem", [2])
            assert remedy in told["remedy"]


def test_not_a_subreaper_below_one_that_reaps(capsys: pytest.CaptureFixture[str]) -> None:
    """An image with an init, started with another one in front: a hint, for no zombie stays."""
    need("tini", "dumb-init")
    with namespace("tini", "--", "dumb-init", *WAITING) as pid:
        found = examine(capsys, pid)
        assert severities(found) == {"init-kind": "hint", "not-a-subreaper": "hint"}
        assert [each["kind"] for each in found["target"]["inits_beneath"]] == ["dumb-init"]
        assert named(finding(found, "not-a-subreaper")) == [2]


OTHER_USER = ["setpriv", "--reuid", "65534", "--clear-groups"]


@pytest.mark.parametrize("is_child", [True, False])
def test_no_right_to_signal_others(capsys: pytest.CaptureFixture[str], *, is_child: bool) -> None:
    """The main child that no stop reaches is a problem; others are killed at the end anyway."""
    need_root()
    need("setpriv")
    other = [*OTHER_USER, "sh", "-c", "echo ready; exec sleep 1000"]
    command = other if is_child else ["sh", "-c", '"$@" & wait', "sh", *other]
    with Container(command, before=WITHOUT_KILL) as container:
        container.expect("ready")
        found = examine(capsys, container.pid)
        told = finding(found, "no-cap-kill")
        assert told["severity"] == ("problem" if is_child else "hint")
        assert named(told) == ([1, 2] if is_child else [1, 3])
    with Container(command) as container:
        container.expect("ready")
        assert "no-cap-kill" in examine(capsys, container.pid)["passed"]


def activated(
    init: list[str], listen_pid: str, number: int = 1, directory: str = "/proc/self/fd"
) -> list[str]:
    """Return a start of ``init`` as PID 1 with variables of sd_listen_fds(3) and a descriptor 3."""
    script = f'exec 3<{directory}; export LISTEN_PID={listen_pid} LISTEN_FDS={number}; exec "$@"'
    return ["sh", "-c", script, "sh", *init]


@pytest.mark.parametrize(
    ("init", "listen_pid", "expected"),
    [
        ([*PYINIT, "--"], "1", None),
        (["catatonit", "--"], "1", None),
        (["tini", "--"], "1", "LISTEN_PID of python3 (2, {here} here) is 1, and not 2"),
        ([*PYINIT, "--"], "4711", "LISTEN_PID of python3 (2, {here} here) is 4711, and not 2"),
        ([], "1", None),
        ([], "4711", "LISTEN_PID of python3 (1, {here} here) is 4711, and not 1"),
    ],
    ids=["pyinit", "catatonit", "tini", "another", "no-init", "no-init-another"],
)
def test_sockets_for_another(
    capsys: pytest.CaptureFixture[str], init: list[str], listen_pid: str, expected: str | None
) -> None:
    """The service takes what it was handed only if LISTEN_PID is its own number inside."""
    if init:
        need(init[0])
    command = [*init, *PYTHON, "-c", "import os; print('ready', flush=True); os.read(0, 1)"]
    with namespace(*activated(command, listen_pid)) as pid:
        found = examine(capsys, pid)
        if expected is None:
            assert "listen-pid" in found["passed"]
            return
        service = children(pid)[0] if init else pid
        name = status_field(service, "Name")
        told = finding(found, "listen-pid")
        assert told["severity"] == "problem"
        assert told["what"] == expected.format(here=service).replace("python3", name)


def test_sockets_that_are_closed(capsys: pytest.CaptureFixture[str]) -> None:
    """A hint, for the service may have moved them."""
    command = [*PYINIT, "--", *WAITING]
    with namespace(*activated(command, "1", 2)) as pid:
        found = examine(capsys, pid)
        told = finding(found, "listen-fds")
        assert (told["severity"], named(told)) == ("hint", [2])
        assert "not all of 3 to 4 are open" in told["what"]
    with namespace(*activated(command, "1", 1)) as pid:
        assert {"listen-pid", "listen-fds"} <= set(examine(capsys, pid)["passed"])
