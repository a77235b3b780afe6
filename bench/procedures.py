"""How each figure is taken: one function a procedure, for one contestant and one round."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyinit
from bench import contestants, processes, quota
from bench.container import ENVIRON, Container, MeasureError, program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bench.contestants import Contestant

PROGRAMS = Path(__file__).parent / "programs"


@dataclass(frozen=True)
class Scale:
    """How much of everything."""

    rounds: int = 100
    idle_s: float = 5.0
    one_by_one: int = 500
    at_once: int = 2000
    round_trips: int = 5000
    leftovers: int = 500
    growth: tuple[int, ...] = (10, 100, 1000, 10_000)
    warms_up: bool = True


QUICK = Scale(
    rounds=2,
    idle_s=0.2,
    one_by_one=10,
    at_once=50,
    round_trips=100,
    leftovers=10,
    growth=(5, 20),
    warms_up=False,
)


@dataclass(frozen=True)
class Figure:
    """One column of the tables; ``reference`` is whose ratio is 1."""

    key: str
    title: str
    unit: str
    reference: str | None


@dataclass(frozen=True)
class Procedure:
    """A way to take ``figures``, from each of ``who``, in ``share`` of all rounds.

    ``measure`` is for one contestant; ``measure_all`` instead for all at once.
    ``warm_up`` rounds before do not count.
    """

    figures: tuple[Figure, ...]
    who: tuple[str, ...]
    share: float
    measure: Callable[[Contestant, Scale], Sequence[float]] | None = None
    measure_all: Callable[[list[Contestant], Scale], dict[str, Sequence[float]]] | None = None
    warm_up: int = 2


def _python(name: str, *arguments: object) -> list[str]:
    """Return the command line of bench/programs/``name``, which imports from beside it."""
    return [sys.executable, "-ES", str(PROGRAMS / name), *map(str, arguments)]


@contextmanager
def _written(contestant: Contestant, then: str = "") -> Iterator[tuple[Container, int]]:
    """Start ``contestant`` with a command that writes; yield it and when that was, in ns.

    The command writes into a named pipe, which needs nothing of the init: what
    supervisors do with the output of their commands does not count.
    """
    with tempfile.TemporaryDirectory(prefix="bench") as directory:
        fifo = f"{directory}/fifo"
        os.mkfifo(fifo)
        # Open for both, so that it is no end of file when the command has closed it.
        reader = os.open(fifo, os.O_RDWR)
        try:
            command = [program("sh"), "-c", f"echo >{fifo}{then}"]
            with Container(contestant.around(command), init=contestant.is_init) as container:
                yield container, container.await_readable(reader)
        finally:
            os.close(reader)


def start_to_end(contestant: Contestant, _: Scale) -> Sequence[float]:
    """Milliseconds from execve(2) of the init to its end, the command being true(1)."""
    command = [] if contestant.key in BARE else [program("true")]
    with Container(contestant.around(command), init=contestant.is_init) as container:
        return [(container.wait() - container.started_ns) / 1e6]


def _start_limited(millicores: int) -> Callable[[Contestant, Scale], Sequence[float]]:
    """Return the procedure that starts a contestant with so little of a processor.

    Milliseconds of processor time, and from execve(2) to its end, the command being true(1).
    """

    def measure(contestant: Contestant, _: Scale) -> Sequence[float]:
        command = [] if contestant.key in BARE else [program("true")]
        with (
            quota.limited(millicores) as group,
            Container(contestant.around(command), group=group) as container,
        ):
            ended_ns = container.wait()
            return [container.cpu_ns / 1e6, (ended_ns - container.started_ns) / 1e6]

    return measure


def first_write(contestant: Contestant, _: Scale) -> Sequence[float]:
    """Milliseconds from execve(2) of the init to the first write of its command."""
    with _written(contestant) as (container, written_ns):
        return [(written_ns - container.started_ns) / 1e6]


def python_program(contestant: Contestant, _: Scale) -> Sequence[float]:
    """Milliseconds to the first line of a program in Python, and KiB of it and its init at rest.

    The program is started as any is, with its site module.
    """
    command = [sys.executable, str(PROGRAMS / "program.py")]
    with Container(contestant.around(command)) as container:
        container.expect("ready")
        ready_ns = time.monotonic_ns()
        processes.settle(container.pid)
        return [(ready_ns - container.started_ns) / 1e6, processes.proportional_kib(container.pid)]


@contextmanager
def _idle(contestant: Contestant) -> Iterator[int]:
    """Start ``contestant`` with a command that waits; yield its PID once it is at rest."""
    if contestant.key == contestants.BARE:
        with Container(contestants.waiting(contestant)) as container:
            processes.settle(container.pid)
            yield container.pid
        return
    with _written(contestant, "; exec sleep infinity") as (container, _):
        processes.settle(container.pid)
        yield container.pid


def namespaces_too(contestant: Contestant, _: Scale) -> Sequence[float]:
    """Milliseconds from before new namespaces to their end, the command being true(1)."""
    command = contestant.around([program("true")])
    begun_ns = time.monotonic_ns()
    if contestant.key == contestants.SPAWN:
        with pyinit.spawn(command, stdin=subprocess.DEVNULL, env=ENVIRON) as made:
            made.wait()
    else:
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, env=ENVIRON)
    return [(time.monotonic_ns() - begun_ns) / 1e6]


def memory(contestant: Contestant, _: Scale) -> Sequence[float]:
    """Resident and private memory of the idle init, in KiB.

    A second one is there, so that private is what each has for itself, and not
    its program's text as well.
    """
    with _idle(contestant) as pid, _idle(contestant):
        held = processes.memory_kib(pid)
        return [held["resident"], held["private"]]


def idle(all_of_them: list[Contestant], scale: Scale) -> dict[str, Sequence[float]]:
    """Context switches of each idle init, all side by side in the same time."""
    with ExitStack() as stack:
        pids = {each.key: stack.enter_context(_idle(each)) for each in all_of_them}
        for pid in pids.values():
            processes.settle(pid)
        before = {key: processes.context_switches(pid) for key, pid in pids.items()}
        time.sleep(scale.idle_s)
        return {key: [processes.context_switches(pid) - before[key]] for key, pid in pids.items()}


@contextmanager
def _on_one_processor() -> Iterator[None]:
    """Keep what is started here on one processor.

    On two the init spins for the locks that ending processes hold beside it, and that
    counts as its time: the same init then takes 5 microseconds an orphan or 60.
    """
    all_of_them = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(all_of_them)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, all_of_them)


def _reap(contestant: Contestant, how: str, count: int) -> float:
    """Return the processor time of the init for each of ``count`` orphans, in microseconds."""
    command = contestant.around(_python("orphans.py", how, count))
    with _on_one_processor(), Container(command) as container:
        container.expect("ready")
        before = processes.settle(container.pid)
        container.go()
        container.expect("done")
        return (processes.settle(container.pid) - before) / 1e3 / count


def reap_one_by_one(contestant: Contestant, scale: Scale) -> Sequence[float]:
    """Processor time of the init an orphan, each reaped before the next ends, in microseconds."""
    return [_reap(contestant, "one-by-one", scale.one_by_one)]


def reap_at_once(contestant: Contestant, scale: Scale) -> Sequence[float]:
    """Processor time of the init an orphan, when many end together, in microseconds."""
    return [_reap(contestant, "at-once", scale.at_once)]


def _relay(contestant: Contestant, round_trips: int, orphans: int) -> tuple[float, float]:
    """Return the round trip of a signal in microseconds, and the init's memory in KiB."""
    command = contestant.around(_python("relay.py", round_trips, orphans))
    with _on_one_processor(), Container(command) as container:
        container.expect("ready")
        processes.settle(container.pid)
        resident = processes.memory_kib(container.pid, alone=True)["resident"]
        container.go()
        return int(container.line()) / 1e3, resident


