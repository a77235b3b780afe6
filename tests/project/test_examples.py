"""The examples show what they say: a job runner, a probe, a container in a container."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request

import pytest

from tests.harness import (
    DEADLINE_S,
    ROOT,
    UNSHARE,
    Container,
    children,
    descendants,
    python,
    status_field,
    until,
)

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
        "level 2: /proc shows processes [1, 2], and none of the levels above",
    ]
    for level, line in ((1, lines[4]), (0, lines[6])):
        init = f"level {level}: the init of level {level + 1} had the numbers"
        assert re.fullmatch(rf"{init} \d+ 1, here and there", line)


def test_a_build(tmp_path: os.PathLike[str]) -> None:
    """Steps see the directory and each other's files, have no network, and end with the first."""
    steps = ["echo x >made; pwd", "cat made; ls /sys/class/net", "exit 3", "echo never"]
    done = example("build/build.py", str(tmp_path), *steps)
    assert done.returncode == 3
    shown = [each for each in done.stdout.splitlines() if not each.startswith("> ")]
    assert shown[:2] == ["  /tmp", "  x"]
    assert "never" not in shown
    done = example("build/build.py", "--time", "0.5", str(tmp_path), "setsid sleep 1000 & wait")
    assert (done.returncode, done.stderr[:18]) == (124, "build: no end with")


def test_a_queue_of_fifty() -> None:
    """All at once, each with its end and its output."""
    lines = [f"echo {code}; exit {code}" for code in range(50)]
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / "queue/queue_jobs.py"), "--at-once", "50"],
        input="\n".join([*lines, "kill -9 $$"]),
        capture_output=True,
        text=True,
        timeout=2 * DEADLINE_S,
        check=True,
    )
    assert done.stderr == ""
    found = [json.loads(each) for each in done.stdout.splitlines()]
    expected = [
        {"job": each, "code": code, "output": f"{code}\n"} for code, each in enumerate(lines)
    ]
    assert sorted(found, key=lambda each: each["code"]) == [
        *expected,
        {"job": "kill -9 $$", "code": 137, "output": ""},
    ]


def test_a_queue_that_is_stopped() -> None:
    """It ends all that runs, and itself."""
    argv = [sys.executable, str(EXAMPLES / "queue/queue_jobs.py")]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as queue:
        try:
            assert queue.stdin is not None
            queue.stdin.write(b"sleep 1000\nsleep 1000\n")
            queue.stdin.close()
            until(lambda: len(sleepers(queue.pid)) == 2, "both run", queue.pid)
            running = sleepers(queue.pid)
            queue.terminate()
            assert queue.wait(DEADLINE_S) == 1
            assert not [each for each in running if os.path.exists(f"/proc/{each}")]
        finally:
            queue.kill()


def sleepers(pid: int) -> list[int]:
    """Return the descendants of ``pid`` that are called sleep."""
    found = []
    for each in descendants(pid):
        with contextlib.suppress(OSError, KeyError):
            if status_field(each, "Name") == "sleep":
                found.append(each)
    return found


def test_a_fixture() -> None:
    """Its tests pass."""
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull]
    done = subprocess.run(
        [*argv, "--rootdir", str(EXAMPLES / "fixture"), str(EXAMPLES / "fixture/test_service.py")],
        capture_output=True,
        text=True,
        timeout=2 * DEADLINE_S,
        check=False,
    )
    assert (done.returncode, "2 passed" in done.stdout) == (0, True), done.stdout


@pytest.mark.parametrize("is_pid_1", [True, False])
def test_a_service_that_is_its_own_init(is_pid_1: bool) -> None:  # noqa: FBT001
    """It is the child of an init as PID 1, and alone elsewhere; TERM ends it in good order."""
    before = UNSHARE if is_pid_1 else ()
    argv = [*before, sys.executable, str(EXAMPLES / "service/service.py"), "0"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as service:
        try:
            assert service.stdout is not None
            word, port = service.stdout.readline().split()
            assert word == "ready"
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
                said = answer.read().decode()
            assert ("child of 1\n" in said) == is_pid_1
            pid = children(service.pid)[0] if is_pid_1 else service.pid
            os.kill(pid, signal.SIGTERM if is_pid_1 else signal.SIGINT)
            assert service.stdout.read() == "stopped\n"
            assert service.wait(DEADLINE_S) == 0
        finally:
            service.kill()


def test_a_look_into_a_container() -> None:
    """Who is there, and a command that leaves nothing there."""
    with Container(python("record.py", "TERM")) as container:
        assert container.line() == "ready"
        done = example("debugger/look.py", str(container.pid))
        assert done.stderr == ""
        assert re.search(r"^pid +pid:\[\d+\]  not ours$", done.stdout, re.MULTILINE)
        assert re.search(rf"^ +{container.pid} +1  .*pyinit", done.stdout, re.MULTILINE)
        script = "setsid sleep 1000 & echo $(ls -d /proc/1/cmdline); exit 5"
        done = example("debugger/look.py", str(container.pid), "sh", "-c", script)
        assert (done.returncode, done.stdout) == (5, "/proc/1/cmdline\n")
        assert len(children(container.pid)) == 1
    assert "there is no process" in example("debugger/look.py", str(2**22)).stderr
