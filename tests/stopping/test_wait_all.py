"""``--wait-all``: a command that starts a daemon and ends; pyinit stays until that has ended."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests import conftest
from tests.harness import PID1, Container, children, logged, python, status_field, until
from tests.stopping import real_programs
from tests.stopping.test_teardown import NEVER_S, assert_over

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("namespaces")

WAIT = ("--wait-all", "--grace", NEVER_S)


def waiting(*words: str, mode: str, options: tuple[str, ...] = ()) -> Container:
    """Return a container whose command starts a daemon; see daemon.py."""
    return Container(
        python("daemon.py", *words), options=[*WAIT, *options], mode=mode, stdin=subprocess.PIPE
    )


def main_ends(container: Container) -> int:
    """Return the PID of the daemon once it is the only child of pyinit."""
    until(
        lambda: [_is_daemon(pid) for pid in children(container.pid)] == [True],
        "the daemon is pyinit's child, and the command has ended",
        container.pid,
    )
    return children(container.pid)[0]


def _is_daemon(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        return os.getsid(pid) == pid
    return False


def end_daemon(container: Container) -> None:
    """Have it end by itself."""
    container.close_stdin()


def test_until_the_last_process_has_ended(mode: str) -> None:
    """With the command's exit code; without the option they are told to end at once."""
    with waiting("HUP", mode=mode) as container:
        container.expect("ready")
        main_ends(container)
        container.signal(signal.SIGHUP)
        container.expect("HUP")
        end_daemon(container)
        assert container.rest() == "ended\n"
        assert container.wait() == 3
        assert container.errors() == ""


def test_a_stop_is_the_teardown(mode: str) -> None:
    """In the order of the tree: the daemon gets TERM, and its worker does not."""
    with waiting(mode=mode) as container:
        container.expect("ready")
        main_ends(container)
        container.signal(signal.SIGTERM)
        assert container.rest() == "TERM\nended\n"
        assert_over(container, 3)
        assert container.errors() == ""


def test_a_step_of_the_plan_is_the_teardown(mode: str) -> None:
    """Where --rewrite drops the stop signal, as it ends a command then."""
    options = ("--rewrite", "TERM:ignore", "--stop-timeout", "0.05")
    with waiting(mode=mode, options=options) as container:
        container.expect("ready")
        main_ends(container)
        container.signal(signal.SIGTERM)
        assert container.rest() == "TERM\nended\n"
        assert_over(container, 3)


def test_a_second_stop_signal_kills(mode: str) -> None:
    """As in any teardown; INT and QUIT are stop signals too."""
    with waiting("-", mode=mode) as container:
        container.expect("ready")
        main_ends(container)
        container.signal(signal.SIGINT)
        container.expect("TERM")
        container.signal(signal.SIGQUIT)
        assert container.rest() == ""
        assert_over(container, 3)


def test_only_who_handles_a_signal_gets_it(mode: str) -> None:
    """USR1 would end the daemon, which has no handler for it; TERM comes after it."""
    with waiting("HUP", mode=mode, options=("--rewrite", "USR2:HUP", "-vv")) as container:
        container.expect("ready")
        main_ends(container)
        container.signal(signal.SIGUSR1)
        container.signal(signal.SIGUSR2)
        container.expect("HUP")
        container.signal(signal.SIGTERM)
        assert container.rest() == "TERM\nended\n"
        assert container.wait() == 3
        events = [(each["event"], each) for each in logged(container.errors())]
    ignored = [each["received"] for name, each in events if name == "signal_ignored"]
    relayed = [each for name, each in events if name == "signal_relayed"]
    assert ignored == ["SIGUSR1"]
    assert [(each["signal"], each["received"]) for each in relayed] == [("SIGHUP", "SIGUSR2")]


def test_a_stop_before_the_command_has_ended() -> None:
    """There is no wait then."""
    command = ["sh", "-c", 'sleep 1000 & trap "exit 4" TERM; echo ready; wait']
    with Container(command, options=WAIT) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        assert container.wait() == 4


def test_nobody_is_left(mode: str) -> None:
    """There is nobody to be waited for."""
    with Container(["sh", "-c", "exit 5"], options=WAIT, mode=mode) as container:
        assert container.wait() == 5
        assert container.errors() == ""


def test_who_has_entered_is_not_waited_for() -> None:
    """`docker exec sleep` does not keep the container when the daemon has ended."""
    from tests.ctl.views import entered

    with waiting(mode=PID1) as container:
        container.expect("ready")
        main_ends(container)
        with entered(container):
            end_daemon(container)
            assert container.wait() == 3


