"""``python -m bench services``: several services below pyinit, and below what others use for it.

Each figure is the median of some rounds, in which all take their turns: the table has figures
and, in parentheses, ratios to pyinit's.  Who is not installed is left out, and so are figures that
a program has no way to.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import select
import shutil
import signal
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench import contestants, processes, report
from bench.container import DEADLINE_S, ENVIRON, Container, MeasureError, be_root, program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

# What each is given: names and scripts of the shell.
Commands = dict[str, str]

_LINES = 100_000
_RESTARTS = 50
_IDLE_S = 5.0
_SLEEPS = "exec sleep 1000"
# Ends one second after TERM.
_SLOW = "trap 'sleep 1; exit 0' TERM; while :; do sleep 0.05; done"

# What becomes of the lines of services: they come as they are, or with the name in front.
_COPIED, _NAMED = "copied", "named"
_LINE = {
    _COPIED: re.compile(rb"^(\d+)$", re.MULTILINE),
    _NAMED: re.compile(rb"^[^|\n]*\bweb[^|\n]*\| (\d+)$", re.MULTILINE),
}
_ROOT = Path(__file__).parent.parent
_LISTENER = _ROOT / "bench" / "programs" / "listener.py"


@dataclass(frozen=True)
class Manager:
    """One row: ``start`` writes its files into a directory and returns its command line.

    ``restarts`` is whether ``start`` can have services started again without a delay; ``lines``
    what it can do with the lines of services.
    """

    name: str
    start: Callable[[Path, Commands, str], list[str]]
    lines: tuple[str, ...] = (_COPIED, _NAMED)
    restarts: bool = True


def _pyinit(directory: Path, commands: Commands, mode: str) -> list[str]:
    text = "log = 'prefix'\n" if mode == _NAMED else ""
    for name, script in commands.items():
        text += f"[service.{name}]\ncommand = ['sh', '-c', '''{script.replace('$', '$$')}''']\n"
        if mode == "restart":
            text += "on-success = 'restart'\nrestart-limit = 'none'\nrestart-delay = [0, 0]\n"
    (directory / "services.toml").write_text(text)
    launcher = contestants.write_launcher(directory / "pyinit")
    return [str(launcher), "--services", str(directory / "services.toml")]


def _by_name(name: str, peers: Path) -> str:
    """Return the path of a program.  Raises MeasureError."""
    path = shutil.which(name, path=f"{peers}{os.pathsep}{os.environ.get('PATH', '')}")
    if path is None:
        raise MeasureError("not installed")
    return path


def _supervisord(path: str) -> Callable[[Path, Commands, str], list[str]]:
    def start(directory: Path, commands: Commands, mode: str) -> list[str]:
        text = "[supervisord]\nnodaemon=true\nlogfile=/dev/null\nlogfile_maxbytes=0\n"
        text += f"pidfile={directory}/pid\n"
        for name, script in commands.items():
            (directory / name).write_text(script)
            text += f"[program:{name}]\ncommand=sh {directory}/{name}\nstopasgroup=true\n"
            if mode == _NAMED:
                text += "stdout_logfile=NONE\nstdout_events_enabled=true\n"
            else:
                text += "stdout_logfile=/dev/stdout\nstdout_logfile_maxbytes=0\n"
            if mode == "restart":
                text += "startsecs=0\nautorestart=true\n"
        if mode == _NAMED:
            # By itself supervisord puts no name in front of lines.
            text += f"[eventlistener:names]\ncommand={sys.executable} -IS {_LISTENER}\n"
            text += "events=PROCESS_LOG\nbuffer_size=100\n"
        (directory / "conf").write_text(text)
        return [path, "-c", str(directory / "conf")]

    return start


def _circusd(path: str) -> Callable[[Path, Commands, str], list[str]]:
    def start(directory: Path, commands: Commands, _: str) -> list[str]:
        text = "[circus]\n"
        for each in ("endpoint", "pubsub_endpoint"):
            text += f"{each}=ipc://{directory}/{each}\n"
        for name, script in commands.items():
            (directory / name).write_text(script)
            text += f"[watcher:{name}]\ncmd=sh {directory}/{name}\nstop_children=true\n"
            text += "stdout_stream.class=StdoutStream\n"
        (directory / "ini").write_text(text)
        return [path, str(directory / "ini")]

    return start


def _honcho(path: str) -> Callable[[Path, Commands, str], list[str]]:
    def start(directory: Path, commands: Commands, _: str) -> list[str]:
        lines = []
        for name, script in commands.items():
            (directory / name).write_text(script)
            lines.append(f"{name}: exec sh {directory}/{name}\n")
        (directory / "Procfile").write_text("".join(lines))
        return [path, "start", "-f", str(directory / "Procfile")]

    return start


def _s6(path: str) -> Callable[[Path, Commands, str], list[str]]:
    def start(directory: Path, commands: Commands, _: str) -> list[str]:
        for name, script in commands.items():
            place = directory / "services" / name
            place.mkdir(parents=True)
            (place / "run").write_text(f"#!/bin/sh\n{script}\n")
            (place / "run").chmod(0o755)
        return [path, str(directory / "services")]

    return start


def _command(directory: Path, commands: Commands, _: str) -> list[str]:
    """Start the one command by pyinit, without services."""
    (script,) = commands.values()
    launcher = contestants.write_launcher(directory / "pyinit")
    return [str(launcher), "--", program("sh"), "-c", script]


PYINIT = "pyinit --services"
COMMAND = "pyinit -- sh"


def managers(peers: Path) -> tuple[list[Manager], dict[str, str]]:
    """Return those that are there, and why others are left out."""
    found = [Manager(COMMAND, _command), Manager(PYINIT, _pyinit)]
    left_out = {}
    lines: tuple[str, ...]
    for name, made, lines, restarts in (
        ("supervisord", _supervisord, (_COPIED, _NAMED), True),
        ("circusd", _circusd, (_COPIED,), False),
        ("honcho", _honcho, (_NAMED,), False),
        ("s6-svscan", _s6, (), False),
    ):
        try:
            path = _by_name(name, peers)
        except MeasureError as error:
            left_out[name] = str(error)
        else:
            found.append(Manager(name, made(path), lines, restarts))
    return found, left_out


@contextlib.contextmanager
def _run(manager: Manager, commands: Commands, mode: str = "") -> Iterator[Container]:
    with tempfile.TemporaryDirectory(prefix="bench") as name:
        argv = manager.start(Path(name), commands, mode)
        path = f"{Path(argv[0]).parent}:{ENVIRON['PATH']}"
        with Container(argv, env=ENVIRON | {"PATH": path}) as container:
            yield container


@contextlib.contextmanager
def _fifo() -> Iterator[tuple[str, int]]:
    """Give a FIFO's path and a descriptor of it, which is open for both ends."""
    with tempfile.TemporaryDirectory(prefix="bench") as directory:
        path = f"{directory}/fifo"
        os.mkfifo(path)
        reader = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        try:
            yield path, reader
        finally:
            os.close(reader)


