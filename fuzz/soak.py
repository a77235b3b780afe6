"""Everything at once at full speed, for minutes: what pyinit uses has to stay the same.

Below the command orphans end, stop, go on, and are traced (`programs/mix.py`); from outside come
signals one by one and in bursts, stops and continues of the command, SIGSTOP and SIGCONT for the
init itself; and the log, in which all of that stands, is read and not read in turn.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import statistics
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from fuzz.container import CONT, STOP, Container, children, python, stat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_OPTIONS = ("-vv", "--grace", "1", "--report", "{directory}/report")
_ORPHANS = 50  # in a burst
_CODE = 7
_RT = int(signal.SIGRTMIN) + 1
_BURST = 40
_ANSWER_S = 20.0  # no relay takes so long but one that is lost
_EVERY_S = 1.0
_FROZEN_S = 0.05
# For so long the log is read, and then is not; seconds.
_READ_S, _UNREAD_S = 4.0, 4.0

# From one third of the time to the other, what the least of a line may do: what is lost raises it,
# and what is there for a moment (a file of /proc that is read, a burst of orphans) does not.
FLAT = {
    "rss_kib": (0.03, 256),  # share, and what is nothing in any case
    "descriptors": (0.0, 0),
    "processes": (0.2, 10),
    "zombies": (0.0, 0),
    "relay_ms": (0.5, 5),
}


class Sample(NamedTuple):
    """What was seen in one second."""

    at_s: float
    rss_kib: int  # of the init
    descriptors: int
    processes: int  # children of the init that live
    zombies: int  # children that were zombies a sample ago already; nobody else's to wait for
    relay_ms: float  # from kill(2) to the command's answer: the median of the second
    relay_ms_most: float


class LostError(Exception):
    """What did not come."""


class _Log:
    """The reader of the init's stderr, which rests now and then."""

    def __init__(self) -> None:
        self._reader, self.writer = os.pipe()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.count = 0  # of bytes
        self.bad = b""  # the first line that has to be in no log

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()
        os.close(self._reader)
        os.close(self.writer)

    def _run(self) -> None:
        began_s = time.monotonic()
        while not self._ends.is_set():
            if (time.monotonic() - began_s) % (_READ_S + _UNREAD_S) > _READ_S:
                self._ends.wait(0.1)
                continue
            if select.select([self._reader], [], [], 0.1)[0]:
                block = os.read(self._reader, 1 << 16)
                self.count += len(block)
                if not self.bad and (b"Traceback" in block or b"internal_error" in block):
                    self.bad = block


