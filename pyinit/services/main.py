"""The supervisor's process: from the words of the command line to the container's exit code."""

import _signal
import posix

from pyinit import events
from pyinit.log import lines
from pyinit.log.sink import Sink
from pyinit.log.text import printable
from pyinit.services import apart
from pyinit.services.problems import ServicesError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyinit import fork
    from pyinit.services.control import Control
    from pyinit.services.supervisor import Supervisor
    from pyinit.settings import Settings


def run(settings: "Settings", setup: "fork.ChildSetup", stop_signals: frozenset[int]) -> int:
    """Read the file, run the services, and return the container's exit code.

    It is 125 when nothing was started; why is said.
    """
    init = posix.getppid()
    try:
        services = apart.read(settings.services, settings.command)
        log = open_log(settings)
        from pyinit.services import supervisor  # nothing of it is needed to refuse a file

        made = supervisor.Supervisor(
            services,
            log,
            mask=setup.mask,
            ignored=setup.ignored,
            stop_signals=stop_signals,
            terminal=setup.terminal,
            hides_notify=settings.notify,
        )
        control = _open_control(settings, made, init, stop_signals)
    except ServicesError as error:
        _tell(error.lines)
        return error.code
    notes = services.notes
    if any(service.user for service in services.by_name.values()):
        from pyinit.services import check

        notes = [*notes, *check.writable_by(services)]
    for note in notes:
        log.emit(events.WARNING, "services_note", note=note)
    if settings.notify:
        made.on_ready = lambda: _notify_ready(log)
    reporter = None
    if settings.services_fd >= 0:
        from pyinit.services import reporting

        reporter = reporting.Reporter(made, settings.services_fd)
    try:
        return made.run()
    finally:
        if control is not None:
            control.close()
        if reporter is not None:
            reporter.tell()


def _open_control(
    settings: "Settings", made: "Supervisor", init: int, stop_signals: frozenset[int]
) -> "Control | None":
    """Return the control socket, if there is to be one.  Raises ServicesError."""
    if not settings.control:
        return None
    from pyinit.services import control

    known = [each for each in stop_signals if settings.rewrite.get(each, each)]
    number = _signal.SIGTERM if _signal.SIGTERM in known else min(known, default=0)

    def stop() -> None:
        """Have the init stop the container, with its drain and its bounds; else do it alone."""
        try:
            if posix.getppid() == init and number:
                posix.kill(init, number)
                return
        except OSError:
            pass  # EPERM: the supervisor is another user
        made.stop()

    return control.Control(made, settings.control, init, stop)


def open_log(settings: "Settings") -> events.Log:
    """Return the log, which is written as the init's own."""
    level = 0 if settings.quiet else events.WARNING + settings.verbose
    fd = settings.log_to if isinstance(settings.log_to, int) else 2
    return events.Log(level, lambda: lines.LineWriter(fd, settings.log_format), fd)


def _notify_ready(log: events.Log) -> None:
    from pyinit.stopping import notify

    log.guard(lambda: notify.send(notify.READY, log))


def _tell(lines: tuple[str, ...]) -> None:
    sink = Sink(2)
    for line in lines:
        sink.write(f"pyinit: {printable(line)}")