def _await_bytes(container: Container, reader: int, count: int) -> None:
    """Wait until so many bytes have come."""
    while count > 0:
        container.await_readable(reader)
        count -= len(os.read(reader, count))


def first_write(manager: Manager) -> float:
    """Milliseconds from execve(2) to the first write of the first service."""
    with _fifo() as (path, reader):
        commands = {"web": f"echo >{path}; {_SLEEPS}"}
        with _run(manager, commands) as container:
            return (container.await_readable(reader) - container.started_ns) / 1e6


@contextlib.contextmanager
def _four(manager: Manager) -> Iterator[int]:
    """Have four services up, and the manager at rest; give its PID."""
    with _fifo() as (path, reader):
        commands = {f"web{number}": f"echo >{path}; {_SLEEPS}" for number in range(4)}
        with _run(manager, commands) as container:
            _await_bytes(container, reader, 4)
            time.sleep(1.5)  # supervisord's startsecs, after which it has nothing left to do
            yield container.pid


def memory(manager: Manager) -> float:
    """MB of all its processes, what is shared counted once (Pss)."""
    with _four(manager) as pid:
        total = 0
        for each in processes.init_processes(pid):
            for line in Path(f"/proc/{each}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        return total * 1024 / 1e6


def wake_ups(manager: Manager) -> float:
    """How often its processes wake up in five seconds in which nothing happens."""
    with _four(manager) as pid:
        before = processes.context_switches(pid)
        time.sleep(_IDLE_S)
        return processes.context_switches(pid) - before


def stop_of_ten(manager: Manager) -> float:
    """Seconds from TERM to the end, of ten services that take one second each."""
    with _fifo() as (path, reader):
        script = _SLOW.replace("while", f"echo >{path}; while")
        with _run(manager, {f"web{number}": script for number in range(10)}) as container:
            _await_bytes(container, reader, 10)
            time.sleep(1.5)
            began = time.monotonic()
            signal.pidfd_send_signal(container.pidfd, signal.SIGTERM)
            if not select.select([container.pidfd], [], [], DEADLINE_S)[0]:
                raise MeasureError("it has not ended")
            return time.monotonic() - began


def _cpu_ns(pid: int) -> int:
    return sum(processes.run_time_ns(each) for each in processes.init_processes(pid))


def cpu_of_a_line(manager: Manager, mode: str) -> float:
    """Microseconds of its processor time for each of 100,000 lines, all of which have to come."""
    with _fifo() as (path, reader):
        script = f"echo >{path}; read x <{path}.go; seq {_LINES}; {_SLEEPS}"
        os.mkfifo(f"{path}.go")
        with _run(manager, {"web": script}, mode) as container:
            _await_bytes(container, reader, 1)
            time.sleep(1.5)
            before = _cpu_ns(container.pid)
            Path(f"{path}.go").write_text("\n")
            data = container.read_until(f"{_LINES}\n".encode())
            used = _cpu_ns(container.pid) - before
    whole = [int(number) for number in _LINE[mode].findall(data)]
    if whole != list(range(1, _LINES + 1)):
        raise MeasureError(f"{len(whole)} lines are whole of {_LINES}, or they are out of order")
    return used / _LINES / 1000


def cpu_of_a_restart(manager: Manager) -> float:
    """Milliseconds of its processor time from the end of a service to its exec, without a delay.

    With that of the forked process before its exec, and the little that `sh -c` takes.
    """
    with (
        _fifo() as (path, reader),
        _run(manager, {"web": f"echo >{path}"}, "restart") as container,
    ):
        _await_bytes(container, reader, 10)
        before = _with_children(container.pid)
        _await_bytes(container, reader, _RESTARTS)
        return (_with_children(container.pid) - before) / _RESTARTS


def _with_children(pid: int) -> float:
    """Return the milliseconds that its processes have used, and those that they have reaped."""
    ticks = 0
    for each in processes.init_processes(pid):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))
    return ticks * 1000 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Figure:
    """A row of the table; ``fits`` says of whom it can be taken.

    pyinit's is at most that of ``bound``, if there is one: who does the same.
    """

    key: str
    title: str
    unit: str
    measure: Callable[[Manager], float]
    rounds: int
    fits: Callable[[Manager], bool] = lambda manager: manager.name != COMMAND
    bound: str = ""


