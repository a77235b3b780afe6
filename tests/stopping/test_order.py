"""Leftovers end in the order of the tree: parents are asked before their children.

A grace of 1000 s in a test says that nothing waited for half of it: the test
would have failed by its own deadline.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import pyinit
from tests.harness import PID1, UNSHARE, Container, descendants, logged, python, until
from tests.stopping.test_teardown import NEVER_S, assert_over, end_main


def master(
    *words: str, grace: str = NEVER_S, mode: str, options: tuple[str, ...] = ()
) -> Container:
    """Return a container that leaves a master with workers; see master.py."""
    return Container(
        python("master.py", *words),
        options=["--grace", grace, *options],
        mode=mode,
        stdin=subprocess.PIPE,
    )


def test_a_master_lets_its_workers_finish(mode: str) -> None:
    """It gets TERM; no worker does while it waits for them."""
    with master("finish", "3", mode=mode) as container:
        for _ in range(3):
            container.expect("worker")
        end_main(container)
        assert container.rest().splitlines() == ["TERM", *["done"] * 3, "ended"]
        assert_over(container)


def test_all_at_once(mode: str) -> None:
    """--leftovers all: workers get TERM with their master."""
    with master("finish", "3", mode=mode, options=("--leftovers", "all")) as container:
        for _ in range(3):
            container.expect("worker")
        end_main(container)
        assert sorted(container.rest().splitlines()) == ["TERM", "ended", *["lost"] * 3]
        assert_over(container)


def test_orphans_of_a_master_are_asked_when_it_has_ended(mode: str) -> None:
    """They become our children by that, whom nobody else waits for."""
    with master("end", "3", mode=mode) as container:
        for _ in range(3):
            container.expect("worker")
        end_main(container)
        assert container.rest().splitlines() == ["TERM", *["lost"] * 3]
        assert_over(container)


@pytest.mark.parametrize(("manner", "grace"), [("deaf", "2"), ("ignore", "1")])
def test_workers_of_a_master_that_does_not_end_are_asked_within_the_grace(
    manner: str, grace: str, mode: str
) -> None:
    """And it is killed at the end of the grace, as ever; each gets TERM once."""
    with master(manner, "2", grace=grace, mode=mode, options=("-v",)) as container:
        for _ in range(2):
            container.expect("worker")
        end_main(container)
        if manner != "deaf":
            container.expect("TERM")
        began = time.monotonic()
        container.expect("lost")
        assert time.monotonic() - began > 0.3
        container.expect("lost")
        assert_over(container)
        assert container.rest() == ""
        events = {event["event"]: event for event in logged(container.errors())}
        assert events["teardown_started"]["count"] == 3
        assert 1 <= events["teardown_finished"]["took_s"] < 30


PARENTS = """
import os, signal, sys
sys.path.append(sys.argv[1])
from pyinit.stopping import order
TERM = {signal.SIGTERM}
names = {}
def family(name, prepare):
    ready, mine = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.pthread_sigmask(signal.SIG_BLOCK, TERM)
        child = os.fork()
        if child == 0:
            while True:
                signal.pause()
        prepare()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, TERM - KEPT.get(name, set()))
        os.write(mine, b"%d " % child)
        while True:
            if name == "takes by sigwait":
                signal.sigwaitinfo(TERM)
            else:
                signal.pause()
            os.write(mine, b"taken ")
    child = int(os.read(ready, 99))
    names[child] = name
    return pid, ready
def catch():
    signal.signal(signal.SIGTERM, lambda *_: None)
KEPT = {"blocks": TERM, "takes by sigwait": TERM}
all_of = {
    name: family(name, prepare) for name, prepare in {
        "catches": catch, "blocks": catch, "takes by sigwait": catch, "not asked": catch,
        "ignores": lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),
    }.items()
}
asked = {pid for name, (pid, _) in all_of.items() if name != "not asked"}
for pid in asked:
    os.kill(pid, signal.SIGTERM)
for name in ("catches", "takes by sigwait"):
    os.read(all_of[name][1], 99)
