"""``pyinitctl doctor``: does a stop reach whom it is for, whatever PID 1 is, and is there time."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pyinit import signals
from tests.conftest import need
from tests.ctl.doctors import (
    examine,
    finding,
    named,
    namespace,
    not_in_background,
    runs,
    severities,
    use_cgroup,
)
from tests.harness import (
    PYINIT,
    PYINITCTL,
    SUBREAPER,
    Container,
    children,
    descendants,
    embeds,
    python,
    status_field,
    until,
)
from tests.peers import AS, LINK, Variant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("namespaces")

WAITING = python("record.py", "TERM")
PYTHON = python("record.py")[:2]
WORKERS = """
import os, time
for _ in range(2):
    if os.fork() == 0:
        os.write(1, b"worker\\n")
        time.sleep(1000)
time.sleep(1000)
"""
SLEEPING = "print('ready', flush=True); import time; time.sleep(1000)"

INITS = {"tini": "tini", "dumb-init": "dumb-init", "catatonit": "catatonit", "docker-init": "tini"}


@pytest.fixture(autouse=True)
def calm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep what has happened on this machine before out of the way."""
    use_cgroup(monkeypatch, tmp_path, memory_events="oom_kill 0\n")


@pytest.mark.parametrize("name", INITS)
def test_another_init(capsys: pytest.CaptureFixture[str], name: str) -> None:
    """It is named, with what it does; it takes signals by sigwait or signalfd, and that counts."""
    variant = Variant(name, "real")
    with Container(WAITING, init=variant.init) as container:
        container.expect("ready")
        found = examine(capsys, container.pid)
        assert severities(found) == {"init-kind": "hint"}
        assert found["target"]["init"]["kind"] == INITS[name]
        assert "stop-ignored" in found["passed"]
        told = finding(found, "init-kind")
        assert "orphans: reaped" in told["why"]
        assert f"pyinit --as {INITS[name]}" in told["remedy"]


@pytest.mark.parametrize("how", [LINK, AS])
def test_pyinit_under_another_name_is_pyinit(capsys: pytest.CaptureFixture[str], how: str) -> None:
    """Whatever its command line begins with."""
    with Container(WAITING, init=Variant("tini", how).init) as container:
        container.expect("ready")
        found = examine(capsys, container.pid)
        assert (found["target"]["init"]["kind"], found["findings"]) == ("pyinit", [])