def _of_lines(mode: str, title: str, bound: str = "") -> Figure:
    return Figure(
        mode, title, "µs", lambda manager: cpu_of_a_line(manager, mode), 3,
        lambda manager: mode in manager.lines and manager.name != COMMAND, bound,
    )  # fmt: skip


FIGURES = (
    Figure("start", "first write of the first service", "ms", first_write, 9, lambda _: True),
    Figure("memory", "memory, four services up (Pss)", "MB", memory, 3),
    Figure("wake-ups", "wake-ups in 5 s, four services up", "", wake_ups, 1),
    Figure("stop", "stop of ten services of 1 s each", "s", stop_of_ten, 1),
    _of_lines(_COPIED, "CPU of a line as it is"),
    _of_lines(_NAMED, "CPU of a line with its name", "supervisord"),
    Figure(
        "restart", "CPU of a restart", "ms", cpu_of_a_restart, 3,
        lambda manager: manager.restarts and manager.name != COMMAND,
    ),
)  # fmt: skip


def measure(
    who: Sequence[Manager], figures: Sequence[Figure], rounds: int | None
) -> tuple[dict[tuple[str, str], float], list[str]]:
    """Return the medians by figure and name, and what went wrong."""
    samples: dict[tuple[str, str], list[float]] = {}
    failures = []
    for figure in figures:
        those = [each for each in who if figure.fits(each)]
        for _ in range(rounds or figure.rounds):
            for manager in those:
                try:
                    found = figure.measure(manager)
                except (MeasureError, OSError) as error:
                    failures.append(f"{manager.name}, {figure.title}: {error}")
                else:
                    samples.setdefault((figure.title, manager.name), []).append(found)
    return {key: statistics.median(found) for key, found in samples.items()}, failures


