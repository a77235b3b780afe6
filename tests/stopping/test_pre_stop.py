"""--pre-stop runs a shell command while the drain lasts; whatever becomes of it, the stop goes on.

A drain of 1000 s in a test says that something else has ended it.
"""

from __future__ import annotations

import itertools
import json
import os
import select
import shlex
import signal
import sys
from typing import TYPE_CHECKING

from tests import conftest
from tests.cases import in_turn
from tests.harness import (
    DEADLINE_S,
    PID1,
    SUBREAPER,
    Container,
    children,
    python,
    status_field,
    unexplained,
    until,
)
from tests.terminals import state, until_settled

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

RECORD = python("record.py", "-")
SLEEP = ["sleep", "1000"]


def pre_stop(
    hook: str,
    *options: str,
    drain: str = "1000",
    command: Sequence[str] = RECORD,
    mode: str = PID1,
    before: Sequence[str] = (),
) -> Container:
    """Return a container with ``hook`` as its pre-stop command."""
    words = ["--drain", drain, "--pre-stop", hook, *options]
    return Container(command, options=words, mode=mode, before=before)


def until_alone(container: Container) -> None:
    """Wait until the main child is all there is, zombies included."""
    until(lambda: len(container.descendants()) == 1, "only the main child is left", container.pid)


def test_it_runs_when_the_drain_begins(namespaces: None) -> None:
    """Once, before the stop signal is relayed; its end does not end the drain."""
    with pre_stop("echo draining") as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        container.expect("draining")
        until_alone(container)
        container.signal(signal.SIGUSR1)
        container.expect("USR1")
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        os.kill(container.main_child(), signal.SIGKILL)
        assert unexplained(container.errors()) == ""


def test_it_gets_what_the_command_gets(namespaces: None, tmp_path: Path) -> None:
    """Variables, directory and umask."""
    options = ["--env", "COLOUR=red", "--unset-env", "HOME", "--umask", "027"]
    hook = 'echo "$COLOUR ${HOME-none} $PWD $(umask)"'
    with pre_stop(hook, *options, "--chdir", str(tmp_path)) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        container.expect(f"red none {tmp_path} 0027")


def test_it_runs_as_the_commands_user(namespaces: None) -> None:
    """With the user's groups too."""
    if os.geteuid() != 0:
        conftest.missing("root")
    hook = "echo $(id -u) $(id -g) $(id -G) $LOGNAME"
    options = ["--user", "nobody"]
    with pre_stop(hook, *options, command=SLEEP) as container:
        container.main_child()
        container.signal(signal.SIGTERM)
        container.expect("65534 65534 65534 nobody")


def test_its_signals_are_as_the_commands(namespaces: None) -> None:
    """Nothing is blocked or ignored but what pyinit was given so; here USR2 is blocked."""
    spec = {"blocked": [int(signal.SIGUSR2)]}
    hook = "exec grep -E 'Sig(Blk|Ign)|NSpgid|NSpid' /proc/self/status"
    before = python("enter.py", json.dumps(spec))
    with pre_stop(hook, before=before) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        fields = dict(container.line().split(":") for _ in range(4))
        assert int(fields["SigBlk"], 16) == 1 << (signal.SIGUSR2 - 1)
        assert int(fields["SigIgn"], 16) == 0
        # It leads a process group of its own.
        assert fields["NSpgid"] == fields["NSpid"]


@in_turn(
    ("hook", "end"),
    itertools.product(
        ["exec sleep 1000", "sleep 1000 & sleep 1000", "kill -STOP $$"],
        ["deadline", "second stop signal"],
    ),
)
def test_one_that_takes_too_long_is_killed_when_the_drain_ends(
    hook: str, end: str, mode: str
) -> None:
    """With its group, also when it is stopped; that is said once, and the command goes on."""
    drain = "0.2" if end == "deadline" else "1000"
    with pre_stop(f"echo draining; {hook}", drain=drain, mode=mode) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        container.expect("draining")
        if end != "deadline":
            container.signal(signal.SIGTERM)
        container.expect("TERM")
        until_alone(container)
        container.signal(signal.SIGUSR1)
        container.expect("USR1")
        os.kill(container.main_child(), signal.SIGKILL)
        assert container.wait() == 137
        assert container.errors().count("pre_stop_") == 1


def test_its_end_is_said_by_name(mode: str) -> None:
    """With how long it had."""
    with pre_stop("exec sleep 1000", drain="0.1", mode=mode) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        line = container.line(2)
        assert "pre_stop_cut_short" in line
        assert json.loads(line)["drain_s"] == 0.1


