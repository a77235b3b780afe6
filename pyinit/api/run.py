"""The init inside of another program: `run`, and what it takes and returns."""

from __future__ import annotations

import posix
import threading
from typing import TYPE_CHECKING

# So that nothing can fail to load once a command runs.
from pyinit import (  # noqa: F401
    boot,
    child,
    events,
    inbox,
    lifecycle,
    reaper,
    scope,
    settings,
    supervisor,
)
from pyinit.api import held, keywords
from pyinit.api.types import Exit
from pyinit.kernel import descendants, kills  # noqa: F401
from pyinit.log import orphans  # noqa: F401
from pyinit.stopping import teardown  # noqa: F401

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from typing import Unpack

    from pyinit.api.types import Options


def run(argv: Sequence[str | os.PathLike[str]], **options: Unpack[Options]) -> Exit:
    """Be the init of a command until it and all that it left behind have ended; return its end.

    ``argv`` is the command; ``options`` are those of the command line, see
    `Options`.  As PID 1 this process reaps everybody and ends the namespace's other
    processes; otherwise it becomes a child subreaper and ends the command's
    descendants.  Signals that it receives are relayed meanwhile.  Signal mask,
    dispositions and subreaper flag are afterwards as they were before.

    To be called in the main thread; other threads should have all signals blocked.
    Raises ValueError and TypeError for options, RuntimeError in another thread or
    when there are children already, which an init would reap and end, and
    `StartError` when the command could not be started.  See signal(7),
    PR_SET_CHILD_SUBREAPER in prctl(2).
    """
    asked = keywords.settings_of(argv, options)
    # Python could not put back those of the program's C libraries, faulthandler's for one.
    asked.installs_handlers = False
    if posix.getpid() != 1 and scope.has_children():
        raise RuntimeError(
            "this process has children already, which run() would reap and end: "
            "start the command by pyinit.spawn()"
        )
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("signals can be taken care of in the main thread only: call run() there")
    before = held.SavedProcessState(asked)
    init = boot.Init(asked, before.mask)
    try:
        return _supervise(init)
    finally:
        before.give_back()
        if init.outlets is not None:
            init.outlets.close()


def _supervise(init: boot.Init) -> Exit:
    """Start the command and be its init.  Raises ValueError, `StartError`."""
    keywords.prepare(init)
    if init.settings.pause:
        return Exit(init.pause())
    init.start()
    code = init.supervise()
    return Exit(code, init.status & 0x7F)