def table(
    medians: Mapping[tuple[str, str], float], who: Sequence[Manager], figures: Sequence[Figure]
) -> list[str]:
    """Return the rows of a Markdown table: a figure a row, with ratios to pyinit's."""
    names = [each.name for each in who]
    lines = [f"| figure | {' | '.join(names)} |", f"| --- |{' --- |' * len(names)}"]
    for figure in figures:
        ours = medians.get((figure.title, PYINIT))
        cells = []
        for name in names:
            found = medians.get((figure.title, name))
            cell = "" if found is None else f"{found:.3g} {figure.unit}".strip()
            if found is not None and ours and name != PYINIT:
                cell += f" ({found / ours:.2g})"
            cells.append(cell)
        lines.append(f"| {figure.title} | {' | '.join(cells)} |")
    return lines


def verdicts(
    medians: Mapping[tuple[str, str], float], figures: Sequence[Figure]
) -> tuple[list[str], bool]:
    """Return a line on each bound, and whether all were measured and hold."""
    lines = []
    all_hold = True
    for figure in figures:
        if not figure.bound:
            continue
        ours = medians.get((figure.title, PYINIT))
        theirs = medians.get((figure.title, figure.bound))
        if ours is None or theirs is None:
            holds, found = False, "not measured"
        else:
            holds = ours <= theirs
            found = f"{ours:.3g} of {theirs:.3g} {figure.unit}, {'holds' if holds else 'broken'}"
        all_hold = all_hold and holds
        lines.append(f"{figure.title}, at most that of {figure.bound}: {found}")
    return lines, all_hold


def _where() -> str:
    """Return when and on what machine it was measured."""
    machine = report.machine()
    return (
        f"Measured on {machine['date']}, {machine['processor']}, {machine['processors']} "
        f"processors, {machine['kernel']}. What is in parentheses is the ratio to pyinit."
    )


def main(words: Sequence[str]) -> int:
    """Measure and print; return 1 if pyinit failed somewhere, or, with --check, broke a bound."""
    args = _parse(words)
    be_root()
    figures = [each for each in FIGURES if not args.only or each.key in args.only]
    who, left_out = managers(args.peers)
    medians, failures = measure(who, figures, args.rounds)
    rows = "\n".join(table(medians, who, figures))
    print(rows)
    if args.write_docs:
        page = _ROOT / "docs" / "services.md"
        page.write_text(report.replace(page.read_text(), "services", f"{_where()}\n\n{rows}"))
    for name, why in left_out.items():
        print(f"{name}: {why}")
    lines, all_hold = verdicts(medians, figures)
    print("\n".join(lines))
    print("\n".join(failures), file=sys.stderr)
    broken = args.check and not all_hold
    return int(broken or any(each.startswith("pyinit") for each in failures))


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench services", description=__doc__)
    parser.add_argument("--rounds", type=int, metavar="N", help="of each figure")
    keys = [each.key for each in FIGURES]
    parser.add_argument(
        "--only",
        action="append",
        metavar="NAME",
        choices=keys,
        help=f"only this figure; may be given more than once: {', '.join(keys)}",
    )
    parser.add_argument(
        "--check", action="store_true", help="exit with 1 unless the bounds were measured and hold"
    )
    peers = _ROOT / "build" / "bench" / "peers" / "bin"
    parser.add_argument("--peers", type=Path, default=peers, metavar="DIR")
    parser.add_argument(
        "--write-docs", action="store_true", help="fill the table into docs/services.md as well"
    )
    args = parser.parse_args(words)
    if args.only and args.write_docs:
        parser.error("--write-docs takes all figures")
    return args
