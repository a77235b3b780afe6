"""Storms of signals and orphans, what is left of them (nothing), and no wake-up in the quiet."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.harness import PID1, SUBREAPER, Container, children, python, status_field, until

RT = signal.SIGRTMIN + 1
SENDERS = 4
STORM = 20_000
BATCH = 500
long_alone = (pytest.mark.long, pytest.mark.alone("it takes all processors for seconds"))


def send(container: Container, count: int, *numbers: int) -> None:
    """Send ``count`` signals from each of the senders at once."""
    words = [str(container.pid), str(count), *(str(int(number)) for number in numbers)]
    senders = [subprocess.Popen(python("storm.py", *words)) for _ in range(SENDERS)]
    assert [sender.wait() for sender in senders] == [0] * SENDERS


def settle(container: Container) -> None:
    """Wait until nothing is queued any more for pyinit or its command."""
    pids = (container.pid, container.main_child())

    def is_quiet() -> bool:
        fields = [status_field(pid, field) for pid in pids for field in ("ShdPnd", "SigPnd")]
        return not any(int(field, 16) for field in fields)

    until(is_quiet, "all signals are taken")


def counts(container: Container) -> dict[str, int]:
    """Return how many of each signal the command has got."""
    container.signal(signal.SIGUSR2)
    found = json.loads(container.line())
    assert isinstance(found, dict)
    return found


def test_a_storm_of_signals(mode: str) -> None:
    """20,000 from several senders; afterwards each single real-time signal arrives again.

    How many may be queued for a user is limited (RLIMIT_SIGPENDING in
    getrlimit(2)): what is above is lost by the kernel, and no batch here is.
    """
    with Container(python("count.py"), mode=mode) as container:
        container.expect("ready")
        send(container, STORM // SENDERS, signal.SIGUSR1, signal.SIGHUP, signal.SIGWINCH, RT + 1)
        settle(container)
        after = counts(container)
        assert {"USR1", "HUP", "WINCH", "RTMIN+2"} <= set(after)
        for i in range(1, 5):
            send(container, BATCH // SENDERS, RT)
            settle(container)
            assert counts(container)["RTMIN+1"] == i * BATCH
        container.signal(signal.SIGTERM)
        assert container.wait() == 0


@pytest.mark.parametrize("number", [1000, pytest.param(20_000, marks=long_alone)])
def test_thousands_of_orphans(mode: str, number: int) -> None:
    """Every one is reaped: pyinit has one child again, and still relays."""
    command = python("leave_orphans.py", str(number), "again")
    with Container(command, mode=mode, stdin=subprocess.PIPE) as container:
        once_more(container)
        until(lambda: len(children(container.pid)) == 1, "all orphans are reaped", container.pid)
        end_input(container)
        assert container.wait() == 0


def once_more(container: Container) -> None:
    """Have leave_orphans.py leave as many orphans behind as it is made to."""
    assert container.process.stdin is not None
    os.write(container.process.stdin.fileno(), b"!")
    container.expect("pyinit")
    container.expect("done")


def end_input(container: Container) -> None:
    """Close the stdin of the command."""
    container.close_stdin()


def test_no_wake_up_while_idle(mode: str) -> None:
    """It waits for signals without a timeout: in three quiet seconds it does not run once."""
    with Container(python("record.py"), mode=mode) as container:
        container.expect("ready")
        container.signal(signal.SIGUSR1)
        container.expect("USR1")
        wchan = Path(f"/proc/{container.pid}/stat")
        until(lambda: wchan.read_text().rpartition(")")[2].split()[0] == "S", "it waits")
        before = switches(container.pid)
        time.sleep(3)  # the pause is the claim
        assert switches(container.pid) == before


def switches(pid: int) -> tuple[str, str]:
    """Return how often the process has stopped running, by itself or not."""
    return status_field(pid, "voluntary_ctxt_switches"), status_field(
        pid, "nonvoluntary_ctxt_switches"
    )


def private_kib(pid: int) -> int:
    """Return the memory that the process shares with nobody; see smaps_rollup in proc(5)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


@pytest.mark.parametrize(
    ("mode", "number"),
    [
        (PID1, 1000),
        pytest.param(PID1, 5000, marks=long_alone),
        pytest.param(SUBREAPER, 5000, marks=long_alone),
    ],
    indirect=["mode"],
)
def test_no_growth_of_memory_or_descriptors(mode: str, number: int) -> None:
    """5,000 orphans and 5,000 signals more leave no more than 64 KiB and no descriptor behind.

    With a fifth of them no more than 32 KiB: a table of their PIDs would be larger.
    """
    command = ["sh", "-c", "trap '' USR1 USR2; exec \"$@\"", "sh"]
    command += python("leave_orphans.py", str(number), "again")
    with Container(command, mode=mode, stdin=subprocess.PIPE) as container:
        figures = []
        for _ in range(3):
            once_more(container)
            send(container, number // SENDERS, signal.SIGUSR1, signal.SIGUSR2)
            until(lambda: len(children(container.pid)) == 1, "all orphans are reaped")
            settle(container)
            fds = len(os.listdir(f"/proc/{container.pid}/fd"))
            figures.append((private_kib(container.pid), fds))
        _, warm, last = figures
        assert last[1] == warm[1], figures
        assert last[0] - warm[0] <= (64 if number == 5000 else 32), figures
        end_input(container)
        assert container.wait() == 0
