"""Checks of whose code runs in an init: variables of Python and of the loader, and threads."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from pyinit import environment
from pyinit.ctl import kinds
from pyinit.ctl.doctor.case import HINT, PROBLEM, Finding, NotChecked
from pyinit.kernel import proc

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyinit.ctl.doctor.case import Case
    from pyinit.ctl.view import ProcessView

# By these the loader takes other libraries; see ld.so(8).
_OF_THE_LOADER = (b"LD_AUDIT", b"LD_LIBRARY_PATH", b"LD_PRELOAD")

_LAUNCHER = (
    "the launcher of `pyinitctl install` as entry point, whose interpreter ignores all of Python's "
    "variables; or `--env NAME=VALUE` of pyinit, which sets one for the command alone"
)


def python_variables(case: Case) -> Iterator[Finding | NotChecked]:
    """Whether modules or settings of the application are in the interpreter of a pyinit."""
    for process in _ours(case):
        letters, values = kinds.python_options(process)
        left_out = [name for name in _left_out(values) if name.startswith(("PYTHON", "HOME"))]
        if left_out:
            yield Finding(
                "python-variables",
                HINT,
                f"{process.says()} was started with {_names(left_out)}, and started itself again "
                "without them",
                "code that Python runs at its start, such as sitecustomize, has run as PID 1; "
                "and the start took twice as long",
                _LAUNCHER,
                (process,),
            )
        if left_out or not {"I", "E"}.isdisjoint(letters):
            continue
        try:
            environ = process.environ()
        except OSError:
            yield NotChecked("python-variables", _unreadable(process))
            continue
        steering = sorted(name.decode() for name in environment.STEERING if environ.get(name))
        if steering:
            yield Finding(
                "python-variables",
                PROBLEM,
                f"the interpreter of {process.says()} reads {_names(steering)}",
                "modules from elsewhere run in the init, with all its rights, and a broken one can "
                "end it",
                _LAUNCHER,
                (process,),
            )


def loader_variables(case: Case) -> Iterator[Finding | NotChecked]:
    """Whether the dynamic loader has had orders from the application."""
    for process in _ours(case):
        try:
            environ = process.environ()
        except OSError:
            yield NotChecked("loader-variables", _unreadable(process))
            continue
        _, values = kinds.python_options(process)
        idle = _left_out(values)
        if "--library-path" in process.command[:2]:
            idle.append("LD_LIBRARY_PATH")
        found = [name.decode() for name in _OF_THE_LOADER if environ.get(name)]
        found = [name for name in found if name not in idle]
        if found:
            yield Finding(
                "loader-variables",
                HINT,
                f"{process.says()} was started with {_names(found)}",
                "libraries from there are loaded into the init as well: their code runs with all "
                "its rights, and one that does not fit keeps it from starting (127)",
                "`--env NAME=VALUE` of pyinit sets them for the command alone; for LD_LIBRARY_PATH "
                "also `pyinitctl install --ignore-library-path`",
                (process,),
            )


def threads(case: Case) -> Iterator[Finding]:
    """Whether another thread of an init can take the signals that are for it."""
    for process in (each.process for each in case.inits if each.kind.name == kinds.PYINIT):
        number = sum(map(_takes_stops, _threads(process.pid)))
        if number:
            yield Finding(
                "init-threads",
                HINT,
                f"{process.says()} has {number} thread{'s'[: number > 1]} that pyinit has not "
                "started, and that can take TERM",
                "a preloaded library or a module has started it; pyinit learns of the signals "
                "that it takes, but not of who has sent them",
                "no LD_PRELOAD, /etc/ld.so.preload or PYTHONPATH for the init: `--env NAME=VALUE` "
                "of pyinit sets variables for the command alone",
                (process,),
            )


def _ours(case: Case) -> list[ProcessView]:
    """Return the inits that are the command pyinit: a program's variables are its own affair."""
    return [each.process for each in case.inits if kinds.is_command(each)]


def _left_out(values: list[str]) -> list[str]:
    """Return what a pyinit left out when it restarted; see `pyinit.process.restart`."""
    for value in values:
        name, _, rest = value.partition("=")
        fields = rest.split(";")
        if name == environment.RESTARTED and fields[3:]:
            return fields[3].split(",")
    return []


def _threads(pid: int) -> list[str]:
    """Return /proc/PID/task/TID of each thread but the first one."""
    try:
        found = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    return [f"/proc/{pid}/task/{each}" for each in found if each != str(pid)]


def _takes_stops(thread: str) -> bool:
    """Return whether a thread does not block TERM."""
    try:
        status = environment.read_all(f"{thread}/status")
    except OSError:
        return False
    return not proc.status_mask(status, b"SigBlk") >> (signal.SIGTERM - 1) & 1


def _names(names: list[str]) -> str:
    return ", ".join(names)


def _unreadable(process: ProcessView) -> str:
    return f"{process.says()}: its environment may not be read"
