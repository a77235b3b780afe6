"""The report of an init inside of a program: `pyinit.run`, `pyinit.fork_init`, `pyinit.spawn`."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import sys
from typing import TYPE_CHECKING

import pytest

import pyinit
from tests.harness import PID1, SUBREAPER, embeds, run
from tests.log import reports
from tests.log.test_report_descriptor import pipe
from tests.robust.test_stderr import read_now
from tests.spawning import spawn

if TYPE_CHECKING:
    from pathlib import Path

EXITS = ["sh", "-c", "exit 7"]
NO_FD = 1000


def test_run(mode: str, tmp_path: Path) -> None:
    """The program goes on afterwards."""
    path = tmp_path / "report"
    code, out, errors = run(EXITS, mode=mode, init=embeds("run", report=str(path)))
    assert (code, out, errors) == (0, "7 0\n", "")
    report = reports.read(path)
    assert (report["command"], report["cause"]) == (EXITS, "exited with 7")


def test_run_counts_its_own_alone(mode: str, tmp_path: Path) -> None:
    """CPU time and memory of a run before are not those of the second; the last report stays."""
    path = tmp_path / "report"
    busy = "x = b'x' * 50_000_000; import os\nwhile os.times().user < 0.1: pass\nos._exit(1)"
    script = shlex.join(["exec", sys.executable, "-IS", "-c", busy])
    init = embeds("run_each", report=str(path))
    assert run([script, "exit 2"], mode=mode, init=init) == (0, "1 0\n2 0\n", "")
    report = reports.read(path)
    assert report["cause"] == "exited with 2"
    assert report["usage"]["cpu_user_s"] < 0.1
    assert report["usage"]["peak_process_bytes"] is None


def test_run_with_a_descriptor(mode: str) -> None:
    """It stays open, and the command does not get it."""
    with pipe() as (reader, writer):
        init = embeds("run_each", report=writer)
        script = f"test ! -e /proc/self/fd/{writer}"
        result = run([script, script], mode=mode, init=init, pass_fds=[writer])
        assert result == (0, "0 0\n0 0\n", "")
        causes = [json.loads(line)["cause"] for line in read_now(reader).splitlines()]
    assert causes == ["exited with 0"] * 2


@pytest.mark.parametrize("scenario", ["run", "refused"])
@pytest.mark.parametrize("options", [{"report": NO_FD}, {"report": "/no/such/file"}])
def test_a_wrong_place_is_a_value_error(
    scenario: str, options: dict[str, object], namespaces: None
) -> None:
    """Before anything is started, or forked."""
    code, out, _ = run(["echo", "started"], init=embeds(scenario, **options))
    assert code == 0
    assert out.startswith("ValueError report: ")
    assert out.count("\n") == 1


def test_fork_init(mode: str, tmp_path: Path) -> None:
    """The command is the program itself."""
    path = tmp_path / "report"
    more = {} if mode == PID1 else {"always": True}
    init = embeds("fork", report=str(path), log_file=str(tmp_path / "log"), verbose=1, **more)
    code, _, errors = run(["sh", "-c", "ls -l /proc/self/fd; exit 7"], mode=mode, init=init)
    assert (code, errors) == (7, "")
    report = reports.read(path)
    assert report["cause"] == "exited with 7"
    assert report["command"][-2:] == ["-c", "ls -l /proc/self/fd; exit 7"]
    assert '"event": "exiting"' in (tmp_path / "log").read_text()


def test_the_program_of_fork_init_does_not_hold_the_log(namespaces: None, tmp_path: Path) -> None:
    """It is the init's."""
    log = tmp_path / "log"
    code, out, _ = run(
        [], mode=SUBREAPER, init=embeds("fork_and_list_files", always=True, log_file=str(log))
    )
    assert code == 0
    assert str(log) not in out.split()


def test_fork_init_when_not_pid_1(namespaces: None, tmp_path: Path) -> None:
    """Nothing happens, and nothing is written."""
    path = tmp_path / "report"
    code, out, _ = run([], mode=SUBREAPER, init=embeds("fork", report=str(path)))
    assert (code, out.split()[:2]) == (0, ["the", "same"])
    assert not path.exists()


def test_spawn(tmp_path: Path, namespaces: None) -> None:
    """The path is one in the container."""
    path = tmp_path / "report"
    with spawn(EXITS, report=path) as container:
        assert container.wait().code == 7
    report = reports.read(path)
    assert (report["role"], report["pid"], report["cause"]) == ("init", 1, "exited with 7")


def test_spawn_with_a_descriptor(namespaces: None) -> None:
    """The init gets it, the command does not; the pipe ends with the init."""
    with pipe() as (reader, writer):
        command = ["sh", "-c", f"test ! -e /proc/self/fd/{writer}"]
        with spawn(command, report=writer) as container:
            os.close(writer)
            assert container.wait().code == 0
        with os.fdopen(os.dup(reader)) as file:
            assert json.loads(file.read())["exit_code"] == 0


def test_spawn_with_a_descriptor_that_is_not_open() -> None:
    """Its number would be that of another file on the way to the init."""
    with pytest.raises(ValueError, match="report: descriptor 1000 is not open"):
        pyinit.spawn(EXITS, namespaces={"pid"}, report=NO_FD)


def test_spawn_in_a_wrong_place(namespaces: None) -> None:
    """Told by the init, before the command is started."""
    told = r"^report: '/no/such/file' cannot be written"
    with contextlib.ExitStack() as stack, pytest.raises(pyinit.StartError, match=told):
        stack.enter_context(spawn(EXITS, report="/no/such/file"))