def test_the_main_childs_end_is_its_end(mode: str) -> None:
    """Killed, not asked: the grace of 1000 s is for leftovers, and it is deaf to TERM."""
    hook = "trap '' TERM; echo draining; sleep 1000"
    with pre_stop(hook, "--grace", "1000", command=SLEEP, mode=mode) as container:
        container.main_child()
        container.signal(signal.SIGTERM)
        container.expect("draining")
        container.signal(signal.SIGUSR1)
        assert container.wait() == 128 + signal.SIGUSR1
        if mode == SUBREAPER:
            assert container.survivors == []


def test_one_that_has_left_its_group_is_killed_as_well(namespaces: None, tmp_path: Path) -> None:
    """Here for the command's."""
    name = tmp_path / "pid"
    code = "import os, sys; os.setpgid(0, int(open(sys.argv[1]).read())); print('left', flush=True)"
    waits = "os.read(os.pipe()[0], 1)"
    hook = "exec " + shlex.join([sys.executable, "-IS", "-c", f"{code}; {waits}", str(name)])
    command = ["sh", "-c", 'echo $$ >"$0"; exec "$@"', str(name), *RECORD]
    with pre_stop(hook, command=command) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        container.expect("left")
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        until_alone(container)


def test_what_it_leaves_behind_lives_until_the_teardown(namespaces: None) -> None:
    """Once it has ended its group is nobody's any more, and its number may be anybody's."""
    hook = f"{shlex.join(python('record.py', 'TERM'))} &"
    with pre_stop(hook, command=SLEEP) as container:
        main = container.main_child()
        container.signal(signal.SIGTERM)
        container.expect("ready")
        until(lambda: len(children(container.pid)) == 2, "it has ended", container.pid)
        assert main in children(container.pid)
        container.signal(signal.SIGINT)
        container.expect("TERM")
        assert container.wait() in (128 + signal.SIGTERM, 128 + signal.SIGINT)


@in_turn(
    ("hook", "field", "ignored"),
    [
        ("exit 3", "exit_code=3", []),
        ("exit 3", "exit_code=3", [int(signal.SIGCHLD)]),
        ("no-such-command-anywhere", "exit_code=127", []),
        ("kill -HUP $$", "signal=SIGHUP", []),
        ("kill -KILL $$", "signal=SIGKILL", []),
    ],
)
def test_a_failure_is_a_warning(hook: str, field: str, ignored: list[int], mode: str) -> None:
    """The drain goes on; also where pyinit was given an ignored SIGCHLD, which loses statuses."""
    before = python("enter.py", json.dumps({"ignored": ignored}))
    with pre_stop(hook, mode=mode, before=before) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        while "pre_stop_failed" not in (line := container.line(2)):
            assert "sh: " in line  # what the shell says itself
        key, _, value = field.partition("=")
        assert str(json.loads(line)[key]) == value
        container.signal(signal.SIGUSR1)
        container.expect("USR1")
        container.signal(signal.SIGTERM)
        container.expect("TERM")


def assert_not_started(container: Container, reason: str) -> None:
    """Assert that the drain is one without the command, and that it is said why."""
    container.signal(signal.SIGTERM)
    line = container.line(2)
    assert "pre_stop_failed" in line
    assert reason in line
    container.signal(signal.SIGUSR1)
    container.expect("USR1")
    container.signal(signal.SIGTERM)
    container.expect("TERM")


def test_an_image_without_a_shell(namespaces: None) -> None:
    """As those made of one program are: here /bin/sh is covered."""
    script = 'mount --bind /dev/null "$(readlink -f /bin/sh)" && exec "$@"'
    with pre_stop("true", before=["sh", "-c", script, "sh"]) as container:
        container.expect("ready")
        assert_not_started(container, "/bin/sh")


def test_a_directory_that_has_gone(namespaces: None, tmp_path: Path) -> None:
    """The command is in it still, nobody else can go there."""
    directory = tmp_path / "srv"
    directory.mkdir()
    with pre_stop("true", "--chdir", str(directory)) as container:
        container.expect("ready")
        directory.rmdir()
        assert_not_started(container, "No such file or directory")


def test_a_user_that_has_gone(namespaces: None, tmp_path: Path) -> None:
    """Who it is to run as is looked up again."""
    if os.geteuid() != 0:
        conftest.missing("root")
    passwd = tmp_path / "passwd"
    passwd.write_text("guest:x:0:0::/:/bin/sh\n")
    before = ["sh", "-c", 'mount --bind "$0" /etc/passwd && exec "$@"', str(passwd)]
    with pre_stop("true", "--user", "guest", before=before) as container:
        container.expect("ready")
        passwd.write_text("")
        assert_not_started(container, "guest")