def test_a_drain_ends_with_the_last_process() -> None:
    """The pre-stop command stops the daemon in its own way."""
    stop = 'read -r pid <"$FILE"; kill -HUP "$pid"'
    command = ["sh", "-c", 'setsid sh -c "echo \\$\\$ >$FILE; kill -STOP \\$\\$; :" & exec true']
    options = [*WAIT, "--drain", NEVER_S, "--pre-stop"]
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(real_programs.directory_for_sockets())
        environ = {**os.environ, "FILE": str(directory / "pid")}
        kill = f'{stop}; kill -CONT "$pid"'
        container = stack.enter_context(Container(command, options=[*options, kill], env=environ))
        daemon = main_ends(container)
        until(lambda: status_field(daemon, "State")[0] == "T", "it has stopped")
        container.signal(signal.SIGTERM)
        assert container.wait() == 0
        assert container.errors() == ""


def test_the_pre_stop_command_outlives_the_last_process(tmp_path: Path) -> None:
    """It is waited for too, as far as the drain goes: `service stop` has a file to remove."""
    name = tmp_path / "pid"
    daemon = "exec 0<&-; echo \\$\\$ >$FILE; exec sleep 1000"
    command = ["sh", "-c", f'setsid sh -c "{daemon}" & until [ -s $FILE ]; do :; done']
    hook = 'read -r pid <"$FILE"; kill "$pid"; while kill -0 "$pid"; do :; done 2>&-; echo removed'
    options = [*WAIT, "--drain", NEVER_S, "--pre-stop", hook]
    with Container(command, options=options, env={**os.environ, "FILE": str(name)}) as container:
        main_ends(container)
        container.signal(signal.SIGTERM)
        container.expect("removed")
        assert container.wait() == 0
        assert container.errors() == ""


def test_it_is_told(tmp_path: Path, mode: str) -> None:
    """By the log, the status file while it waits, and the report."""
    status, report = tmp_path / "status", tmp_path / "report"
    options = ("-v", "--status-file", str(status), "--report", str(report))
    with waiting(mode=mode, options=options) as container:
        container.expect("ready")
        main_ends(container)
        until(status.exists, "the file is there")
        until(lambda: json.loads(status.read_text())["state"] == "waiting", "it is in the file")
        kept = json.loads(status.read_text())
        assert (kept["child"]["state"], kept["child"]["exit_code"]) == ("ended", 3)
        assert kept["awaited"]["count"] == len(kept["awaited"]["leftovers"]) == 2
        container.signal(signal.SIGTERM)
        container.wait()
        told = logged(container.errors())
    assert [each["count"] for each in told if each["event"] == "leftovers_awaited"] == [2]
    cause = json.loads(report.read_text())["cause"]
    assert cause.startswith("exited with 3; the wait for its processes was ended by SIGTERM from ")


def test_the_report_of_a_daemon_that_has_ended(tmp_path: Path) -> None:
    """It says how long it lived on."""
    with waiting(mode=PID1, options=("--report", str(tmp_path / "report"))) as container:
        container.expect("ready")
        main_ends(container)
        end_daemon(container)
        container.wait()
    cause = json.loads((tmp_path / "report").read_text())["cause"]
    assert cause.startswith("exited with 3, and its last process ")


def test_nginx_as_a_daemon(tmp_path: Path, mode: str) -> None:
    """HUP has it read its configuration again, and QUIT by the pre-stop command lets it finish."""
    conftest.need("nginx")
    with real_programs.directory_for_sockets() as directory:
        words = real_programs.nginx(directory)
        config = directory / "nginx.conf"
        config.write_text(config.read_text().replace("daemon off;\n", ""))
        drain = ["--drain", NEVER_S, "--pre-stop", f"nginx -c {config} -s quit"]
        with Container(words, options=[*WAIT, *drain], mode=mode) as container:
            pid = directory / "pid"
            until(lambda: pid.exists() and pid.read_text(), "nginx runs")
            master = main_ends(container)
            until(lambda: len(children(master)) == 2, "its workers are there")
            before = set(children(master))
            container.signal(signal.SIGHUP)
            until(lambda: len(set(children(master)) - before) == 2, "there are new workers")
            until(lambda: not before & set(children(master)), "the old ones have ended")
            with real_programs.http(directory) as answer:
                assert b"200" in answer.readline()
                container.signal(signal.SIGTERM)
                assert answer.read().endswith(b"done\n")
            assert container.wait() == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--pause"], "and --pause runs none"),
        (["--services", "x.toml"], "which --services has none of"),
        (["--no-subreaper", "true"], "which do not come to pyinit with --no-subreaper"),
    ],
)
def test_what_does_not_go_with_it(words: list[str], said: str) -> None:
    """Nothing is started."""
    from tests.harness import PYINIT

    done = subprocess.run(
        [*PYINIT, "--wait-all", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 125
    assert done.stderr.startswith("pyinit: --wait-all (or PYINIT_WAIT_ALL) waits")
    assert said in done.stderr
