"""-p SIGNAL: the end of pyinit's parent sends it to pyinit, and it is a signal like any other."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests import conftest, harness
from tests.harness import MODES, PID1, PYINIT, SUBREAPER, Container, children, python, run, until
from tests.terminals import state, until_settled

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

RECORD = python("record.py", "-")

# A parent that pyinit's end or that of its parent does not end: unshare(1), which waits.
PARENT = {
    PID1: ("unshare", "--pid", "--fork", "--mount-proc"),
    SUBREAPER: ("unshare", "--fork"),
}


class Family(Container):
    """Pyinit below a parent that can be ended, below an init that outlives both."""

    def __init__(
        self, mode: str, options: Sequence[str], command: Sequence[str], before: Sequence[str] = ()
    ) -> None:
        """Start it; ``before`` stands in front of pyinit."""
        line = [*PARENT[mode], *before, *PYINIT, *options, "--", *command]
        super().__init__(line, init=python("stays.py"))
        with self._ended_if_failing():
            self.parent = self.main_child()
            until(lambda: children(self.parent), "there is pyinit", self.process.pid)
            (self.pyinit,) = children(self.parent)

    def end_parent(self) -> None:
        """End pyinit's parent."""
        os.kill(self.parent, signal.SIGKILL)


@contextlib.contextmanager
def family(mode: str, *options: str, command: Sequence[str] = RECORD) -> Iterator[Family]:
    """Run a command that says when it is ready."""
    with Family(mode, options, command) as container:
        container.expect("ready")
        yield container


@pytest.mark.parametrize("name", ["TERM", "SIGHUP", "10", "RTMIN+3"])
def test_it_is_relayed_like_any_signal(mode: str, name: str) -> None:
    """Once: a signal after it is the next one that the command gets."""
    with family(mode, "-p", name) as container:
        container.end_parent()
        container.expect({"10": "USR1"}.get(name, name.removeprefix("SIG")))
        os.kill(container.pyinit, signal.SIGUSR2)
        container.expect("USR2")


@pytest.mark.parametrize("words", [("--parent-death-signal=TERM",), ("-vvpTERM",)])
def test_each_way_to_say_it(mode: str, words: Sequence[str]) -> None:
    """The long option, and a bundle."""
    with family(mode, *words) as container:
        container.end_parent()
        container.expect("TERM")


def test_without_it_nothing_is_sent(mode: str) -> None:
    """Pyinit goes on below another parent; USR2 is the first that the command gets."""
    with family(mode) as container:
        container.end_parent()
        until(lambda: not os.path.exists(f"/proc/{container.parent}"), "the parent has ended")
        os.kill(container.pyinit, signal.SIGUSR2)
        container.expect("USR2")


def test_a_map_applies(mode: str) -> None:
    """As to TERM from anybody else."""
    with family(mode, "-p", "TERM", "-r", "TERM:QUIT") as container:
        container.end_parent()
        container.expect("QUIT")


def test_it_is_a_stop_signal_if_that_signal_is_one(mode: str) -> None:
    """A drain holds it back until the second one comes."""
    with family(mode, "-p", "TERM", "--drain", "1000") as container:
        container.end_parent()
        until(lambda: not os.path.exists(f"/proc/{container.parent}"), "the parent has ended")
        until_settled(container.pyinit)
        os.kill(container.pyinit, signal.SIGUSR1)
        container.expect("USR1")
        os.kill(container.pyinit, signal.SIGTERM)
        container.expect("TERM")


@pytest.mark.parametrize("command", [RECORD, python("leave.py", "-", "ignore")])
def test_kill_ends_all(mode: str, command: Sequence[str]) -> None:
    """Even PID 1, for the parent is outside (pid_namespaces(7)); the command goes with pyinit."""
    with family(mode, "-p", "KILL", command=command) as container:
        container.end_parent()
        assert container.wait() == 0
        assert container.rest() == ""


def test_it_ends_a_pause(mode: str) -> None:
    """TERM, as usual."""
    with Family(mode, ["-P", "-vp", "TERM"], ()) as container:
        while "pausing" not in container.line(2):
            pass
        container.end_parent()
        assert "signal_received" in container.line(2)
        assert "exiting" in container.line(2)
        assert container.wait() == 0


