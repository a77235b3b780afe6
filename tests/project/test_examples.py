"""The examples show what they say: a job runner, a probe, a container in a container."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.harness import DEADLINE_S, ROOT, Container, children, python

pytestmark = pytest.mark.usefixtures("namespaces")

EXAMPLES = ROOT / "examples"


def example(name: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run one to its end."""
    return subprocess.run(
        [sys.executable, str(EXAMPLES / name), *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def jobs(*words: str) -> tuple[int, list[str], dict[str, str]]:
    """Run the job runner; return its exit code, what jobs have written, and how each has ended."""
    done = example("jobs/run_jobs.py", *words)
    assert done.stderr == ""
    output, _, table = done.stdout.partition("\n\n" if done.stdout[0] != "\n" else "\n")
    ends = {line[24:].strip(): line[:14].strip() for line in table.splitlines()[1:]}
    return done.returncode, output.splitlines(), ends


def test_jobs_are_run_and_reported() -> None:
    """Their output, their exit codes, the signals that killed them."""
    code, output, ends = jobs("echo hello", "echo no >&2; exit 3", "kill -USR1 $$", "echo $PPID")
    assert code == 1
    assert sorted(output) == ["echo $PPID: 1", "echo hello: hello", "echo no >&2; exit 3: no"]
    assert ends == {
        "echo hello": "exit 0",
        "echo no >&2; exit 3": "exit 3",
        "kill -USR1 $$": "killed by 10",
        "echo $PPID": "exit 0",
    }


def test_jobs_run_at_the_same_time(tmp_path: os.PathLike[str]) -> None:
    """Each waits here for the other."""
    one, two = (os.path.join(tmp_path, name) for name in ("one", "two"))
    os.mkfifo(one)
    os.mkfifo(two)
    commands = [f"echo a >{one}; read x <{two}", f"read x <{one}; echo b >{two}"]
    assert jobs("--jobs", "2", *commands)[0] == 0


def test_a_job_is_ended_after_its_time() -> None:
    """With all that it started; what it has written is kept."""
    code, output, ends = jobs("--time", "0.5", "echo first; setsid sleep 1000 & sleep 1000")
    assert code == 1
    assert output == ["echo first; setsid sleep 1000 & sleep 1000: first"]
    assert list(ends.values()) == ["over 0.5 s"]


def test_a_job_has_no_more_memory_than_it_may() -> None:
    """By a cgroup the kernel kills it, by RLIMIT_AS its own request fails."""
    hungry = f"{sys.executable} -ISc 'print(len(b\"x\" * (300 << 20)))' 2>/dev/null"
    code, output, ends = jobs("--memory", "100", hungry)
    assert code == 1
    assert output == []
    assert list(ends.values()) in (["killed by 9"], ["exit 137"], ["exit 1"])
    assert jobs("--memory", "1000", hungry)[0] == 0


@pytest.fixture
def container(namespaces: None) -> Container:
    """Make one that waits; to be used in a ``with`` statement."""
    return Container(python("record.py", "TERM"))


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("true",), 0),
        (("sh", "-c", "exit 9"), 1),
        (("sh", "-c", "kill -9 $$"), 1),
        (("/nonexistent",), 2),
    ],
)
def test_a_probe(container: Container, command: tuple[str, ...], code: int) -> None:
    """0 is well, 1 is not, 2 is no probe."""
    with container:
        container.expect("ready")
        assert example("probe/probe.py", str(container.pid), "1000", *command).returncode == code


def test_a_probe_that_hangs_leaves_nobody(container: Container) -> None:
    """Not even a daemon that ignores TERM."""
    with container:
        container.expect("ready")
        before = children(container.pid)
        hangs = ("sh", "-c", "trap '' TERM; setsid sleep 1000 & sleep 1000")
        done = example("probe/probe.py", str(container.pid), "0.3", *hangs)
        assert (done.returncode, done.stderr) == (1, "probe: no answer within 0.3 s\n")
        assert children(container.pid) == before


def test_a_probe_of_nobody() -> None:
    """The reason is said."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    done = example("probe/probe.py", str(ended.pid), "1", "true")
    assert done.returncode == 2
    assert done.stderr.endswith(f"there is no process {ended.pid}\n")


def test_a_container_in_a_container() -> None:
    """Each level is numbered from 1, seen from above, and sees nobody above."""
    done = example("nested/nested.py", "2")
    assert (done.returncode, done.stderr) == (2, "")
    lines = done.stdout.splitlines()
    assert lines[1:4] == [
        "level 1: I am process 2, my parent is 1",
        "level 2: I am process 2, my parent is 1",
        "level 2: /proc shows processes [1, 2], and nobody of the levels above",
    ]
    for level, line in ((1, lines[4]), (0, lines[6])):
        init = f"level {level}: the init of level {level + 1} had here and there the numbers"
        assert re.fullmatch(rf"{init} \d+ 1", line)
