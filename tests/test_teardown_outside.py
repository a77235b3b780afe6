"""Nothing outside of the namespace is ever signalled, whatever /proc shows.

The scene: in an outer PID namespace process 2 has the children 3 to 22, the
bystanders.  In an inner one, whose /proc may be that of the outer one, pyinit
is process 1, or process 2, of which that /proc says that 3 to 22 are its children.
"""

from __future__ import annotations

import signal
import subprocess

import pytest

from tests.harness import SUBREAPER, Container, children, python, status_field, until

NUMBER = 20
STALE = "true"
ABSENT = "mount -t tmpfs none /proc"
# The /proc of a namespace that is gone: it has no /proc/self, and shows nobody.
GONE = "unshare --pid --fork mount -t proc proc /proc"
# The /proc of a sibling namespace, whose processes have the same numbers too.
OTHER = (
    "mkfifo /dev/shm/$$; unshare --pid --fork sh -c "
    "'mount -t proc proc /proc; echo > /dev/shm/'$$'; exec sleep 1000' & "
    "read -r _ < /dev/shm/$$; rm /dev/shm/$$"
)


def inside(mounts: str, mode: str) -> list[str]:
    """Return what stands before an inner pyinit: bystanders, a stop at the end, a namespace."""
    stop_after = '"$@"; code=$?; echo over; kill -STOP $$; exit $code'
    command = [*python("bystanders.py", str(NUMBER)), "sh", "-c", stop_after, "sh"]
    command += ["unshare", "--mount", "sh", "-c", f'{mounts}; exec "$@"', "sh"]
    command += ["unshare", "--pid", "--fork", "--kill-child"]
    if mode == SUBREAPER:
        command += ["sh", "-c", '"$@"; exit $?', "sh"]
    return command


@pytest.mark.parametrize(
    "mounts", [STALE, ABSENT, GONE, OTHER], ids=["stale", "absent", "gone", "other"]
)
@pytest.mark.parametrize("manner", ["end", "ignore"])
def test_bystanders_get_no_signal(mounts: str, manner: str, mode: str) -> None:
    """A signal would be pending for them, or have killed them; the leftovers are ended."""
    grace = "1000" if manner == "end" else "0.1"
    with Container(
        python("leave.py", "daemon", manner, "3"),
        options=["--grace", grace],
        mode=SUBREAPER,
        before=inside(mounts, mode),
        stdin=subprocess.PIPE,
    ) as container:
        for _ in range(NUMBER):
            container.expect("bystander")
        bystanders = children(container.pid)[:NUMBER]
        assert [status_field(b, "NSpid").split()[-1] for b in bystanders] == [
            str(3 + i) for i in range(NUMBER)
        ]
        for _ in range(3):
            container.expect("ready")
        assert container.process.stdin is not None
        container.process.stdin.close()
        for _ in range(3):
            container.expect("TERM")
        container.expect("over")
        until(lambda: status_field(container.pid, "State")[0] == "T", "the shell stops")
        for bystander in bystanders:
            assert status_field(bystander, "State")[0] == "S"
            assert int(status_field(bystander, "ShdPnd"), 16) == 0
        container.signal(signal.SIGCONT)
        assert container.wait() == 7
        assert len([s for s in container.survivors if "python" in s]) == NUMBER


@pytest.mark.parametrize("mounts", [ABSENT, STALE, GONE], ids=["absent", "stale", "gone"])
def test_a_subreaper_finds_a_whole_tree_without_proc(mounts: str, namespaces: None) -> None:
    """It can ask the kernel for its children only; theirs become its own when they end."""
    with Container(
        python("leave.py", "deep", "deaf", "20"),
        options=["--grace", "0.1"],
        mode=SUBREAPER,
        before=inside(mounts, SUBREAPER),
        stdin=subprocess.PIPE,
    ) as container:
        for _ in range(NUMBER):
            container.expect("bystander")
        for _ in range(20):
            container.expect("ready")
        assert container.process.stdin is not None
        container.process.stdin.close()
        container.expect("over")
        assert len(container.descendants()) == NUMBER
        until(lambda: status_field(container.pid, "State")[0] == "T", "the shell stops")
        container.signal(signal.SIGCONT)
        assert container.wait() == 7


HIDDEN = 'mount -o remount,hidepid=2 /proc && exec setpriv --bounding-set -sys_ptrace "$@"'


@pytest.mark.parametrize("grace", ["0", "1000"])
def test_a_leftover_that_proc_hides(grace: str, mode: str) -> None:
    """With hidepid=2 a process that is not dumpable is hidden even from its own user.

    It is asked as others are, of whom two are shown.
    """
    with Container(
        python("leave.py", "half-dumpable", "end", "4"),
        options=["--grace", grace],
        mode=mode,
        before=["unshare", "--mount", "sh", "-c", HIDDEN, "sh"],
        stdin=subprocess.PIPE,
    ) as container:
        for _ in range(4):
            container.expect("ready")
        assert container.process.stdin is not None
        container.process.stdin.close()
        if grace != "0":
            for _ in range(4):
                container.expect("TERM")
        assert container.wait() == 7
        if mode == SUBREAPER:
            assert container.survivors == []
        assert container.rest() == ""


@pytest.mark.parametrize("option", ["subset=pid", "hidepid=1", "hidepid=4"])
def test_a_restricted_proc(option: str, mode: str) -> None:
    """Leftovers are found in it, and named."""
    mounts = f'mount -t proc -o {option} proc /proc; exec setpriv --bounding-set -sys_ptrace "$@"'
    with Container(
        python("leave.py", "deep", "end", "3"),
        options=["--grace", "1000", "-v"],
        mode=mode,
        before=["unshare", "--mount", "sh", "-c", mounts, "sh"],
        stdin=subprocess.PIPE,
    ) as container:
        for _ in range(3):
            container.expect("ready")
        assert container.process.stdin is not None
        container.process.stdin.close()
        for _ in range(3):
            container.expect("TERM")
        assert container.wait() == 7
        assert container.errors().count("leftovers=['python") == 1
