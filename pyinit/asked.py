"""What an init has where an option asks for it; a quiet one loads none of this."""

import posix

from pyinit import events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyinit.reaper import Reaper
    from pyinit.report.outlets import Outlets
    from pyinit.report.start import Start
    from pyinit.settings import Settings
    from pyinit.supervisor import Supervisor


def die_with_parent(number: int) -> int:
    """Have signal ``number`` sent to us when our parent ends; PR_SET_PDEATHSIG in prctl(2).

    Return the parent's PID.

    A parent that ended while it was asked for counts as one that ends now.  As PID 1
    that cannot be seen: the parent is outside, and has the number 0 like every other
    (pid_namespaces(7)).  Raises StartError.
    """
    parent = posix.getppid()
    try:
        from pyinit import linux

        linux.set_parent_death_signal(number)
    except (ImportError, OSError) as error:
        from pyinit import fork

        reason = error.strerror if isinstance(error, OSError) else error
        raise fork.StartError(125, f"cannot set the parent-death signal: {reason}") from None
    if posix.getppid() != parent:
        posix.kill(posix.getpid(), number)
    return parent


def open_writer(settings: "Settings") -> "events.Writer":
    """Return what writes the log."""
    fd = settings.log_fd()
    if settings.alias and not settings.log_format:
        from pyinit.compat import log

        return log.PeerWriter(fd, settings.alias, settings.log_level())
    from pyinit.log import lines

    return lines.LineWriter(fd, settings.log_format)


def keep_record(settings: "Settings", log: events.Log, outlets: "Outlets | None") -> None:
    """Have everything noted for the report."""
    from pyinit.report import start

    begun = start.Start()
    log.attach_record(lambda: _open_record(settings, log, begun, outlets))


def _open_record(
    settings: "Settings", log: events.Log, start: "Start", outlets: "Outlets | None"
) -> "events.Record":
    """Return what keeps a record."""
    from pyinit.report import record

    if settings.verbose > 0 or settings.report != "" or settings.status_file:
        from pyinit.log import senders  # noqa: F401 - who has sent a signal is soon gone
    return record.Record(settings, log, start, outlets)


def notify_ready(log: events.Log) -> None:
    """Tell whoever started us that we are ready; see sd_notify(3)."""
    from pyinit.stopping import notify

    notify.send(notify.READY, log)


def warn_of_no_relay(pid: int, user: str, log: events.Log) -> None:
    """Warn when no signal will reach the main child, which runs as another user."""
    try:
        posix.kill(pid, 0)
    except PermissionError:
        log.emit(events.WARNING, "cannot_relay", user=user, reason="pyinit has no CAP_KILL")
    except OSError:
        pass  # it has ended already


def wait_for_all(
    made: "Supervisor",
    settings: "Settings",
    log: events.Log,
    reaping: "Reaper",
    stop_signals: frozenset[int],
) -> None:
    """Have those waited for who live on after the main child."""
    from pyinit.stopping import wait

    made.rest = wait.Rest(settings, log, reaping, stop_signals)


def plan_stop(
    made: "Supervisor", settings: "Settings", log: events.Log, reaping: "Reaper", mask: set[int]
) -> None:
    """Have a stop be more than a relay."""
    from pyinit.stopping import stop

    made.stop = stop.Stop(made.main, settings, log, made.lifecycle, reaping, mask)


def count_kills(
    made: "Supervisor",
    settings: "Settings",
    log: events.Log,
    reaping: "Reaper",
    stop_signals: frozenset[int],
) -> None:
    """Count OOM kills from now on, if not from before the start on."""
    from pyinit.kernel import kills

    if reaping.kills is None:
        reaping.kills = kills.Kills()
    log.peak_bytes = reaping.kills.counter.peak_bytes
    if settings.on_oom:
        # It installs none in a program that calls run().
        send = kills.to_us(has_process=settings.installs_handlers)
        reaping.on_oom = kills.stop_once(made.may_stop, stop_signals, send)
        reaping.kills.watch(log, send)
        reaping.look_for_oom()  # a kill of before the watch is not told by it
