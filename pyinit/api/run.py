"""The init inside of another program: `run`, and what it takes and returns."""

from __future__ import annotations

import os
import posix
import threading
from typing import TYPE_CHECKING

# So that nothing can fail to load once a command runs.
from pyinit import (  # noqa: F401
    boot,
    child,
    environment,
    events,
    inbox,
    lifecycle,
    reaper,
    scope,
    supervisor,
)
from pyinit.api import held, keywords
from pyinit.api import logger as loggers
from pyinit.api.types import Exit, exit_of
from pyinit.kernel import descendants, kills  # noqa: F401
from pyinit.log import orphans  # noqa: F401
from pyinit.options.values import UsageError
from pyinit.stopping import order, teardown  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Unpack

    from pyinit.api.types import Options, Word, Words
    from pyinit.settings import Settings


def run(
    argv: Words[Word],
    *,
    cwd: Word | None = None,
    env: Mapping[str, str] | None = None,
    logger: Any = None,
    **options: Unpack[Options],
) -> Exit:
    """Be the init of a command until it and all that it left behind have ended; return its end.

    ``argv`` is the command, ``cwd`` its working directory, and ``env`` its environment
    instead of ours; ``logger`` gets the log's events as they come, each at its level;
    ``options`` are those of the command line, see `Options`.  As PID 1
    this process reaps everybody and ends the namespace's other processes; otherwise it
    becomes a child subreaper and ends the command's descendants.  Signals that it receives
    are relayed meanwhile.  Signal mask, dispositions and subreaper flag are afterwards as
    they were before.

    To be called in the main thread; other threads should have all signals blocked.
    Raises ValueError and TypeError for options, RuntimeError in another thread or
    when there are children already, which an init would reap and end, and
    `StartError` when the command could not be started.  See signal(7),
    PR_SET_CHILD_SUBREAPER in prctl(2).
    """
    settings = keywords.settings_of(argv, options, run)
    writer = _writer(settings, logger, options)
    if cwd is not None:
        keywords.apply(settings, {"chdir": keywords.word_of("cwd", cwd)}, run)
    if env is not None:
        _replace_environment(settings, keywords.variables_of(env))
    # Python could not put back those of the program's C libraries, faulthandler's for one.
    settings.installs_handlers = False
    if posix.getpid() != 1 and scope.has_children():
        raise RuntimeError(
            "this process has children already, which run() would reap and end: "
            "start the command by pyinit.spawn()"
        )
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("signals can be taken care of in the main thread only: call run() there")
    before = held.SavedProcessState(settings)
    init = boot.Init(settings, before.mask)
    init.has_process = False
    init.own_writer = writer
    try:
        return _supervise(init)
    finally:
        before.give_back()
        if init.outlets is not None:
            init.outlets.close()


def _writer(settings: Settings, logger: Any, options: Options) -> loggers.LoggerWriter | None:
    """Return what hands events to ``logger``.  Raises TypeError, ValueError."""
    if logger is None:
        return None
    loggers.check(logger, options)
    settings.verbose = max(settings.verbose, 1)
    return loggers.LoggerWriter(logger)


def _replace_environment(settings: Settings, env: dict[str, str]) -> None:
    """Have the command get ``env`` alone, and what the options change in it.

    With another user also its own HOME, USER and LOGNAME, where ``env`` has none.
    """
    kept = {b"HOME", b"USER", b"LOGNAME"} if settings.user else set()
    # What Python was started with, and what the program has set since.
    removed = {*environment.current(), *os.environb} - kept
    settings.env = (
        *((os.fsdecode(name), None) for name in sorted(removed)),
        *env.items(),
        *settings.env,
    )


def _supervise(init: boot.Init) -> Exit:
    """Start the command and be its init.  Raises ValueError, `StartError`."""
    keywords.prepare(init)
    if init.settings.pause:
        return Exit(init.pause())
    try:
        init.start()
    except UsageError as error:  # a user that there is not
        raise ValueError(keywords.in_python(str(error))) from None
    code = init.supervise()
    return exit_of(code, init.status & 0x7F)
