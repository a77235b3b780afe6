"""How what supervises a command is put together, once that has been started."""

import _signal
import posix

from pyinit import __version__, child, events, fallback, inbox, lifecycle, reaper, supervisor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Protocol

    from pyinit.kernel.kills import Kills
    from pyinit.process.restart import Findings
    from pyinit.report.outlets import Outlets
    from pyinit.settings import Settings

    class Init(Protocol):
        """What is known of an init so far; see `pyinit.boot.Init`."""

        settings: Settings
        mask: set[int]
        pid: int
        status: int
        has_ended: bool
        first: _signal.struct_siginfo | None
        relayed: dict[int, _signal.struct_siginfo]
        had_terminal: bool
        on_stop: Callable[[int, bool, int], None] | None
        kills: Kills | None
        outlets: Outlets | None
        findings: Findings | None
        started: events.When | None
        writer: events.Writer | None
        own_writer: events.Writer | None
        problem: str | None


def started(init: "Init") -> supervisor.Supervisor:
    """Return who supervises the main child, which has just been started."""
    settings = init.settings
    log = open_log(init)
    command = settings.command
    log.emit(events.INFO, "child_started", log.started, pid=init.pid, command=command)
    if settings.user:
        log.guard(lambda: _asked().warn_of_no_relay(init.pid, settings.user, log))
    _say_ready(settings, log)
    return _assemble(init, log)


def paused(init: "Init") -> supervisor.Supervisor:
    """Return who supervises where there is no command."""
    if _signal.getsignal(_signal.SIGCHLD) == _signal.SIG_IGN:
        # Then the kernel reaps, and tells nobody what ended; see wait(2).
        _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
    log = open_log(init)
    made = _assemble(init, log)
    log.emit(events.INFO, "pausing")
    _say_ready(init.settings, log)
    return made


def tell_of_failure(init: "Init", error: Exception) -> None:
    """Write where that is asked for that the command could not be started."""
    # Whoever is told of the error knows.
    init.settings.verbose = min(init.settings.verbose, 0)
    log = open_log(init)
    log.flush()
    if log.record is not None:
        log.record.not_started(getattr(error, "code", 125), str(error))


def _assemble(init: "Init", log: events.Log) -> supervisor.Supervisor:
    """Return the supervisor, with all that it needs."""
    settings = init.settings
    policy = lifecycle.Lifecycle(settings.grace_s, settings.drain_s)
    reaping = reaper.Reaper(log, init.kills)
    box = inbox.Inbox(settings, log)
    box.first = init.first
    main: child.Child
    if settings.pause:
        from pyinit.stopping import pause

        main = pause.Pause(settings, log, reaping, box.stop_signals)
    else:
        main = child.Child(init.pid, settings, log, reaping, box.stop_signals)
        main.had_terminal = init.had_terminal
        main.relayed.update(init.relayed)
    if init.has_ended:
        reaping.is_behind = True  # those whom it has left may have ended, too
        reaping.tell_of(init.pid, init.status)
    if init.on_stop is not None:
        main.delegate_job_control(init.on_stop)
    made = supervisor.Supervisor(main, settings, log, policy, reaping, box)
    made.fallback = lambda *how: fallback.end_leftovers(*how)  # noqa: PLW0108 - made only then
    if settings.wait_all:
        log.guard(lambda: _asked().wait_for_all(made, settings, log, reaping, box.stop_signals))
    log.lifecycle = policy
    if settings.drain_s or settings.escalation or settings.notify:
        # Else it is relayed at once.
        log.guard(lambda: _asked().plan_stop(made, settings, log, reaping, init.mask))
    log.guard(lambda: _tell_of_orphans(settings, log, reaping))
    if settings.keeps_record():
        log.guard(lambda: _asked().count_kills(made, settings, log, reaping, box.stop_signals))
    return made


def _say_ready(settings: "Settings", log: events.Log) -> None:
    # The supervisor of services does, when all of them are.
    if settings.notify and not settings.services:
        log.guard(lambda: _asked().notify_ready(log))


def open_log(init: "Init") -> events.Log:
    """Return the log, which tells first what problem there was on the way to it."""
    settings = init.settings
    level = settings.log_level()
    writer = init.own_writer or init.writer
    fd = None if init.own_writer is not None else settings.log_fd()
    log = events.Log(level, lambda: writer or _asked().open_writer(settings), fd, init.started)
    log.plain = lambda *what: fallback.say_plainly(*what)  # noqa: PLW0108 - made only then
    log.explains = not settings.alias
    log.waits = writer is None
    if settings.keeps_record():
        log.guard(lambda: _asked().keep_record(settings, log, init.outlets))
    if log.level >= events.INFO:
        pid = posix.getpid()
        role = "init" if pid == 1 else "subreaper" if settings.subreaper else "parent"
        log.emit(events.INFO, "init_started", log.started, version=__version__, pid=pid, role=role)
    if init.findings is not None:
        init.findings.tell(log)
    for variable, meant in settings.misspelt:
        log.emit(events.WARNING, "unknown_variable", variable=variable, meant=meant)
    if init.problem:
        log.emit(events.WARNING, "not_a_subreaper", reason=init.problem)
    return log


def _tell_of_orphans(settings: "Settings", log: events.Log, reaping: reaper.Reaper) -> None:
    """Have lines written of orphans, if somebody wants to know."""
    level = events.WARNING if settings.warn_on_reap else events.DEBUG
    if level <= log.shown:
        from pyinit.log import orphans

        reaping.orphans = orphans.Orphans(log, level)


def _asked() -> "ModuleType":
    from pyinit import asked

    return asked
