"""A check of masters with workers, which end their workers in their own way if they are let to."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pyinit.ctl.doctor.case import HINT, Finding
from pyinit.ctl.doctor.stop import awaited
from pyinit.ctl.kinds import PYINIT, SHELL, recognised
from pyinit.settings import ALL, LEFTOVERS
from pyinit.signals import name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyinit.ctl.doctor.case import Case
    from pyinit.ctl.view import ProcessView


def shell_above(case: Case) -> Iterator[Finding]:
    """Whether a shell without exec makes a leftover of a master with workers."""
    for init in case.inits:
        shell, settings = case.main_child(init), init.settings
        if init.kind.name != PYINIT or settings is None or settings.leftovers not in LEFTOVERS:
            continue
        if shell is None or recognised(shell).kind.name != SHELL:
            continue
        master, stop = awaited(case, shell), case.stops(init)
        if master is None or not stop or shell.does("Cgt", stop) or shell.does("Ign", stop):
            continue
        if recognised(master).kind.name == SHELL:
            continue  # its child may be a part of its script
        workers = _workers(case, master)
        if not workers or settings.group:
            continue
        word = name(stop).removeprefix("SIG")
        rest = "then its workers get TERM together with it, and lose their work"
        if settings.leftovers != ALL:
            rest = f"from then on it has the grace of {settings.grace_s:g} s for all its workers"
        yield Finding(
            "shell-above-workers",
            HINT,
            f"the shell {shell.says()} is between pyinit and {master.says()} with "
            f"{len(workers)} workers",
            f"{word} ends the shell, and {master.name} gets TERM as a leftover: {rest}; the exit "
            "code is that of the shell",
            "`exec` in front of the command: then pyinit waits for it without a limit, or up to "
            "--stop-timeout; or a --grace that is longer than the longest work",
            (shell, master, *workers),
        )


def _workers(case: Case, master: ProcessView) -> list[ProcessView]:
    """Return the children that run the same program as their parent does."""
    program = _executable(master)
    if not program:
        return []
    return [each for each in case.container.children(master) if _executable(each) == program]


def _executable(process: ProcessView) -> str:
    try:
        return os.readlink(f"/proc/{process.pid}/exe")
    except OSError:
        return ""  # another user's, or it has ended