@pytest.mark.parametrize(
    "options",
    [
        ("--session", "--no-new-privs", "--umask", "077", "--chdir", "/", "--env", "A=B"),
        ("--drain", "0.01", "--escalate", "USR1@1000", "--notify", "-g"),
    ],
)
def test_it_outlasts_all_that_pyinit_does(mode: str, options: Sequence[str]) -> None:
    """The kernel clears it when a process changes its ids (prctl(2)), and pyinit never does."""
    with family(mode, *options, "-p", "HUP") as container:
        container.end_parent()
        container.expect("HUP")


def test_it_outlasts_a_change_of_user(mode: str) -> None:
    """It is the command's, in the forked process."""
    if os.geteuid() != 0:
        conftest.missing("root")
    command = ["sh", "-c", "trap 'echo HUP; exit' HUP; echo ready; while :; do sleep 0.01; done"]
    with family(mode, "--user", "65534:65534", "-p", "HUP", command=command) as container:
        container.end_parent()
        container.expect("HUP")


@pytest.mark.parametrize("mode", MODES)
def test_the_command_does_not_inherit_it(mode: str, namespaces: None) -> None:
    """As a process that is not PID 1 pyinit gives it KILL instead, for its own end (prctl(2))."""
    code, out, err = harness.run(python("inside.py"), options=["-p", "TERM"], mode=mode)
    assert (code, err) == (0, "")
    wanted = int(signal.SIGKILL) if mode == SUBREAPER else 0
    assert f'"parent-death signal": {wanted},' in out


# -- The moment between the first look at the parent and prctl(2).


@contextlib.contextmanager
def race(log: Path, name: str, command: Sequence[str]) -> Iterator[Family]:
    """Stop pyinit after its first look at its parent, end that, and continue pyinit."""
    conftest.need("strace")
    trace = ["strace", "-D", "-qq", "-o", str(log), "-e", "trace=getppid,prctl,exit_group"]
    trace += ["-e", "inject=getppid:signal=STOP:when=1"]
    with Family(SUBREAPER, ["-p", name], command, before=trace) as container:
        until(lambda: log.exists() and "stopped" in log.read_text(), "pyinit has stopped")
        assert "prctl" not in log.read_text()
        container.end_parent()
        until(lambda: not os.path.exists(f"/proc/{container.parent}"), "the parent has ended")
        until(lambda: state(container.pyinit) in "tT", "pyinit is stopped")
        os.kill(container.pyinit, signal.SIGCONT)
        yield container
        assert "prctl(PR_SET_PDEATHSIG" in log.read_text()


@pytest.mark.usefixtures("namespaces")
def test_a_parent_that_ends_before_it_is_set_has_sent_it(tmp_path: Path) -> None:
    """TERM ends the command in the moment it has been started."""
    log = tmp_path / "log"
    with race(log, "TERM", ["sleep", "1000"]) as container:
        assert container.wait() == 0
    assert "exit_group(143)" in log.read_text()


@pytest.mark.usefixtures("namespaces")
def test_kill_of_a_parent_that_ended_before_it_is_set_starts_nothing(tmp_path: Path) -> None:
    """It ends pyinit there and then."""
    log = tmp_path / "log"
    with race(log, "KILL", ["echo", "started"]) as container:
        assert container.rest() == ""
        assert container.wait() == 0
    assert "exit_group" not in log.read_text()


@pytest.mark.parametrize("mode", MODES)
def test_where_it_cannot_be_set_nothing_is_started(
    mode: str, tmp_path: Path, namespaces: None
) -> None:
    """A filter (seccomp(2)) may forbid prctl(2): who asks for it relies on it."""
    conftest.need("strace")
    fault = ["-e", "trace=prctl", "-e", "inject=prctl:error=EPERM:when=1"]
    before = ["strace", "-D", "-qq", "-o", str(tmp_path / "log"), *fault]
    result = harness.run(["echo", "x"], options=["-p", "TERM"], before=before, mode=mode)
    reason = "prctl(1): Operation not permitted"
    message = f"pyinit: cannot set the parent-death signal: {reason}\n"
    assert result == (125, "", message)


@pytest.mark.parametrize("word", ["CHLD", "STOP", "SEGV", "SIGILL"])
def test_a_signal_that_would_do_nothing_is_refused(word: str) -> None:
    """Pyinit neither relays nor heeds it, so the parent's end would go unnoticed."""
    code, out, err = run(["echo", "started"], options=["-p", word])
    assert (code, out) == (125, "")
    assert f"'{word}'" in err