found = order.Order(set(asked), lambda: 0.0)
first = found.bypassed()
print(sorted(names[pid] for pid in first))
print(found.still_bypassed() == set(first))
# Who becomes our child later has been asked.
for pid in asked:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
print(sorted(names.get(pid, "the parent that was not asked") for pid in found.adopted()))
sys.stdout.flush()
os._exit(0)
"""


def test_a_parent_acts_that_has_taken_the_signal() -> None:
    """As long as it does, its children are left to it, and so are those of one not asked yet."""
    home = str(Path(pyinit.__file__).parents[1])
    program = [sys.executable, "-IS", "-c", PARENTS, home]
    done = subprocess.run([*UNSHARE, *program], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "['blocks', 'ignores']",
        "True",
        "['catches', 'takes by sigwait', 'the parent that was not asked']",
    ]


@pytest.mark.long
def test_work_that_ends_within_the_grace(mode: str) -> None:
    """Long after half of it, while the parent that has taken TERM waits."""
    pool = " ".join(python("pools.py", "multiprocessing", "7"))
    with Container(
        ["sh", "-c", f"{pool}; true"], options=["--grace", "10"], mode=mode
    ) as container:
        for _ in range(2):
            container.expect("began")
        container.signal(signal.SIGTERM)
        assert container.rest() == "done\n" * 2
        assert_over(container, 128 + signal.SIGTERM)


def test_a_stopped_master_is_continued(mode: str) -> None:
    """And lets its workers finish, who were not asked meanwhile; it gets TERM once."""
    with master("stopped", "2", mode=mode) as container:
        found = sorted(container.line() for _ in range(3))
        assert found == ["stopping", "worker", "worker"]
        until(lambda: any(is_stopped(pid) for pid in container.descendants()), "it has stopped")
        end_main(container)
        assert container.rest().splitlines() == ["TERM", *["done"] * 2, "ended"]
        assert_over(container)


def is_stopped(pid: int) -> bool:
    """Return whether a process is stopped by job control."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "T"
    except OSError:
        return False


def test_a_second_stop_signal_hurries(mode: str) -> None:
    """Workers and master are killed at once, in whatever order.

    A subreaper kills one after the other, so the master may have seen its worker end.
    """
    with master("ignore", mode=mode) as container:
        container.expect("worker")
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        container.signal(signal.SIGTERM)
        assert_over(container, 128 + signal.SIGTERM)
        assert container.rest() in ({""} if mode == PID1 else {"", "done\n"})


@pytest.mark.parametrize("number", ["100"])
def test_a_chain_ends_from_the_top(mode: str, number: str) -> None:
    """Each gets TERM when its parent has ended; nothing waits for half of the grace."""
    with Container(
        python("leave.py", "deep", "end", number),
        options=["--grace", NEVER_S],
        mode=mode,
        stdin=subprocess.PIPE,
    ) as container:
        for _ in range(int(number)):
            container.expect("ready")
        end_main(container)
        assert container.rest() == "TERM\n" * int(number)
        assert_over(container)


FORKS_AT_END = """
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
def run(generation):
    os.write(1, b"ready\\n")
    signal.sigwaitinfo({signal.SIGTERM})
    os.write(1, b"TERM\\n")
    if generation and os.fork() == 0:
        run(generation - 1)
    os._exit(0)
if os.fork() == 0:
    if os.fork() == 0:
        run(3)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    os.wait()
    os._exit(0)
os.read(0, 1)
os._exit(7)
"""


def test_who_is_forked_by_one_that_ends_is_asked_as_well(mode: str) -> None:
    """It becomes our child then."""
    with Container(
        [sys.executable, "-IS", "-c", FORKS_AT_END],
        options=["--grace", NEVER_S],
        mode=mode,
        stdin=subprocess.PIPE,
    ) as container:
        container.expect("ready")
        end_main(container)
        for _ in range(3):
            container.expect("TERM")
            container.expect("ready")
        container.expect("TERM")
        assert_over(container)


@pytest.mark.parametrize("deep", [False, True])
def test_with_group_nobody_gets_term_twice(mode: str, *, deep: bool) -> None:
    """What the stop has told the main child's group it does not have to be told again."""
    script = LEADS if deep else SLEEPS
    with Container(
        [sys.executable, "-IS", "-c", script], options=["-g", "--grace", "2"], mode=mode
    ) as container:
        container.expect("ready")
        time.sleep(0.05)  # a process counts as told that began a tick, 10 ms, before
        container.signal(signal.SIGTERM)
        assert container.rest() == "TERM\n"
        assert_over(container, 128 + signal.SIGTERM)


def test_with_group_a_stopped_member_is_continued(mode: str) -> None:
    """It has TERM since the stop, and acts on it then; its parent waits for it."""
    with Container(
        [sys.executable, "-IS", "-c", STOPPED], options=["-g", "--grace", "2"], mode=mode
    ) as container:
        container.expect("ready")
        until(lambda: any(is_stopped(pid) for pid in container.descendants()), "it has stopped")
        time.sleep(0.05)  # a process counts as told that began a tick, 10 ms, before
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        assert container.rest() == ""
        assert_over(container, 128 + signal.SIGTERM)


