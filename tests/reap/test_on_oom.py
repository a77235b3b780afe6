"""--on-oom stop: whoever is killed for want of memory, the whole container is stopped."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyinit import Exit
from tests import memory
from tests.harness import DEADLINE_S, Container, embeds, python, status_field, until
from tests.spawning import line, spawn

if TYPE_CHECKING:
    from collections.abc import Sequence

STOP = ("--on-oom", "stop")
# As runtimes mount it.
READ_ONLY = (
    *("unshare", "--mount", "sh", "-ec"),
    'mount -o remount,bind,ro /sys/fs/cgroup/memory; exec "$@"',
    "sh",
)


def workers(directory: Path, mode: str, *options: str, **more: Any) -> Container:
    """Return a container whose main child has workers, and reaps them itself."""
    return Container(
        python("workers.py"),
        mode=mode,
        options=(*STOP, *options),
        stdin=subprocess.PIPE,
        preexec=memory.joining(directory),
        **more,
    )


def hog(container: Container) -> None:
    """Have a worker killed."""
    assert container.process.stdin is not None
    container.process.stdin.write(b"\n")
    container.process.stdin.flush()
    container.expect("killed 9")


def events(text: str, name: str) -> list[dict[str, Any]]:
    """Return the events of a log in JSON that have this name."""
    return [each for each in map(json.loads, text.splitlines()) if each["event"] == name]


def test_a_worker_is_killed(mode: str) -> None:
    """Its parent reaps it, and nobody but the kernel tells us: the main child gets TERM."""
    with memory.cgroup() as directory, workers(directory, mode) as container:
        container.expect("ready")
        hog(container)
        container.expect("stopped")
        log = container.errors()
        assert container.wait() == 4
    (told,) = events(log, "oom_kill")
    assert (told["kills"], told["total"], told["cgroup_version"]) == (1, 1, 1)
    assert "pid" not in told


def test_kills_of_before(mode: str) -> None:
    """They are no reason to stop."""
    with memory.cgroup() as directory:
        subprocess.run(python("hog.py"), preexec_fn=memory.joining(directory), check=False)
        with workers(directory, mode) as container:
            container.expect("ready")
            container.signal(signal.SIGTERM)
            container.expect("stopped")
            assert container.errors() == ""
            assert container.wait() == 4


def test_an_orphan_is_killed(mode: str) -> None:
    """The main child is stopped, and the report says that pyinit has sent the signal."""
    script = 'trap "echo stopped; exit 5" TERM; ("$@" &); while :; do sleep 0.1; done'
    with memory.cgroup() as directory:
        with Container(
            ["sh", "-c", script, "sh", *python("hog.py")],
            mode=mode,
            options=(*STOP, "-v"),
            preexec=memory.joining(directory),
        ) as container:
            container.expect("ready")
            container.expect("stopped")
            log = container.errors()
            assert container.wait() == 5
        (received,) = events(log, "signal_received")
        assert (received["signal"], received["origin"]) == ("SIGTERM", "self")
        (end,) = events(log, "exiting")
        assert "after the stop by SIGTERM from pyinit itself" in end["cause"]


def test_the_main_child_is_killed(mode: str) -> None:
    """Then there is nothing to be stopped, and the rest is ended as always."""
    script = "trap '' TERM; sleep 1000 & exec \"$@\""
    with memory.cgroup() as directory:
        with Container(
            ["sh", "-c", script, "sh", *python("hog.py")],
            mode=mode,
            options=(*STOP, "-v", "--grace", "0"),
            preexec=memory.joining(directory),
        ) as container:
            container.expect("ready")
            log = container.errors()
            assert container.wait() == 137
        assert not events(log, "signal_received")
        (end,) = events(log, "exiting")
        assert end["cause"] == "killed by SIGKILL: the kernel's OOM killer"


def test_with_a_drain_and_a_plan(mode: str) -> None:
    """It is a stop like any other: held back for the drain, once, and then it escalates."""
    command = [
        "sh",
        "-c",
        'exec 2>&-; trap "" TERM; echo ready; read _; "$@"; cat',
        "sh",
        *python("hog.py"),
    ]
    with memory.cgroup() as directory:
        with Container(
            command,
            mode=mode,
            options=(
                *(*STOP, "-v", "--drain", "1000", "--pre-stop", "echo draining"),
                *("--escalate", "USR1@0.1", "--grace", "0"),
            ),
            stdin=subprocess.PIPE,
            preexec=memory.joining(directory),
        ) as container:
            container.expect("ready")
            assert container.process.stdin is not None
            container.process.stdin.write(b"\n")
            container.process.stdin.flush()
            container.expect("ready")
            container.expect("draining")
            container.signal(signal.SIGTERM)  # ends the drain, as a second stop does
            log = container.errors()
            assert container.wait() == 128 + signal.SIGUSR1
        assert [each["event"] for each in events(log, "drain_started")] == ["drain_started"]
        (escalated,) = events(log, "stop_escalated")
        assert escalated["signal"] == "SIGUSR1"
        assert "Warning" not in log


def test_other_stop_signals(mode: str) -> None:
    """Without TERM among them it is the smallest, which the rules may make another one."""
    with memory.cgroup() as directory:
        with workers(
            directory, mode, "-v", "--stop-signals", "QUIT,USR2", "--rewrite", "QUIT:TERM"
        ) as container:
            container.expect("ready")
            hog(container)
            container.expect("stopped")
            log = container.errors()
            assert container.wait() == 4
        (received,) = events(log, "signal_received")
        assert received["signal"] == "SIGQUIT"


def test_a_pause(mode: str) -> None:
    """It ends when somebody is killed whom no child of ours is."""
    with memory.cgroup() as directory:
        with Container(
            [], mode=mode, options=(*STOP, "--pause", "-v"), preexec=memory.joining(directory)
        ) as container:
            while "pausing" not in container.line(2):
                pass
            # From now on the kernel tells.
            until(lambda: status_field(container.pid, "Threads") == "2", "the watch has begun")
            join = memory.joining(directory)
            subprocess.run(python("hog.py"), preexec_fn=join, check=False, capture_output=True)
            log = container.errors()
            assert container.wait() == 0
        assert len(events(log, "oom_kill")) == 1


def test_read_only_cgroups(mode: str) -> None:
    """Nobody can be told by version 1 then, which is said; a child's end is an occasion to look."""
    loop = "while :; do sleep 0.1; done"
    script = f'trap "echo stopped; exit 5" TERM; echo ready; read _; ("$@" &); {loop}'
    with memory.cgroup() as directory:
        with Container(
            ["sh", "-c", script, "sh", *python("hog.py")],
            mode=mode,
            options=STOP,
            stdin=subprocess.PIPE,
            before=READ_ONLY,
            preexec=memory.joining(directory),
        ) as container:
            container.expect("ready")
            told = json.loads(container.line(2))
            assert (told["event"], told["reason"]) == ("oom_not_watched", "Read-only file system")
            assert container.process.stdin is not None
            container.process.stdin.write(b"\n")
            container.process.stdin.flush()
            container.expect("ready")
            container.expect("stopped")
            log = container.errors()
            assert container.wait() == 5
        assert len(events(log, "oom_kill")) == 1


