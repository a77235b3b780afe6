"""Has each system call fail that pyinit makes after the start of its command, one a run.

strace(1) is attached to the init alone before that becomes pyinit.  A first run of each way counts
the calls; then each of them fails in a run of its own.  Where in a run the failure came is read
from strace's log: a call of before the start is none of those that are asked for.
"""

from __future__ import annotations

import collections
import contextlib
import os
import pty
import random
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from fuzz import errnos
from fuzz.container import GATE, PROGRAMS, Container, setup_s
from fuzz.ways import WAYS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fuzz.ways import Way

GRACE_S = 0.3
# pyinit's own bound for those whom the kernel cannot end yet.
_KILL_BOUND_S = 2.0
_CODE = 7
# What is sent again, in case that the first one was lost with the failure.
_AGAIN_S = 1.0
_FORKS = ("clone", "clone3", "fork", "vfork")
_SETSID = ("setsid", "--ctty")


class Fault(NamedTuple):
    """The ``nth`` call of ``name`` in ``way``, from the attaching on, fails with ``errno``."""

    way: str
    name: str
    nth: int
    errno: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the fault that ``str`` made that text of."""
        way, name, nth, errno = text.split(":")
        return cls(way, name, int(nth), errno)

    def __str__(self) -> str:
        return f"{self.way}:{self.name}:{self.nth}:{self.errno}"


class Result(NamedTuple):
    """What came of one fault: whether it came after the start, and what did not hold."""

    fault: Fault
    struck: bool
    failures: list[str]
    details: str


def calls(init: Sequence[str], way: str) -> list[str]:
    """Return the names of the calls of a run without any fault, with "" where the command starts.

    Raises RuntimeError when that run already is not as it has to be.
    """
    with _Run(init, WAYS[way], ("-e", "trace=all")) as run:
        failures = run.carry_out()
        log = run.log()
    if failures:
        raise RuntimeError(f"{way}, without a fault: {failures}\n{run.details}")
    return _names(log)


def _names(log: Sequence[str]) -> list[str]:
    """Return the name of each call in ``log``, and "" after the one that started the command."""
    names = []
    last_exec = max((i for i, line in enumerate(log) if line.startswith("execve(")), default=-1)
    started = False
    for index, line in enumerate(log):
        found = re.match(r"(\w+)\(", line)
        if found is None:
            continue
        names.append(found.group(1))
        is_start = found.group(1) in _FORKS and index > last_exec and re.search(r"= \d+$", line)
        if is_start and not started:
            names.append("")
            started = True
    return names


def faults(way: str, names: Sequence[str], every: int) -> Iterator[Fault]:
    """Yield what can fail: each of the first ``every`` calls of a name with each errno.

    Each further one fails with one of them, in turn.  Raises KeyError for a call that
    `fuzz.errnos` does not know.
    """
    start = names.index("")
    before = collections.Counter(names[:start])
    seen: collections.Counter[str] = collections.Counter()
    for index, name in enumerate(names[start + 1 :]):
        possible = errnos.errnos(name)
        if possible and seen[name] >= every:
            possible = [possible[seen[name] % len(possible)]]
        seen[name] += 1
        if index == 0 and name == "close":
            # Of the pipe that tells of exec.  close(2) gives the number free even when it fails,
            # but strace's failing one does not: the end of the pipe would never come.
            continue
        for errno in possible:
            yield Fault(way, name, before[name] + seen[name], errno)


def sample(found: Sequence[Fault], count: int, seed: str) -> list[Fault]:
    """Return ``count`` of the faults: of each name of each way in turn, drawn by ``seed``."""
    rng = random.Random(seed)
    groups: dict[tuple[str, str], list[Fault]] = {}
    for fault in found:
        groups.setdefault((fault.way, fault.name), []).append(fault)
    queues = list(groups.values())
    rng.shuffle(queues)
    for queue in queues:
        rng.shuffle(queue)
    chosen: list[Fault] = []
    while len(chosen) < min(count, len(found)):
        chosen += [queue.pop() for queue in queues if queue][: count - len(chosen)]
    return chosen


def run(init: Sequence[str], fault: Fault, bound_s: float) -> Result:
    """Have one call fail, and check what comes of it."""
    traced = ",".join({*_FORKS, fault.name})
    inject = f"inject={fault.name}:error={fault.errno}:when={fault.nth}"
    with _Run(init, WAYS[fault.way], ("-e", f"trace={traced}", "-e", inject), bound_s) as each:
        failures = each.carry_out(fault)
        names = _names(each.log())
        struck = any("(INJECTED)" in line for line in each.log())
        if "" not in names or names[: names.index("")].count(fault.name) >= fault.nth:
            struck = False
        details = "" if not failures else f"{each.details}\n{each.where()}"
    return Result(fault, struck, failures if struck else [], details)


class _Run:
    """One run under strace; for a ``with`` statement."""

    def __init__(
        self, init: Sequence[str], way: Way, strace: Sequence[str], bound_s: float = 3.0
    ) -> None:
        self._way = way
        self._bound_s = bound_s
        self._step_s = setup_s(bound_s)
        self.details = ""
        self._stack = contextlib.ExitStack()
        terminal: int | None = None
        before: tuple[str, ...] = GATE
        if way.has_terminal:
            self._master, terminal = pty.openpty()
            self._stack.callback(os.close, self._master)
            before = (*_SETSID, *GATE)
        argv = [*init, "--grace", f"{GRACE_S:g}", *way.options, "--"]
        argv += ["/bin/sh", str(PROGRAMS / "scenario.sh"), way.ends_on]
        try:
            self.container = self._stack.enter_context(
                Container(argv, mode=way.mode, before=before, terminal=terminal)
            )
        finally:
            if terminal is not None:
                os.close(terminal)
        self._log = f"{self.container.directory}/strace"
        self._strace = strace

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def log(self) -> list[str]:
        """Return the lines of strace's log."""
        return self._lines

    def where(self) -> str:
        """Return the last lines of the log up to the failure."""
        at = next((i for i, line in enumerate(self._lines) if "(INJECTED)" in line), 0)
        return "\n".join(f"  {line[:160]}" for line in self._lines[max(0, at - 3) : at + 1])

    def carry_out(self, fault: Fault | None = None) -> list[str]:
        """Run it to its end; return what did not hold."""
        container = self.container
        self._lines: list[str] = []
        if not container.wait_for("gate", until_s=time.monotonic() + self._step_s):
            return ["the container has not started"]
        argv = ["strace", "-o", self._log, *self._strace, "-p", str(container.pid)]
        with subprocess.Popen(argv, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL) as strace:
            assert strace.stderr is not None
            try:
                attached = strace.stderr.readline()
                if b"attached" not in attached:
                    return [f"strace: {attached.decode()}"]
                failures = self._act(fault)
                if failures:
                    self.details = self._story()
            finally:
                # The end of what it traces is its own.
                container.process.kill()
                self._lines = self._read_log(strace)
        return failures

    def _read_log(self, strace: subprocess.Popen[bytes]) -> list[str]:
        try:
            strace.wait(self._step_s)
        except subprocess.TimeoutExpired:
            strace.kill()
        with contextlib.suppress(FileNotFoundError):
            return Path(self._log).read_text(errors="replace").splitlines()
        return []

    def _story(self) -> str:
        records = [f"{record.node} {record.what}" for record in self.container.records]
        return "\n".join([self.container.table(), "  " + "; ".join(records)])

    def _go(self) -> None:
        if self._way.has_terminal:
            os.write(self._master, b"\n")
        else:
            self.container.say()

    def _act(self, fault: Fault | None) -> list[str]:
        container = self.container
        self._go()
        container.close_writer()
        until_s = time.monotonic() + self._step_s
        for node in (0, 1, 2):
            if not container.wait_for("armed", node, until_s=until_s):
                return [*self._exited(), f"node {node} is not there"]
        if not self._send(signal.SIGUSR1, "usr1"):
            return [*self._exited(), "USR1 has not arrived"]
        if not self._no_zombies():
            return ["an orphan that has ended is not reaped"]
        if not self._stop():
            return [*self._exited(), "the command has not ended"]
        if not container.wait(time.monotonic() + GRACE_S + _KILL_BOUND_S + self._bound_s):
            return [f"not over; exit code {container.code}"]
        return self._judge(fault)

    def _exited(self) -> list[str]:
        """Return that pyinit has, with what it said, if it has."""
        if not self.container.wait(time.monotonic() + 0.1):
            return []
        code, errors = self.container.code, self.container.errors()
        return [f"pyinit has exited with {code} before the command: {errors.strip()[-300:]}"]

    def _send(self, number: int, answer: str) -> bool:
        """Send the init a signal until the command has answered; return whether it has."""
        until_s = time.monotonic() + self._step_s
        while time.monotonic() < until_s and not self.container.ended:
            self.container.signal(number)
            if self.container.wait_for(answer, until_s=time.monotonic() + _AGAIN_S):
                return True
        return False

    def _stop(self) -> bool:
        """Stop the command as a user would: TERM, and then what is known to end it."""
        self.container.signal(signal.SIGTERM)
        if self.container.wait_for("end", until_s=time.monotonic() + _AGAIN_S):
            return True
        return self._send(signal.Signals[f"SIG{self._way.ends_on}"], "end")

    def _no_zombies(self) -> bool:
        until_s = time.monotonic() + self._step_s
        while self.container.zombies():
            if time.monotonic() > until_s:
                return False
            time.sleep(0.01)
        return True

    def _judge(self, fault: Fault | None) -> list[str]:
        container = self.container
        found = []
        if container.code != _CODE:
            found.append(f"exit code {container.code} instead of {_CODE}")
        # A kill(2) that has failed has sent nothing.
        is_kill = fault is not None and fault.name in ("kill", "pidfd_send_signal", "tgkill")
        if container.time_of("token", 1) is None and not is_kill:
            found.append("a leftover has not written its token")
        errors = container.errors()
        if "Traceback" in errors:
            found.append("stderr has a traceback")
        if found:
            found.append(errors[-2000:])
        return found