def relay(contestant: Contestant, scale: Scale) -> Sequence[float]:
    """Microseconds from a command's kill(2) to the signal's coming back from the init."""
    return [_relay(contestant, scale.round_trips, 0)[0]]


def _teardown(contestant: Contestant, leftovers: int) -> float:
    """Return the time from the command's end to that of the namespace, in milliseconds."""
    command = _python("leftovers.py", leftovers, program("sleep"), "infinity")
    with Container(contestant.around(command)) as container:
        container.expect("ready")
        processes.settle(container.pid)
        container.go()
        ended_ns = int(container.line())
        return (container.wait() - ended_ns) / 1e6


def teardown(contestant: Contestant, scale: Scale) -> Sequence[float]:
    """Milliseconds from the command's end to that of the namespace, with leftovers."""
    return [_teardown(contestant, scale.leftovers)]


def _grow(count: int) -> Callable[[Contestant, Scale], Sequence[float]]:
    """Return the procedure that takes all figures of growth with ``count`` processes."""

    def measure(contestant: Contestant, scale: Scale) -> Sequence[float]:
        _refuse_too_many(count)
        reaping = _reap(contestant, "at-once", count)
        round_trip, resident = _relay(contestant, max(scale.round_trips // 5, 1), count)
        return [reaping, round_trip, resident, _teardown(contestant, count)]

    return measure


def _refuse_too_many(count: int) -> None:
    limit = int(Path("/proc/sys/kernel/pid_max").read_text())
    if count > limit // 2:
        raise MeasureError(f"{count} processes are too many for a pid_max of {limit}")


BARE = (contestants.BARE, contestants.BARE_OUTSIDE)
_AS_INIT = (*contestants.C_INITS, *contestants.PYINIT)
GROWTH = (
    Figure("growth-reap", "CPU an orphan, all at once", "µs", None),
    Figure("growth-relay", "relay round trip", "µs", None),
    Figure("growth-memory", "resident", "KiB", None),
    Figure("growth-teardown", "command's end to namespace gone", "ms", None),
)
LIMITED = (
    contestants.NO_INIT,
    contestants.BARE,
    contestants.TINI,
    contestants.LAUNCHER,
    contestants.LAUNCHER_V,
    contestants.INSTALLED,
)
GROWING = (*contestants.C_INITS, contestants.LAUNCHER)


def _limited(millicores: int) -> Procedure:
    """Return how the start is measured with so little of a processor."""
    key, limit = f"limited-{millicores}", f"{millicores} millicores"
    return Procedure(
        (
            Figure(f"{key}-cpu", f"CPU of the start, {limit}", "ms", contestants.TINI),
            Figure(key, f"start to end of true, {limit}", "ms", contestants.TINI),
        ),
        LIMITED,
        0.1,
        _start_limited(millicores),
        warm_up=1,
    )


def procedures(scale: Scale) -> list[Procedure]:
    """Return all procedures, in the order in which they are carried out."""
    everybody = tuple(contestants.LABELS)
    no_init, bare, tini = contestants.NO_INIT, contestants.BARE, contestants.TINI
    apart: tuple[str, ...] = (*contestants.OUTSIDE, *contestants.ONLY_STARTED)
    apart += (*contestants.OWN_INIT, *contestants.WITH_NAMESPACES)
    inside = tuple(key for key in everybody if key not in apart)
    plan = [
        Procedure(
            (Figure("start", "start to end of true", "ms", bare),),
            (contestants.NO_INIT, *BARE, *_AS_INIT, *contestants.ONLY_STARTED),
            1.0,
            start_to_end,
        ),
        Procedure(
            (Figure("first-write", "start to first write", "ms", bare),),
            inside,
            0.3,
            first_write,
        ),
        Procedure(
            (
                Figure("program", "start to first line of a Python program", "ms", no_init),
                Figure("program-pss", "both processes, PSS", "KiB", no_init),
            ),
            (no_init, contestants.TINI, contestants.LAUNCHER, contestants.FORK_INIT),
            0.3,
            python_program,
        ),
        Procedure(
            (Figure("namespaces", "start to end", "ms", contestants.UNSHARE),),
            contestants.WITH_NAMESPACES,
            0.5,
            namespaces_too,
        ),
        Procedure(
            (
                Figure("resident", "resident", "KiB", bare),
                Figure("private", "private", "KiB", bare),
            ),
            inside[1:],
            0.05,
            memory,
            warm_up=1,
        ),
        Procedure(
            (Figure("switches", f"context switches in {scale.idle_s:g} s", "", None),),
            inside[1:],
            0.01,
            measure_all=idle,
            warm_up=0,
        ),
        Procedure(
            (Figure("reap-one-by-one", "CPU an orphan, one by one", "µs", tini),),
            _AS_INIT,
            0.1,
            reap_one_by_one,
        ),
        Procedure(
            (Figure("reap-at-once", f"CPU an orphan, {scale.at_once:,} at once", "µs", tini),),
            _AS_INIT,
            0.1,
            reap_at_once,
        ),
        Procedure((Figure("relay", "relay round trip", "µs", tini),), _AS_INIT, 0.15, relay),
        Procedure(
            (Figure("teardown", f"end to gone, {scale.leftovers:,} leftovers", "ms", tini),),
            _AS_INIT,
            0.15,
            teardown,
        ),
    ]
    if quota.is_available():
        plan += [_limited(millicores) for millicores in (100, 10)]
    for count in scale.growth:
        figures = tuple(
            Figure(f"{figure.key}-{count}", figure.title, figure.unit, None) for figure in GROWTH
        )
        share = 0.01 if count >= 10_000 else 0.03  # a round of that takes a minute or more
        plan.append(Procedure(figures, GROWING, share, _grow(count), warm_up=0))
    return plan