class Soak:
    """One soak of ``init``; ``traced`` is whether orphans ask it to trace them."""

    def __init__(self, init: Sequence[str], seconds: float, *, traced: bool = True) -> None:
        self._init = init
        self._seconds = seconds
        self._traced = traced
        self.samples: list[Sample] = []
        self.counts = {"signals": 0, "stops": 0, "freezes": 0, "orphans": 0, "log_bytes": 0}
        self._latencies: list[float] = []
        self._next_s = 0.0
        self._zombies: set[tuple[int, str]] = set()

    def run(self) -> list[str]:
        """Carry it out; return what did not hold."""
        work = python("mix.py", str(_ORPHANS), str(int(self._traced)))
        argv = [*self._init, *_OPTIONS, "--", *work]
        with _Log() as log, Container(argv, stderr=log.writer) as self._container:
            try:
                failures = self._carry_out()
            except LostError as error:
                return [str(error), self._container.table()]
            self.counts["log_bytes"] = log.count
            if log.bad:
                failures.append(f"the log has {log.bad[:500]!r}")
            with contextlib.suppress(OSError, ValueError):
                report = json.loads(Path(self._container.directory, "report").read_text())
                self.counts["orphans"] = _orphans(report)
        return [*failures, *judge(self.samples)]

    def _carry_out(self) -> list[str]:
        container = self._container
        container.close_writer()
        if not container.wait_for("armed", until_s=time.monotonic() + _ANSWER_S):
            raise LostError("the command has not started")
        began_s = time.monotonic()
        for step in self._steps():
            now_s = time.monotonic()
            if now_s - began_s > self._seconds:
                break
            if now_s >= self._next_s:
                self._next_s = now_s + _EVERY_S
                self._sample(now_s - began_s)
            step()
        container.signal(signal.SIGTERM)
        self._await(signal.SIGTERM, 1)
        if not container.wait(time.monotonic() + 1 + 3):
            return ["not over 4 s after the command's end"]
        return [] if container.code == _CODE else [f"exit code {container.code}"]

    def _steps(self) -> Iterator[Callable[[], None]]:
        while True:
            for rare in (self._stop, self._burst, self._freeze, self._burst):
                for _ in range(20):
                    yield self._relay
                yield rare

    def _await(self, number: int, count: int) -> None:
        """Wait until the command has got the signal so often."""
        container = self._container
        until_s = time.monotonic() + _ANSWER_S
        while sum(r.what == f"got {int(number)}" for r in container.records) < count:
            if not container.read(until_s):
                raise LostError(f"signal {int(number)} has not come within {_ANSWER_S:g} s")
        self.counts["signals"] += count

    def _relay(self) -> None:
        """Measure one relay."""
        self._container.records.clear()
        sent_s = time.monotonic()
        self._container.signal(signal.SIGUSR1)
        self._await(signal.SIGUSR1, 1)
        self._latencies.append((self._container.records[-1].at_s - sent_s) * 1000)

    def _burst(self) -> None:
        """Send real-time signals, of which none may be lost."""
        self._container.records.clear()
        for _ in range(_BURST):
            self._container.signal(_RT)
        self._await(_RT, _BURST)

    def _stop(self) -> None:
        """Have the command stopped, and continued."""
        self._container.signal(signal.SIGTSTP)
        self._until(lambda: self._container.main_state() == "T", "the command has not stopped")
        self._container.signal(CONT)
        self._until(lambda: self._container.main_state() != "T", "the command has not gone on")
        self.counts["stops"] += 1

    def _freeze(self) -> None:
        self._container.signal(STOP)
        self._until(lambda: stat(self._container.pid)[:1] == ["T"], "the init has not stopped")
        time.sleep(_FROZEN_S)
        self._container.signal(CONT)
        self.counts["freezes"] += 1

    def _until(self, claim: Callable[[], bool], complaint: str) -> None:
        until_s = time.monotonic() + _ANSWER_S
        while not claim():
            if time.monotonic() > until_s:
                raise LostError(complaint)
            time.sleep(0.001)

    def _sample(self, at_s: float) -> None:
        pid = self._container.pid
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except FileNotFoundError:
            raise LostError("the init has ended") from None
        states = [stat(child)[:1] for child in children(pid)]
        # Who has ended while the init was frozen, which is just before some samples, does not stay.
        before, self._zombies = self._zombies, self._container.zombies()
        taken, self._latencies = self._latencies or [0.0], []
        self.samples.append(
            Sample(
                at_s=round(at_s, 3),
                rss_kib=int(status.partition("VmRSS:")[2].split()[0]),
                descriptors=len(os.listdir(f"/proc/{pid}/fd")),
                processes=len(states) - states.count(["Z"]),
                zombies=len(before & self._zombies),
                relay_ms=round(statistics.median(taken), 3),
                relay_ms_most=round(max(taken), 3),
            )
        )


def _orphans(report: dict[str, Any]) -> int:
    found = report.get("orphans", 0)
    return int(found if isinstance(found, int) else found.get("count", found.get("reaped", 0)))


def judge(samples: Sequence[Sample]) -> list[str]:
    """Return which lines are not flat: the last third against the second."""
    third = len(samples) // 3
    if third < 3:
        return [f"too short to judge: {len(samples)} samples"]
    found = []
    for name, (share, least) in FLAT.items():
        before, after = (
            min(getattr(each, name) for each in part)
            for part in (samples[third : 2 * third], samples[2 * third :])
        )
        if after - before > max(share * before, least):
            found.append(f"{name} is not flat: {before:g}, then {after:g}")
    return found
