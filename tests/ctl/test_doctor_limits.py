"""``pyinitctl doctor``: limits that are nearly reached, and OOM kills."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from pyinit.ctl.doctor import limits
from tests import memory
from tests.ctl.doctors import examine, finding, named, severities, use_cgroup
from tests.harness import Container, python
from tests.users import need_root

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("namespaces")

WAITING = python("record.py", "TERM")


@pytest.fixture
def container() -> Iterator[Container]:
    """Have a container in which nothing else is wrong."""
    with Container(WAITING) as container:
        container.expect("ready")
        yield container


@pytest.mark.parametrize(
    ("controller", "name", "text"),
    [
        ("", "memory_events", "low 0\nhigh 0\nmax 9\noom 3\noom_kill {}\noom_group_kill 0\n"),
        ("memory", "memory_oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n"),
    ],
    ids=["v2", "v1"],
)
def test_oom_kills_so_far(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    container: Container,
    *,
    controller: str,
    name: str,
    text: str,
) -> None:
    """As the cgroup of PID 1 counts them."""
    use_cgroup(monkeypatch, tmp_path, controller, **{name: text.format(0)})
    assert "oom-kills" in examine(capsys, container.pid)["passed"]
    use_cgroup(monkeypatch, tmp_path, controller, **{name: text.format(3)})
    told = finding(examine(capsys, container.pid), "oom-kills")
    assert told["severity"] == "problem"
    assert told["what"].startswith("the kernel has killed 3 processes of this cgroup")


def test_pid_1_is_the_first_choice(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where it is the largest, half of the limit is in use, and nothing is done about it."""
    for size, options, told in (
        (12 << 20, [], {"oom-init-first": "hint"}),
        (1 << 30, [], {}),
        (12 << 20, ["--oom-score-adj", "500"], {}),
    ):
        use_cgroup(monkeypatch, tmp_path, memory_events="oom_kill 0\n", memory_max=f"{size}\n")
        with Container(["sh", "-c", "echo ready; exec sleep 1000"], options=options) as container:
            container.expect("ready")
            assert severities(examine(capsys, container.pid)) == told


@pytest.mark.alone("a memory cgroup that is full")
def test_a_real_oom_kill(capsys: pytest.CaptureFixture[str]) -> None:
    """In the cgroup of the container; the container itself goes on, as if nothing had been."""
    need_root()
    command = ["sh", "-c", 'echo ready; read _; "$@" >/dev/null; echo $?; cat', "sh"]
    reader, writer = os.pipe()
    try:
        with (
            memory.cgroup() as directory,
            Container(
                [*command, *python("hog.py")], preexec=memory.joining(directory), stdin=reader
            ) as container,
        ):
            container.expect("ready")
            assert "oom-kills" in examine(capsys, container.pid)["passed"]
            os.write(writer, b"\n")
            container.expect(str(128 + signal.SIGKILL))
            told = finding(examine(capsys, container.pid), "oom-kills")
            assert "1 process of this cgroup" in told["what"]
    finally:
        os.close(reader)
        os.close(writer)


if os.geteuid() == 0 and not memory.can_be_had():
    del test_a_real_oom_kill  # as tests/conftest.py leaves out the files of such tests


def test_a_cgroup_that_is_nearly_full(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    container: Container,
) -> None:
    """From four fifths on; also one that is above that of the container."""
    inner = tmp_path / "inner"
    inner.mkdir()
    use_cgroup(monkeypatch, inner, memory_events="oom_kill 0\n", pids_max="max\n", pids_current="8")
    (tmp_path / "pids.max").write_text("10\n")
    (tmp_path / "pids.current").write_text("7\n")
    assert examine(capsys, container.pid)["findings"] == []
    (tmp_path / "pids.current").write_text("8\n")
    found = examine(capsys, container.pid)
    assert severities(found) == {"pids-limit": "problem"}
    what = finding(found, "pids-limit")["what"]
    assert what == f"8 of 10 processes and threads of {tmp_path} are in use"


OPENS = """
import os, resource, time
resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))
while len(os.listdir("/proc/self/fd")) - 1 < {number}:
    os.dup(0)
print("ready", flush=True)
time.sleep(1000)
"""