def test_with_group_a_term_that_is_no_stop_does_not_count(mode: str) -> None:
    """A reload, say: at the end leftovers get one."""
    with Container(
        [sys.executable, "-IS", "-c", RELOADS],
        options=["-g", "--stop-signals", "INT", "--grace", NEVER_S],
        mode=mode,
    ) as container:
        container.expect("ready")
        time.sleep(0.05)  # a process counts as told that began a tick, 10 ms, before
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        container.signal(signal.SIGINT)
        container.expect("TERM")
        assert_over(container, 128 + signal.SIGINT)


STOPPED = """
import os, signal
if os.fork() == 0:
    signal.signal(signal.SIGTERM, lambda *_: None)
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, lambda *_: os.write(1, b"TERM\\n") and os._exit(0))
        os.write(1, b"ready\\n")
        os.kill(os.getpid(), signal.SIGSTOP)
        signal.pause()
    os.wait()
    os._exit(0)
signal.pause()
"""
RELOADS = """
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGINT, signal.SIG_DFL)
if os.fork() == 0:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.write(1, b"ready\\n")
    for _ in range(2):
        signal.sigwait({signal.SIGTERM})
        os.write(1, b"TERM\\n")
    os._exit(0)
signal.pause()
"""
SLEEPS = """
import os, signal, time
if os.fork() == 0:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    os.write(1, b"ready\\n")
    while info := signal.sigtimedwait({signal.SIGTERM}, 1):
        os.write(1, b"TERM\\n")
    os._exit(0)
signal.pause()
"""
LEADS = """
import os, signal, time
if os.fork() == 0:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    pid = os.fork()
    if pid == 0:
        os.write(1, b"ready\\n")
        while info := signal.sigtimedwait({signal.SIGTERM}, 1):
            os.write(1, b"TERM\\n")
        os._exit(0)
    os.waitpid(pid, 0)
    os._exit(0)
signal.pause()
"""


def test_one_that_has_entered_is_asked_at_once(namespaces: None) -> None:
    """Its parent is outside, and nobody here ends it."""
    with master("finish", mode=PID1) as container:
        container.expect("worker")
        entered = subprocess.Popen(
            ["nsenter", f"--pid=/proc/{container.pid}/ns/pid", *python("record.py", "TERM")],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert entered.stdout is not None
            assert entered.stdout.readline() == "ready\n"
            end_main(container)
            assert entered.stdout.readline() == "TERM\n"
            assert entered.wait(60) == 0
            assert container.rest().splitlines() == ["TERM", "done", "ended"]
            assert_over(container)
        finally:
            entered.kill()
            entered.wait()
            if entered.stdout is not None:
                entered.stdout.close()


HIDDEN = {
    "missing": "umount -l /proc",
    "hidepid": "mount -o remount,hidepid=invisible /proc",
    "another's": "mount --bind /proc/self/task /proc",
}


@pytest.mark.parametrize("how", HIDDEN)
def test_without_a_proc_that_tells_all_are_asked_at_once(mode: str, how: str) -> None:
    """Nothing says who waits for whom.

    A subreaper that /proc does not help reaches its children only, who may end theirs.
    """
    before = ("unshare", "--mount", "sh", "-c", f'{HIDDEN[how]} && exec "$@"', "sh")
    with Container(
        python("master.py", "finish", "2"),
        options=["--grace", "2"],
        mode=mode,
        before=before,
        stdin=subprocess.PIPE,
    ) as container:
        for _ in range(2):
            container.expect("worker")
        end_main(container)
        said = container.rest()
        assert ("lost" in said) == (mode == PID1 or how == "hidepid"), said
        assert_over(container)


def test_a_master_below_a_shell(mode: str) -> None:
    """The entry script is the main child; its master is a leftover when it is stopped."""
    words = python("master.py", "finish", "2")
    script = '"$@" <&3 3<&- & wait'
    with Container(
        ["sh", "-c", f"exec 3<&0; {script}", "sh", *words],
        options=["--grace", NEVER_S],
        mode=mode,
        stdin=subprocess.PIPE,
    ) as container:
        for _ in range(2):
            container.expect("worker")
        assert len(descendants(container.pid)) == 5
        container.signal(signal.SIGTERM)
        assert container.rest().splitlines() == ["TERM", *["done"] * 2, "ended"]
        assert container.wait() == 128 + signal.SIGTERM
