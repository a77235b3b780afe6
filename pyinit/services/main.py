"""The supervisor's process: from the words of the command line to the container's exit code."""

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


def run(asked: "Settings", setup: "fork.ChildSetup", stop_signals: frozenset[int]) -> int:
    """Read the file, run the services, and return the container's exit code.

    It is 125 when nothing was started; why is said.
    """
    try:
        services = apart.read(asked.services, asked.command)
        log = open_log(asked)
        from pyinit.services import supervisor  # nothing of it is needed to refuse a file

        made = supervisor.Supervisor(
            services,
            log,
            mask=setup.mask,
            ignored=setup.ignored,
            stop_signals=stop_signals,
            terminal=setup.terminal,
            hides_notify=asked.notify,
        )
        control = _open_control(asked, made)
    except ServicesError as error:
        _tell(error.lines)
        return error.code
    notes = services.notes
    if any(service.user for service in services.by_name.values()):
        from pyinit.services import check

        notes = [*notes, *check.writable_by(services)]
    for note in notes:
        log.emit(events.WARNING, "services_note", note=note)
    if asked.notify:
        made.on_ready = lambda: _notify_ready(log)
    try:
        return made.run()
    finally:
        if control is not None:
            control.close()


def _open_control(asked: "Settings", made: "Supervisor") -> "Control | None":
    """Return the control socket, if there is to be one.  Raises ServicesError."""
    if not asked.control:
        return None
    from pyinit.services import control

    return control.Control(made, asked.control)


def open_log(asked: "Settings") -> events.Log:
    """Return the log, which is written as the init's own."""
    level = 0 if asked.quiet else events.WARNING + asked.verbose
    fd = asked.log_to if isinstance(asked.log_to, int) else 2
    return events.Log(level, lambda: lines.Writer(fd, asked.log_format), fd)


def _notify_ready(log: events.Log) -> None:
    from pyinit.stopping import notify

    log.guard(lambda: notify.send(notify.READY, log))


def _tell(lines: tuple[str, ...]) -> None:
    sink = Sink(2)
    for line in lines:
        sink.write(f"pyinit: {printable(line)}")