@pytest.mark.parametrize("number", [15, 16, 19])
def test_descriptors(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    number: int,
) -> None:
    """Of any process, against its own soft limit."""
    use_cgroup(monkeypatch, tmp_path, memory_events="oom_kill 0\n")
    with Container([*WAITING[:2], "-c", OPENS.format(number=number)]) as container:
        container.expect("ready")
        found = examine(capsys, container.pid)
        if number < 16:
            assert found["findings"] == []
        else:
            told = finding(found, "descriptors-limit")
            assert f"{number} of 20 descriptors of " in told["what"]
            assert named(told) == [2]


def test_descriptors_that_may_not_be_seen(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    container: Container,
) -> None:
    """Those of other users: they are not taken for few."""
    use_cgroup(monkeypatch, tmp_path, memory_events="oom_kill 0\n")
    listdir = os.listdir

    def refused(path: str) -> list[str]:
        if path == f"/proc/{container.pid}/fd":
            raise PermissionError
        return listdir(path)

    monkeypatch.setattr(os, "listdir", refused)
    found = examine(capsys, container.pid)
    assert found["not_checked"] == [
        {"id": "descriptors-limit", "reason": "the descriptors of 1 process may not be seen"}
    ]


OTHER = ["setpriv", "--reuid", "{uid}", "--clear-groups"]
# What a change of user would take, and execve(2) after it; see capabilities(7).
WITH_RIGHT = [
    *("setpriv", "--securebits", "+no_setuid_fixup"),
    *("--inh-caps", "+sys_admin", "--ambient-caps", "+sys_admin"),
]


@pytest.mark.parametrize(
    ("start", "is_near"),
    [
        (["prlimit", "--nproc=5", *OTHER], True),
        (["prlimit", "--nproc=100", *OTHER], False),
        # Who is root in another user namespace is bound all the same.
        ([*OTHER, "unshare", "--user", "--map-root-user", "prlimit", "--nproc=5"], True),
        (["prlimit", "--nproc=5"], False),
        (["prlimit", "--nproc=5", "setpriv", "--bounding-set", "-sys_admin,-sys_resource"], False),
        (["prlimit", "--nproc=5", *WITH_RIGHT, *OTHER], False),
    ],
    ids=["user", "far", "root-of-a-user", "root", "root-without-rights", "user-with-rights"],
)
def test_processes_of_a_user(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    start: list[str],
    *,
    is_near: bool,
) -> None:
    """Root is not bound by it, nor who has CAP_SYS_ADMIN; see getrlimit(2)."""
    need_root()
    use_cgroup(monkeypatch, tmp_path, memory_events="oom_kill 0\n")
    # Processes of other workers and runs of these tests are not to be counted.
    uid = str(20000 + os.getpid() % 40000)
    before = [uid if each == "{uid}" else each for each in start]
    program = ["sh", "-c", "sleep 1000 & sleep 1000 & sleep 1000 & echo ready; wait"]
    with Container([*before, *program]) as container:
        container.expect("ready")
        found = examine(capsys, container.pid)
        if not is_near:
            assert "user-processes-limit" in found["passed"]
            return
        told = finding(found, "user-processes-limit")
        assert f"4 of 5 processes and threads of user {uid}" in told["what"]
        assert told["severity"] == "problem"


@pytest.mark.parametrize(("name", "check"), [("pid_max", "pid-max"), ("threads-max",) * 2])
def test_the_whole_system(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    container: Container,
    *,
    name: str,
    check: str,
) -> None:
    """Numbers and threads that the kernel has left for anybody; here as if it had few."""
    use_cgroup(monkeypatch, tmp_path, memory_events="oom_kill 0\n")
    number = limits._number

    def few(directory: str, each: str) -> int | None:
        return 3 if each == name else number(directory, each)

    monkeypatch.setattr(limits, "_number", few)
    found = examine(capsys, container.pid)
    assert severities(found) == {check: "problem"}
    assert f"of 3 (kernel.{name}) are in use" in finding(found, check)["what"]
