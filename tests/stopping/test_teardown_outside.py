"""Nobody but the leftovers is ever signalled, whatever /proc shows.

The scene: in an outer PID namespace process 2 has the children 3 to 22, the
bystanders.  In an inner one, whose /proc may be that of the outer one, pyinit
is process 1; or process 2, of which that /proc says that 3 to 22 are its
children, which in the inner namespace are bystanders too.
"""

from __future__ import annotations

import os
import select
import subprocess

import pytest

from tests.cases import in_turn
from tests.harness import SUBREAPER, Container, children, descendants, logged, python, status_field

NUMBER = 20
STALE = "true"
ABSENT = "mount -t tmpfs none /proc"
# The /proc of a namespace that is gone: it has no /proc/self, and shows nobody.
GONE = "unshare --pid --fork mount -t proc proc /proc"
# The /proc of a sibling namespace, whose processes have the same numbers too.
OTHER = (
    # Not named by a PID: others' tests, in namespaces of their own, have the same.
    "fifo=$(mktemp -u) && mkfifo $fifo && unshare --pid --fork sh -c "
    "'mount -t proc proc /proc; echo >'$fifo'; exec sleep 1000' & "
    "read -r _ <$fifo; rm $fifo"
)


def inside(mounts: str, mode: str) -> list[str]:
    """Return what stands before an inner pyinit: bystanders, mounts, a namespace, bystanders."""
    command = [*python("bystanders.py", str(NUMBER), "before")]
    command += ["unshare", "--mount", "sh", "-c", f'{mounts}; exec "$@"', "sh"]
    command += ["unshare", "--pid", "--fork", "--kill-child"]
    if mode == SUBREAPER:
        command += python("bystanders.py", str(NUMBER), "after")
    return command


def expect(container: Container, text: str, times: int) -> None:
    """Assert that the next lines are those."""
    for _ in range(times):
        container.expect(text)


@pytest.mark.parametrize(
    ("mounts", "manner"),
    [(STALE, "end"), (ABSENT, "ignore"), (GONE, "end"), (OTHER, "ignore"), (STALE, "ignore")],
    ids=["stale-end", "absent-ignore", "gone-end", "other-ignore", "stale-ignore"],
)
def test_bystanders_get_no_signal(mounts: str, manner: str, mode: str) -> None:
    """None is pending for them, and none has killed them; the leftovers are ended."""
    everybody = NUMBER * (2 if mode == SUBREAPER else 1)
    with Container(
        python("leave.py", "daemon", manner, "3"),
        options=["--grace", "1000" if manner == "end" else "0.1"],
        mode=SUBREAPER,
        before=inside(mounts, mode),
        stdin=subprocess.PIPE,
    ) as container:
        expect(container, "bystander", everybody)
        numbers = [status_field(pid, "NSpid").split()[-1] for pid in children(container.pid)]
        assert numbers[:NUMBER] == [str(3 + i) for i in range(NUMBER)]
        expect(container, "ready", 3)
        container.close_stdin()
        expect(container, "TERM", 3)
        expect(container, "got []", everybody)
        assert container.wait() == 7
        assert not [each for each in container.survivors if "python" in each]


@pytest.mark.parametrize("mounts", [ABSENT, STALE, GONE], ids=["absent", "stale", "gone"])
def test_a_subreaper_ends_a_whole_tree_without_proc(mounts: str, namespaces: None) -> None:
    """It can ask the kernel for its children only; theirs become its own when they end."""
    with Container(
        python("leave.py", "deep", "deaf", "20"),
        options=["--grace", "0.1"],
        mode=SUBREAPER,
        before=inside(mounts, SUBREAPER),
        stdin=subprocess.PIPE,
    ) as container:
        expect(container, "bystander", 2 * NUMBER)
        expect(container, "ready", 20)
        inner = children(container.pid)[NUMBER]
        pyinit = children(children(inner)[0])[0]
        pidfds = [os.pidfd_open(pid) for pid in descendants(pyinit)]
        try:
            assert len(pidfds) == 21
            container.close_stdin()
            container.expect("got []")
            ended = select.select(pidfds, [], [], 0)[0]
            assert len(ended) == len(pidfds)
        finally:
            for pidfd in pidfds:
                os.close(pidfd)
        expect(container, "got []", 2 * NUMBER - 1)
        assert container.wait() == 7


# Not hidepid=2: that shows everything to the group 0, in which tests run as root; see proc(5).
HIDDEN = (
    'mount -t proc -o hidepid=ptraceable proc /proc && exec setpriv --bounding-set -sys_ptrace "$@"'
)


@pytest.mark.parametrize("grace", ["0", "1000"])
def test_a_leftover_that_proc_hides(grace: str, mode: str) -> None:
    """With hidepid a process that is not dumpable is hidden even from its own user.

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
        container.close_stdin()
        if grace != "0":
            for _ in range(4):
                container.expect("TERM")
        assert container.wait() == 7
        if mode == SUBREAPER:
            assert container.survivors == []
        assert container.rest() == ""


@in_turn("option", ["subset=pid", "hidepid=1", "hidepid=4"])
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
        container.close_stdin()
        for _ in range(3):
            container.expect("TERM")
        assert container.wait() == 7
        (event,) = (e for e in logged(container.errors()) if e["event"] == "teardown_started")
        assert event["count"] == 3
        assert all(name.startswith("python") for name in event["leftovers"])
