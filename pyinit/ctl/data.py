"""What ``pyinitctl status`` and ``pyinitctl doctor`` show, as data for programs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyinit.api.types import Signal

# psutil is loaded when one of them is called.


def status_of(pid: int = 0) -> dict[str, Any]:
    """Return what ``pyinitctl status --json PID`` shows; the default is this process.

    Its init is not asked: it comes from /proc and from the init's status file, if there is one.
    Raises RuntimeError when it cannot be looked at, which takes the right to trace it; see
    ptrace(2).
    """
    from pyinit.ctl import inits
    from pyinit.ctl.common import CommandError
    from pyinit.ctl.status.view import View

    try:
        view = View(inits.init_for(pid or os.getpid()), "")
        try:
            view.look()
            return view.as_data()
        finally:
            view.close()
    except CommandError as error:
        raise RuntimeError(str(error)) from None


def examine(
    pid: int = 0, *, stop_signal: Signal = "TERM", stop_timeout_s: float | None = None
) -> dict[str, Any]:
    """Return what ``pyinitctl doctor --json PID`` finds wrong; the default is our own container.

    ``stop_signal`` is what a stop sends first, and ``stop_timeout_s`` the time from that to KILL.
    docs/doctor.md has all checks.  Raises RuntimeError as `status_of`, ValueError and TypeError;
    see proc(5).
    """
    from pyinit.api.keywords import signal_of
    from pyinit.ctl.commands import doctor
    from pyinit.ctl.common import CommandError
    from pyinit.ctl.doctor import checks
    from pyinit.ctl.doctor.case import Case
    from pyinit.ctl.view import ContainerView

    number = signal_of(stop_signal, "stop_signal")
    try:
        case = Case(ContainerView(pid or None), number, stop_timeout_s)
        return doctor.as_data(case, checks.examine(case))
    except CommandError as error:
        raise RuntimeError(str(error)) from None
