"""Each rule of start, end and stop has a test with real processes.

`ROWS` lists them.  Each test runs with pyinit as PID 1 and as a subreaper, or takes its cases in
turn; those of files in tests/subsets.py run as an ordinary user too.  test_hard_times.py has the
order and the codes below tini.
"""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import MODES, PYINITCTL
from tests.services.boxes import box, shell, stays, told
from tests.services.test_control import Operator
from tests.subsets import USER

# What happens in a state, and the test of it.
ROWS = {
    "off: operator's start": "test_control: test_one_that_is_off_is_started_by_an_operator",
    "waiting: all are ready": "test_start: test_who_comes_after_it_waits_until_it_is_ready",
    "waiting: all are done": "test_start: test_tasks_are_done_before_who_comes_after_them",
    "waiting: one has failed": "test_ends: "
    "test_ends_that_are_ignored_end_nothing_until_nobody_is_left",
    "waiting: stop": "test_rows: test_who_waits_or_starts_is_down_at_the_stop",
    "starting: exec failed": "test_ends: test_an_end_ends_the_container_with_its_code",
    "starting: ready": "test_start: test_who_comes_after_it_waits_until_it_is_ready",
    "starting: a task has succeeded": "test_start: test_tasks_are_done_before_who_comes_after_them",
    "starting: ended": "test_ends: test_an_end_ends_the_container_with_its_code",
    "starting: start-timeout": "test_ends: test_an_end_ends_the_container_with_its_code",
    "starting: stop": "test_rows: test_who_waits_or_starts_is_down_at_the_stop",
    "up: ended, and what is left": "test_restart: test_what_is_left_is_ended_before",
    "up: the job's time": "test_start: test_a_job_runs_again_and_again_and_never_twice_at_once",
    "up: operator's stop": "test_control: test_an_operator_changes_what_runs",
    "up: container's stop": "test_stop: test_reverse_order",
    "stopping: ended": "test_stop: test_what_is_left_of_a_session_is_ended_with_its_service",
    "stopping: to be restarted": "test_control: test_an_operator_changes_what_runs",
    "stopping: stop-timeout": "test_ends: test_one_that_outlives_its_stop_timeout_is_killed",
    "backoff: delay over": "test_restart: test_the_budget",
    "backoff: stop": "test_restart: test_a_delay_ends_with_the_stop",
    "down: operator's start": "test_control: test_an_operator_changes_what_runs",
    "budget used up": "test_restart: test_the_budget",
    "budget used up, ignored": "test_restart: test_others_are_not_touched",
    # The exit code.
    "code: of main": "test_ends: test_the_command_is_the_main_service",
    "code: of the cause": "test_ends: test_an_end_ends_the_container_with_its_code",
    "code: after a stop": "test_ends: test_the_code_after_a_stop",
    "code: KILL was needed": "test_ends: test_one_that_outlives_its_stop_timeout_is_killed",
    "code: --remap-exit": "test_rows: test_a_stop_goes_the_way_of_the_init",
    "code: its cause in the report": "test_told: test_the_cause_is_the_service",
    # The stop.
    "stop: drain, pre-stop": "test_rows: test_a_stop_goes_the_way_of_the_init",
    "stop: by supervisorctl": "test_supervisorctl: test_a_shutdown_is_a_stop_of_the_container",
    "stop: reverse order": "test_stop: test_reverse_order",
    "stop: branches": "test_stop: test_branches_stop_at_the_same_time",
    "stop: second and third signal": "test_stop: "
    "test_a_second_stop_signal_knows_no_order_and_a_third_one_kills",
    "stop: --stop-timeout": "test_stop: "
    "test_a_supervisor_that_hangs_is_bounded_by_the_stop_timeout",
    "stop: the supervisor killed": "test_stop: "
    "test_a_supervisor_that_is_killed_leaves_its_services_the_grace",
}


@pytest.mark.parametrize("row", ROWS)
def test_a_row_has_a_test_for_all_modes(row: str) -> None:
    """It is there, takes the mode, and is one of an ordinary user's."""
    name, _, test = ROWS[row].partition(": ")
    tree = ast.parse((Path(__file__).parent / f"{name}.py").read_text())
    (found,) = [x for x in tree.body if isinstance(x, ast.FunctionDef) and x.name == test]
    arguments = found.args.args + found.args.kwonlyargs
    assert "mode" in [each.arg for each in arguments]
    assert f"services/{name}.py" in USER


@pytest.mark.parametrize("mode", MODES)
def test_who_waits_or_starts_is_down_at_the_stop(
    namespaces: None, tmp_path: Path, mode: str
) -> None:
    """Whoever waits is never started, whether an operator or the container stops it."""
    operator = Operator(tmp_path)
    report = tmp_path / "report"
    text = "[service.slow]\nready = {fd = 3}\n"
    text += shell("trap 'echo slow stops; exit 0' TERM; echo slow; while :; do sleep 0.05; done")
    for name in ("late", "later"):
        text += f"[service.{name}]\nafter = ['slow']\n" + shell(f"echo {name}")
    options = (*operator.options, "--report", str(report))
    with box(tmp_path, text, options=options, mode=mode) as container:
        container.expect("slow")
        assert operator.ask("stop", "late")[0] == 0
        states = {"slow": "starting", "late": "down", "later": "waiting"}
        assert operator.states() == states
        container.signal(signal.SIGTERM)
        assert container.wait() == 0
        assert container.rest() == "slow stops\n"
    found = json.loads(report.read_text())["services"]
    assert {each["name"]: each["state"] for each in found} == dict.fromkeys(states, "down")
    assert [each["starts"] for each in found] == [1, 0, 0]


@pytest.mark.parametrize("mode", MODES)
def test_a_stop_goes_the_way_of_the_init(namespaces: None, tmp_path: Path, mode: str) -> None:
    """Drain and pre-stop come before the services are told; the code is remapped at the end."""
    text = "[service.db]\n" + stays("db", "exit 3")
    text += "[service.web]\nafter = ['db']\n" + stays("web")
    options = ("-v", "--drain", "0.1", "--pre-stop", "echo pre-stop", "--remap-exit", "3:4")
    with box(tmp_path, text, options=options, mode=mode) as container:
        assert [container.line(), container.line()] == ["db", "web"]
        container.signal(signal.SIGTERM)
        assert container.wait() == 4
        assert container.rest() == "pre-stop\nweb stops\ndb stops\n"
        assert "SIGTERM" in told(container)[-1]["cause"]


def test_services_in_another_root(namespaces: None, tmp_path: Path) -> None:
    """Of `pyinitctl run --root`: the file is in there, and Python need not be."""
    root = tmp_path / "root"
    names = [name for name in ("bin", "lib", "lib64") if Path("/", name).exists()]
    for name in (*names, "usr/bin", "usr/lib", "proc", "tmp"):
        (root / name).mkdir(parents=True)
    binds = [f"--bind={os.path.realpath(f'/{name}')}:/{name}:ro" for name in names]
    text = "[service.db]\n" + stays("db") + "[service.web]\nafter = ['db']\n"
    text += shell(f"test -e {sys.executable} || echo no python; exit 7")
    (root / "services.toml").write_text(text)
    words = ("--init", "--services /services.toml", "--pid", "--mount", f"--root={root}", *binds)
    user = () if os.geteuid() == 0 else ("--map-root-user",)
    done = subprocess.run(
        [*PYINITCTL, "run", *user, *words, "--", "sleep", "1000"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 7, done.stderr
    assert done.stdout.split("\n")[:3] == ["db", "no python", "db stops"]