def test_pyinit_is_recognised(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """As a module, and as a launcher of any name."""
    launcher = str(tmp_path / "init")
    subprocess.run([*PYINITCTL, "install", launcher], check=True, capture_output=True)
    for init in ((sys.executable, "-m", "pyinit"), (launcher,)):
        with Container(WAITING, init=init) as container:
            container.expect("ready")
            found = examine(capsys, container.pid)
            assert found["target"]["init"]["kind"] == "pyinit"
            assert (found["findings"], found["not_checked"]) == ([], [])


@pytest.mark.parametrize("known", ["PWD", "nothing"])
def test_a_launcher_that_was_started_by_a_relative_path(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    known: str,
) -> None:
    """An init is in / by now.  With PWD its options are known too; its signals tell, without."""
    subprocess.run([*PYINITCTL, "install", tmp_path / "init"], check=True, capture_output=True)
    monkeypatch.chdir(tmp_path)
    env = {name: value for name, value in os.environ.items() if name != "PWD"}
    env |= {"PWD": str(tmp_path)} if known == "PWD" else {}
    with Container(WAITING, init=["./init"], options=["--grace", "100"], env=env) as container:
        container.expect("ready")
        until(lambda: os.readlink(f"/proc/{container.pid}/cwd") == "/", "it has left its directory")
        found = examine(capsys, container.pid)
        assert found["target"]["init"]["kind"] == "pyinit"
        assert severities(found) == {"stop-timeout": "problem"}


@pytest.mark.parametrize("scenario", ["run", "fork"])
def test_pyinit_in_a_program_is_recognised(
    capsys: pytest.CaptureFixture[str], scenario: str
) -> None:
    """By its signals; its options are nowhere to be seen, so what they decide is not checked."""
    with Container(WAITING, init=embeds(scenario)) as container:
        until(lambda: embedded(container.pid), "the init waits for signals")
        found = examine(capsys, container.pid)
        assert (found["target"]["init"]["kind"], found["findings"]) == ("pyinit", [])
        left = {each["id"]: each["reason"] for each in found["not_checked"]}
        assert left.keys() == {"stop-not-heeded", "stop-timeout"}
        assert "pyinit is a part of this program" in left["stop-timeout"]


def embedded(pid: int) -> bool:
    """Return whether the init has its child and only blocks the signals that it never takes."""
    blocked = int(status_field(pid, "SigBlk"), 16)
    never = sum(1 << number - 1 for number in signals.SYNCHRONOUS)
    return bool(children(pid)) and blocked == never


def caught(pid: int, number: int) -> bool:
    """Return whether a process has a handler for a signal."""
    return bool(int(status_field(pid, "SigCgt"), 16) >> number - 1 & 1)


@pytest.mark.parametrize("shell", ["bash", "dash", "sh"])
def test_a_shell_that_waits_for_its_command(capsys: pytest.CaptureFixture[str], shell: str) -> None:
    """The shell form of ENTRYPOINT: TERM is discarded, and the command never hears of it."""
    need(shell)
    with namespace(shell, "-c", "cat; true", lines=0) as pid:
        until(lambda: runs(pid, "cat"), "the shell has started cat")
        found = examine(capsys, pid)
        assert severities(found) == {
            "init-kind": "hint",
            "stop-ignored": "problem",
            "shell-between": "problem",
        }
        assert found["target"]["init"]["kind"] == "shell"
        assert "`exec COMMAND`" in finding(found, "stop-ignored")["remedy"]
        between = finding(found, "shell-between")
        assert "cat (2, " in between["what"]
        assert "the exec form" in between["remedy"]
        assert named(between) == [1, 2]


@pytest.mark.parametrize("shell", ["bash", "dash"])
def test_a_trap_that_has_to_wait(capsys: pytest.CaptureFixture[str], shell: str) -> None:
    """A shell runs it when the command in its foreground has ended; `wait` is interrupted."""
    need(shell)
    with namespace(shell, "-c", "trap 'exit 3' TERM; echo ready; cat; true") as pid:
        until(lambda: runs(pid, "cat"), "the shell has started cat")
        found = examine(capsys, pid)
        assert severities(found) == {"init-kind": "hint", "shell-between": "hint"}
        assert "runs its trap only when" in finding(found, "shell-between")["why"]
        # So it is: the second signal, which ends the shell, finds it there.
        os.kill(pid, signal.SIGTERM)
        assert status_field(pid, "Name") == shell
    with namespace(shell, "-c", "trap 'exit 3' TERM; cat <&3 & echo ready; wait", **fd3()) as pid:
        until(lambda: runs(pid, "cat"), "the shell has started cat")
        found = examine(capsys, pid)
        assert severities(found) == {"init-kind": "hint"}


def fd3() -> dict[str, Any]:
    """Return what gives a shell a descriptor 3 to read from: in the background stdin is none."""

    def prepare() -> None:
        not_in_background()
        os.dup2(0, 3, inheritable=True)

    return {"preexec_fn": prepare, "close_fds": False}


@pytest.mark.parametrize("init", ["tini", "catatonit"])
def test_a_shell_below_an_init_that_just_ends_it(
    capsys: pytest.CaptureFixture[str], init: str
) -> None:
    """TERM ends the shell, and the kernel kills its command at once; -g tells both."""
    need(init)
    for options, expected in (((), ["shell-between"]), (("-g",), [])):
        command = [init, *options, "--", "sh", "-c", "cat; true"]
        # Of ours it knows nothing.
        env = {**os.environ, "PYINIT_GROUP": "1"}
        with namespace(*command, lines=0, env=env) as pid:
            until(lambda: children(pid) and runs(children(pid)[0], "cat"), "cat is there")
            found = examine(capsys, pid)
            told = severities(found)
            assert (told.pop("init-kind"), list(told)) == ("hint", expected)
            if expected:
                assert named(finding(found, "shell-between")) == [2, 3]


@pytest.mark.parametrize(
    ("options", "script", "says"),
    [
        ((), '"$@"; true', "it has the grace of 5 s for all its workers"),
        (("--leftovers", "all", "--grace", "9"), '"$@"; true', "lose their work"),
        ((), 'exec "$@"', ""),
        ((), 'trap "" TERM; "$@"; true', ""),
    ],
)
def test_a_shell_between_pyinit_and_a_master(
    capsys: pytest.CaptureFixture[str], options: tuple[str, ...], script: str, says: str
) -> None:
    """A stop ends the shell, and then the master is a leftover; not with exec, or a trap."""
    command = [*PYTHON, "-c", WORKERS]
    init = [*PYINIT, *options, "--", "sh", "-c", script, "sh"]
    with namespace(*init, *command, lines=2) as pid:
        found = examine(capsys, pid)
        if not says:
            assert "shell-above-workers" not in severities(found)
            return
        told = finding(found, "shell-above-workers")
        assert told["severity"] == "hint"
        assert says in told["why"]
        assert named(told) == [2, 3, 4, 5]


def _names_of_children(pid: int) -> list[str]:
    try:
        return [status_field(each, "Name") for each in children(pid)]
    except FileNotFoundError:
        return []  # one has just ended


def test_a_command_that_has_ended(capsys: pytest.CaptureFixture[str]) -> None:
    """With --wait-all: a daemon is not taken for the command, and ignoring TERM is no finding."""
    command = ["sh", "-c", 'trap "" TERM; setsid sleep 1000 & exit 0']
    with namespace(*PYINIT, "--wait-all", "--", *command, lines=0) as pid:
        until(lambda: _names_of_children(pid) == ["sleep"], "sleep alone is left")
        assert examine(capsys, pid)["findings"] == []
        common = subprocess.run(
            [*PYINITCTL, "doctor", str(pid)], capture_output=True, text=True, check=True
        )
        assert "its command has ended: it waits for the other processes" in common.stdout


def test_a_shell_below_pyinit_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever it leaves behind gets TERM and the grace."""
    with namespace(*PYINIT, "--", "sh", "-c", "cat; true", lines=0) as pid:
        until(lambda: children(pid) and runs(children(pid)[0], "cat"), "cat is there")
        assert examine(capsys, pid)["findings"] == []


def test_python(capsys: pytest.CaptureFixture[str]) -> None:
    """It handles INT only: TERM is discarded for a PID 1."""
    with namespace(*PYTHON, "-c", SLEEPING) as pid:
        found = examine(capsys, pid)
        assert severities(found) == {"init-kind": "hint", "stop-ignored": "problem"}
        assert found["target"]["init"]["kind"] == "python"
        told = finding(found, "stop-ignored")
        assert "has no handler for TERM" in told["what"]
        assert "`docker run --init`" in told["remedy"]
        # And so it is: TERM is discarded, and it is still there for the next one.
        os.kill(pid, signal.SIGTERM)
        assert severities(examine(capsys, pid)) == severities(found)


def test_the_stop_signal_is_the_one_that_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """STOPSIGNAL of an image, which nothing in /proc tells."""
    with namespace(*PYTHON, "-c", SLEEPING) as pid:
        found = examine(capsys, pid, "--stop-signal", "INT")
        assert severities(found) == {"init-kind": "hint"}
        assert found["target"]["stop_signal"] == "SIGINT"


def test_a_handler_is_seen(capsys: pytest.CaptureFixture[str]) -> None:
    """And a signal that is ignored is named as such."""
    handler = "import signal; signal.signal(15, {}); " + SLEEPING
    with namespace(*PYTHON, "-c", handler.format("lambda *_: exit()")) as pid:
        assert "stop-ignored" in examine(capsys, pid)["passed"]
    with namespace(*PYTHON, "-c", handler.format("signal.SIG_IGN")) as pid:
        found = examine(capsys, pid)
        assert "ignores TERM" in finding(found, "stop-ignored")["what"]


@pytest.mark.parametrize(
    "wait",
    ["signal.sigwait([15])", "os.read(0, 1)"],
    ids=["sigwait", "blocked"],
)
def test_a_program_that_waits_for_signals(capsys: pytest.CaptureFixture[str], wait: str) -> None:
    """Blocked, or just unblocked by sigwait(3) itself: it may take it, which is a hint."""
    program = (
        "import os, signal; signal.pthread_sigmask(signal.SIG_BLOCK, [15]);"
        f"print('ready', flush=True); {wait}"
    )
    with namespace(*PYTHON, "-c", program) as pid:
        until(lambda: status_field(pid, "State")[0] == "S", "it waits")
        found = examine(capsys, pid)
        assert severities(found) == {"init-kind": "hint", "stop-ignored": "hint"}
        assert "sigwait(3) or signalfd(2)" in finding(found, "stop-ignored")["what"]


def test_who_is_known_to_take_what_it_blocks(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """As systemd and s6 do, by signalfd(2); the same program under another name may not."""
    block = (
        "import os, signal, sys; signal.pthread_sigmask(signal.SIG_BLOCK, [15]);"
        "os.execv(sys.argv[1], [sys.argv[1], '-c', 'echo ready; read _; :'])"
    )
    for name, expected in (("s6-svscan", []), ("server", ["stop-ignored"])):
        program = str(tmp_path / name)
        shutil.copy("/bin/sh", program)
        with namespace(*PYTHON, "-c", block, program) as pid:
            told = severities(examine(capsys, pid))
            assert told.pop("init-kind") == "hint"
            assert list(told) == expected


def test_node(capsys: pytest.CaptureFixture[str]) -> None:
    """Node's own handler of TERM is gone after the first, which had no effect on a PID 1."""
    need("node")
    with namespace("node", "-e", "console.log('ready'); setInterval(() => {}, 1000000)") as pid:
        found = examine(capsys, pid)
        assert severities(found) == {"init-kind": "hint", "stop-ignored": "hint"}
        assert found["target"]["init"]["kind"] == "node"
        os.kill(pid, signal.SIGTERM)
        until(lambda: not caught(pid, signal.SIGTERM), "Node has taken it")
        found = examine(capsys, pid)
        assert severities(found) == {"init-kind": "hint", "stop-ignored": "problem"}


@contextlib.contextmanager
def running(*options: str, **how: object) -> Iterator[Container]:
    """Run pyinit around a program that waits."""
    with Container(WAITING, options=options, **how) as container:  # type: ignore[arg-type]
        container.expect("ready")
        yield container


@pytest.mark.parametrize(
    ("options", "needs"),
    [
        (["--grace", "8"], None),
        (["--grace", "8.5"], "10.5 s (8.5 s grace + 2 s until KILL has ended all)"),
        (["--drain", "2", "--grace", "7"], "11 s (2 s drain + 7 s grace + 2 s"),
        (["--stop-timeout", "4"], "11 s (4 s until the last signal of the plan + 5 s grace"),
        (["--escalate", "INT@1,KILL@3"], None),
    ],
    ids=str,
)
def test_time_that_pyinit_takes(
    capsys: pytest.CaptureFixture[str], options: list[str], needs: str | None
) -> None:
    """All that it may take, one after the other, has to fit before the runtime's KILL."""
    with running(*options) as container:
        found = examine(capsys, container.pid)
        assert severities(found) == ({"stop-timeout": "problem"} if needs else {})
        if needs:
            what = finding(found, "stop-timeout")["what"]
            assert needs in what
            assert "has 10 s (the default of docker and podman)" in what


def test_the_time_is_the_runtimes(capsys: pytest.CaptureFixture[str]) -> None:
    """As it is told, or Kubernetes' where the environment is that of a pod."""
    with running("--grace", "20") as container:
        found = examine(capsys, container.pid, "--stop-timeout", "22")
        assert (found["findings"], found["target"]["stop_timeout_s"]) == ([], 22)
    pod = {**os.environ, "KUBERNETES_SERVICE_HOST": "10.0.0.1", "PYINIT_GRACE": "28.5"}
    with running(env=pod) as container:
        what = finding(examine(capsys, container.pid), "stop-timeout")["what"]
        assert "30.5 s (28.5 s grace" in what
        assert "has 30 s (the default of Kubernetes)" in what


def test_as_another_there_is_no_grace(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is waited for where nobody is to be ended; PYINIT_GRACE changes that."""
    with running(init=(*PYINIT, "--as", "tini")) as container:
        assert "stop-timeout" in examine(capsys, container.pid, "--stop-timeout", "0")["passed"]
    env = {**os.environ, "PYINIT_GRACE": "3"}
    with running(init=(*PYINIT, "--as", "tini"), env=env) as container:
        found = examine(capsys, container.pid, "--stop-timeout", "4")
        assert "5 s (3 s grace" in finding(found, "stop-timeout")["what"]


IGNORING = [*PYTHON, "-c", "import signal; signal.signal(15, signal.SIG_IGN); " + SLEEPING]


def test_a_command_that_ignores_the_stop(capsys: pytest.CaptureFixture[str], mode: str) -> None:
    """Unless it gets another signal, or a plan ends it."""
    for options, expected in (
        ([], {"stop-not-heeded": "problem"}),
        (["-r", "TERM:HUP"], {}),
        (["--stop-timeout", "2"], {}),
    ):
        with Container(IGNORING, options=options, mode=mode) as container:
            container.expect("ready")
            found = examine(capsys, container.pid)
            told = severities(found)
            if mode == SUBREAPER:
                assert told.pop("init-kind") == "hint"
                assert told.pop("stop-ignored") == "problem"
            assert told == expected
            if expected:
                assert "ignores TERM" in finding(found, "stop-not-heeded")["what"]


def test_a_stop_signal_that_is_dropped(capsys: pytest.CaptureFixture[str]) -> None:
    """Rewritten to nothing."""
    with running("-r", "TERM:0") as container:
        what = finding(examine(capsys, container.pid), "stop-not-heeded")["what"]
        assert what == f"pyinit (1, {container.pid} here) drops TERM"


SERVICES = """
[service.web]
command = ["sleep", "1000"]
after = ["db"]
stop-timeout = 30
[service.db]
command = ["sleep", "1000"]
stop-timeout = 20
"""


def test_services_that_stop_one_after_another(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Their time-outs add up, unless the plan of pyinit ends their supervisor before."""
    path, status = tmp_path / "services.toml", tmp_path / "status"
    path.write_text(SERVICES)
    for options, words in (
        ((), "57 s (50 s time-outs of services that stop one after another + 5 s grace"),
        (("--stop-timeout", "25"), "can take 50 s to stop one after another, but the plan ends"),
    ):
        given = ("--services", str(path), "--status-file", str(status), *options)
        with Container((), options=given) as container:
            until(lambda: status.exists() and status.read_text().count('"up"') == 2, "they are up")
            found = examine(capsys, container.pid, "--stop-timeout", "40")
            assert words in finding(found, "stop-timeout")["what"]
        status.unlink()
    with Container((), options=("--services", str(path))) as container:
        until(lambda: len(descendants(container.pid)) == 3, "they are up", container.pid)
        left = {
            each["id"]: each["reason"] for each in examine(capsys, container.pid)["not_checked"]
        }
        assert "no --status-file tells how long its services take" in left["stop-timeout"]