def test_no_cgroups(mode: str) -> None:
    """That nothing can be seen is said, and the container runs."""
    hidden = ("unshare", "--mount", "sh", "-ec", 'umount -l /sys/fs/cgroup; exec "$@"', "sh")
    with memory.cgroup() as directory, workers(directory, mode, before=hidden) as container:
        container.expect("ready")
        assert json.loads(container.line(2))["event"] == "oom_not_watched"
        container.signal(signal.SIGTERM)
        container.expect("stopped")
        assert container.wait() == 4


def test_idle(mode: str) -> None:
    """Two threads sleep: not once is the init or its watch woken up while nothing happens."""
    with memory.cgroup() as directory, workers(directory, mode) as container:
        container.expect("ready")
        until(lambda: settled(container.pid), "both threads sleep", container.pid)
        before = asleep(container.pid)
        subprocess.run(["sleep", "0.2"], check=True)
        assert asleep(container.pid) == before


def settled(pid: int) -> bool:
    """Return whether both threads sleep on, the watch after the pause with which it begins."""
    found = asleep(pid)
    subprocess.run(["sleep", "0.1"], check=True)
    return found is not None and asleep(pid) == found


def asleep(pid: int) -> list[str] | None:
    """Return how often each thread has gone to sleep, or None unless two do."""
    found = []
    for task in sorted(Path(f"/proc/{pid}/task").iterdir()):
        lines = (task / "status").read_text().splitlines()
        fields = dict(line.split(":\t") for line in lines)
        if not fields["State"].startswith("S"):
            return None
        found.append(fields["voluntary_ctxt_switches"])
    return found if len(found) == 2 else None


def test_embedded(mode: str) -> None:
    """As a keyword of `pyinit.run`; afterwards no thread and no descriptor is left."""
    script = 'trap "echo stopped; exit 5" TERM; "$@"; while :; do sleep 0.1; done'
    command: Sequence[str] = ["sh", "-c", script, "sh", *python("hog.py")]
    with (
        memory.cgroup() as directory,
        Container(
            command,
            mode=mode,
            init=embeds("run_twice", on_oom="stop"),
            preexec=memory.joining(directory),
        ) as container,
    ):
        for _ in range(2):
            container.expect("ready")
            container.expect("stopped")
            container.expect("5 0")
            container.expect("new 0")
        assert container.wait() == 0


def test_spawned() -> None:
    """As a keyword of `pyinit.spawn`, in a container with namespaces of its own."""
    with memory.cgroup() as directory:
        argv = python("workers.py")
        with spawn(
            argv, stdin=subprocess.PIPE, cgroup=directory, on_oom="stop", quiet=True
        ) as container:
            assert line(container.stdout) == "ready"
            assert container.stdin is not None
            container.stdin.write(b"\n")
            container.stdin.flush()
            assert line(container.stdout) == "killed 9"
            assert line(container.stdout) == "stopped"
            assert container.wait(DEADLINE_S) == Exit(4)
