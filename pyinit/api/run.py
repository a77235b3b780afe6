"""The init inside of another program: `run`, and what it takes and returns."""

from __future__ import annotations

import posix
import threading
from typing import TYPE_CHECKING, NamedTuple, TypedDict

# So that nothing can fail to load once a command runs.
from pyinit import boot, events, scope, settings, supervisor  # noqa: F401
from pyinit.api import held, keywords
from pyinit.kernel import descendants, kills  # noqa: F401
from pyinit.log import orphans  # noqa: F401
from pyinit.stopping import teardown  # noqa: F401

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Unpack

    # A number, a member of signal.Signals, or a name such as "TERM" or "RTMIN+3".
    Signal = int | str


class Exit(NamedTuple):
    """How a command ended.

    ``code`` is the exit code as a shell reports it, 128+n after signal n, and after
    ``remap_exit``; ``signal`` is the number of the signal that killed the command, or 0.
    """

    code: int
    signal: int = 0


class Options(TypedDict, total=False):
    """The options of the command line as keywords; docs/cli.md says what each one does.

    Times are in seconds.
    """

    group: bool
    rewrite: Mapping[Signal, Signal]
    stop_signals: Iterable[Signal]
    drain_s: float
    pre_stop: str
    escalate: Sequence[tuple[Signal, float]]
    stop_timeout_s: float
    grace_s: float
    remap_exit: Mapping[int | str, int]
    user: str
    chdir: str | os.PathLike[str]
    env: Mapping[str, str]
    unset_env: Iterable[str]
    umask: int
    no_new_privs: bool
    session: bool
    parent_death_signal: Signal
    pause: bool
    notify: bool
    subreaper: bool
    warn_on_reap: bool
    verbose: int
    quiet: bool
    on_oom: str
    log_level: str
    log_format: str
    log_fd: int
    log_file: str | os.PathLike[str]
    report: int | str | os.PathLike[str]
    termination_log: bool
    status_file: str | os.PathLike[str]
    metrics_file: str | os.PathLike[str]


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
    found = None
    if asked.writes_elsewhere():
        from pyinit.report import outlets

        found = outlets.prepare_in_program(asked)
    try:
        before = held.SavedProcessState(asked)
        try:
            return _supervise(asked, before.mask)
        finally:
            before.give_back()
    finally:
        if found is not None:
            found.close()


def _supervise(asked: settings.Settings, mask: set[int]) -> Exit:
    """Start the command and be its init.  Raises `StartError`."""
    init = boot.Init(asked, mask)
    init.prepare()
    if asked.pause:
        return Exit(init.pause())
    init.start()
    code = init.supervise()
    return Exit(code, init.status & 0x7F)