def test_no_more_processes(namespaces: None, tmp_path: Path) -> None:
    """The second fork(2) fails; of the command's own start that would be 125."""
    conftest.need("strace")
    # With a variable to be set, the command too is started by fork(2), which is clone(2).
    inject = "inject=clone:error=EAGAIN:when=2+"
    before = ["strace", "-D", "-f", "-qq", "-o", str(tmp_path / "log"), "-e", inject]
    # strace itself is a child of PID 1, and is left.
    with pre_stop("true", "--grace", "0", "--env", "A=", before=before) as container:
        container.expect("ready")
        assert_not_started(container, "Resource temporarily unavailable")


def test_it_is_no_orphan(namespaces: None) -> None:
    """-w warns of orphans that are reaped, and this is a child of ours."""
    with pre_stop("exit 3", "-w") as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        assert "pre_stop_failed" in container.line(2)
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        os.kill(container.main_child(), signal.SIGKILL)
        assert unexplained(container.errors()) == ""


def test_it_ends_with_pyinit(namespaces: None) -> None:
    """When that is killed: as PID 1 by the kernel anyway, when not PID 1 by PR_SET_PDEATHSIG."""
    lives_on = ["sh", "-c", '"$@"; kill -STOP $$', "sh"]
    hook = "echo draining; exec sleep 1000"
    with pre_stop(hook, command=SLEEP, mode=SUBREAPER, before=lives_on) as container:
        until(lambda: children(container.pid), "pyinit is there", container.pid)
        (pyinit,) = children(container.pid)
        until(lambda: children(pyinit), "the command is there", container.pid)
        (main,) = children(pyinit)
        os.kill(pyinit, signal.SIGTERM)
        container.expect("draining")
        until(lambda: len(children(pyinit)) == 2, "it is there", container.pid)
        (hook_pid,) = set(children(pyinit)) - {main}
        pidfd = os.pidfd_open(hook_pid)
        try:
            os.kill(pyinit, signal.SIGKILL)
            assert select.select([pidfd], [], [], DEADLINE_S)[0]
        finally:
            os.close(pidfd)


def test_one_that_stops_itself_is_left_alone_until_the_drain_ends(namespaces: None) -> None:
    """It may be continued by whoever it waits for; and it is not taken for the command's stop."""
    with pre_stop("echo draining; kill -STOP $$; echo again") as container:
        container.expect("ready")
        main = container.main_child()
        container.signal(signal.SIGTERM)
        container.expect("draining")
        until(lambda: len(children(container.pid)) == 2, "it is there", container.pid)
        (hook,) = set(children(container.pid)) - {main}
        until(lambda: state(hook) == "T", "it has stopped")
        container.signal(signal.SIGUSR1)
        container.expect("USR1")
        until_settled(container.pid)
        assert state(container.pid) == "S"
        os.kill(hook, signal.SIGCONT)
        container.expect("again")


def names_of_children(pid: int) -> list[str]:
    """Return what the children of ``pid`` are called; before its exec one is called as we are."""
    return [status_field(each, "Name") for each in children(pid)]


@in_turn("end", ["deadline", "second stop signal"])
def test_one_that_hangs_before_its_exec_holds_nothing_up(
    end: str, mode: str, tmp_path: Path
) -> None:
    """As in a directory, or with a shell, of a server that does not answer.

    Signals are relayed meanwhile, and the drain ends as ever; that it was cut short says
    that it had not become true(1) before.
    """
    conftest.need("strace")
    inject = "inject=execve:delay_enter=1000000000"  # microseconds: for good
    before = ["strace", "-D", "-f", "-qq", "-o", str(tmp_path / "log"), "-P", "/bin/sh"]
    drain = "1" if end == "deadline" else "1000"
    options = ["--grace", "0"]  # for strace, which is left
    with pre_stop("true", *options, drain=drain, mode=mode, before=[*before, "-e", inject]) as box:
        box.expect("ready")
        box.signal(signal.SIGTERM)
        until(lambda: "pyinit" in names_of_children(box.pid), "it has been forked", box.pid)
        if end != "deadline":
            box.signal(signal.SIGUSR1)
            box.expect("USR1")
            box.signal(signal.SIGTERM)
        box.expect("TERM")
        while "pre_stop_cut_short" not in (line := box.line(2)):
            assert line.startswith("strace: ")
