"""The supervisor: does what `group` says, and tells it what happens.

It is the main child of the init, and the parent of the services; whoever a service leaves behind
is the init's.  Each service leads a session of its own.
"""

import _signal
import posix

from pyinit import events, signals
from pyinit.services import group, loop, machine, model
from pyinit.services.output import Outputs
from pyinit.services.problems import ServicesError, WrongValueError
from pyinit.services.runs import Run, Surroundings
from pyinit.services.telling import Teller

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pyinit.services.group import Todo
    from pyinit.services.machine import Unit
    from pyinit.services.model import Services

# What is left in pipes waits so long for a stdout that is full, in seconds.
_FLUSH_S = 2.0

# Writing to a terminal is no reason to stop, nor is a reader that is gone one to end.
_NOT_TAKEN = signals.BACKGROUND_TTY | {_signal.SIGPIPE, _signal.SIGXFSZ}
TAKEN = (signals.RELAYED - _NOT_TAKEN) | {_signal.SIGCHLD}


class Supervisor:
    """Runs ``services`` to their end.

    ``stop_signals`` begin the container's stop.  ``mask`` is the signal mask of services,
    ``ignored`` are the signals that they ignore, and ``terminal`` is a descriptor of the one
    that COMMAND gets.  With ``hides_notify`` services do not see NOTIFY_SOCKET.  ``on_ready``
    is called once, when all are ready, and those of ``on_change`` after all that happens.  Raises
    ServicesError for users that there are not.
    """

    def __init__(
        self,
        services: "Services",
        log: events.Log,
        *,
        mask: set[int],
        ignored: tuple[int, ...] = (),
        stop_signals: "frozenset[int]" = signals.STOP_SIGNALS,
        terminal: int | None = None,
        hides_notify: bool = False,
    ) -> None:
        self.services = services
        self.log = log
        self.group = group.Group(services)
        self.loop = loop.Loop()
        self.outputs = Outputs(self.loop, services)
        self.on_ready: Callable[[], None] | None = None
        self.on_change: list[Callable[[], None]] = []
        self._stop_signals = stop_signals
        self._teller = Teller(log, self.group, self.outputs)
        self._queue: list[tuple[str, str, int]] = []
        self._is_busy = False
        self._was_ready = False
        self.since: dict[str, tuple[str, float]] = {}  # states, and when they came
        self._around = Surroundings(
            self.loop,
            self.outputs,
            log,
            self._post,
            mask=mask,
            ignored=ignored,
            terminal=terminal,
            hides_notify=hides_notify,
        )
        self.runs = self._make_runs()
        self._reserved = _reserve(services)

    def _make_runs(self) -> dict[str, Run]:
        problems = []
        runs = {}
        for name, service in self.services.by_name.items():
            try:
                runs[name] = Run(self._around, service)
            except WrongValueError as error:
                problems.append(f"{self.services.source}: {error}")
        if problems:
            raise ServicesError(problems)
        return runs

    def run(self) -> int:
        """Start the services, supervise them, stop them; return the container's exit code."""
        self.loop.take_signals(TAKEN, self._take_signal)
        try:
            self.perform(self.group.start(self.loop.now()))
            while not self.group.is_over():
                self.loop.run_once()
            self._flush()
        finally:
            self.loop.leave_signals()
        return self.group.exit_code()

    def close(self) -> None:
        """Close what is open for the services, after `run`: the process may go on without them."""
        self.outputs.close()
        for fd in self._reserved:
            posix.close(fd)
        self._reserved = []

    # -- Requests of an operator.

    def request(self, name: str, verb: str) -> None:
        """Start, stop or restart a service; ``verb`` is one of `group.REQUESTS`.

        Nothing, once the container stops.  Raises KeyError for what there is not.
        """
        self.perform(self.group.request(name, verb, self.loop.now()))

    def stop(self) -> None:
        """Begin the container's stop, or go on with it, as a stop signal does."""
        self.perform(self.group.stop(self.loop.now()))

    def signal(self, name: str, number: int) -> None:
        """Send a signal to a service's group.  Raises KeyError for a name that there is not."""
        self.runs[name].send(number)

    def units(self) -> "dict[str, Unit]":
        """Return where each service stands."""
        return self.group.units

    # -- What happens.

    def _take_signal(self, number: int) -> None:
        if number == _signal.SIGCHLD:
            try:
                self._around.release_tracees()
            except OSError:
                pass  # ECHILD, or a filter: seccomp(2)
            for run in self.runs.values():
                run.look()
            self._around.reap_others()
        elif number in self._stop_signals:
            self.stop()
        else:
            for name, run in self.runs.items():
                living = self.group.units[name].state in machine.LIVING
                if living and run.service.takes(number):
                    run.send(number)

    def _post(self, name: str, event: str, status: int) -> None:
        """Take an event of a service; one that comes while another is dealt with comes after it."""
        self._queue.append((name, event, status))
        if not self._is_busy:
            self.perform([])

    def perform(self, todo: "Todo") -> None:
        """Do what is to be done, and what comes of it."""
        self._is_busy = True
        try:
            self._perform(todo)
            while self._queue:
                name, event, status = self._queue.pop(0)
                unit = self.group.units[name]
                before = unit.state
                if not unit.may_take(event):
                    continue  # what came before it has made an end of it
                todo = self.group.tell(name, event, self.loop.now(), status)
                self._teller.after(name, event, before)
                self._perform(todo)
        finally:
            self._is_busy = False
        self._teller.after_all()
        if self.group.was_ready and not self._was_ready:
            self._was_ready = True
            if self.on_ready is not None:
                self.on_ready()
        now = self.loop.now()
        for name, unit in self.group.units.items():
            if self.since.get(name, ("",))[0] != unit.state:
                self.since[name] = (unit.state, now)
        for tell in self.on_change:
            tell()

    def _perform(self, todo: "Todo") -> None:
        for name, action in todo:
            self.log.guard(lambda name=name, action=action: self._act(name, action))  # type: ignore[misc]

    def _act(self, name: str, action: str) -> None:
        run = self.runs[name]
        if action == machine.ABANDON:
            self._teller.abandoned(name, run.abandon())
        elif action in _ON_RUN:
            _ON_RUN[action](run)
        elif action == machine.DISARM:
            self.loop.disarm(name)
        elif action == machine.SKIP:
            self._teller.skipped(name)
        elif action == machine.TELL_HOPELESS:
            self._teller.hopeless(name)
        elif action != machine.RELEASE:
            self._arm(name, action)

    def _arm(self, name: str, action: str) -> None:
        unit = self.group.units[name]
        service = unit.service
        delay_s = {
            machine.ARM_START: service.start_timeout_s or model.FOREVER,
            machine.ARM_STOP: service.stop_timeout_s,
            machine.ARM_BOUND: machine.KILL_BOUND_S,
            machine.ARM_DELAY: unit.delay_s * _jitter(),
            machine.ARM_NEXT: max(0.0, unit.next_run - self.loop.now()),
        }[action]
        if action == machine.ARM_START and delay_s == model.FOREVER:
            self.loop.disarm(name)
        else:
            self.loop.arm(name, delay_s, lambda: self._post(name, machine.DEADLINE, 0))

    def _flush(self) -> None:
        """Write what is left of the services' outputs, unless nobody takes it; reap probes.

        Those have been killed, and nobody else would reap them where the process goes on.
        """
        for name in self.runs:
            self.outputs.finish(name)
        is_over: list[bool] = []
        self.loop.arm("flush", _FLUSH_S, lambda: is_over.append(True))
        while (self.outputs.is_waiting() or self._around.probes) and not is_over:
            self.loop.run_once()
        if self.outputs.is_waiting():
            self.log.emit(events.WARNING, "service_output_lost")


_ON_RUN: "dict[str, Callable[[Run], object]]" = {
    machine.WATCH: Run.watch,
    machine.UNWATCH: Run.unwatch,
    machine.EXEC: Run.start,
    machine.SEND_STOP: Run.send_stop,
    machine.END_REST: Run.end_rest,
    machine.KILL: Run.kill,
}


def _jitter() -> float:
    """Return a factor of 0.9 to 1.1: what failed together is not to come again together."""
    return 0.9 + 0.2 * posix.urandom(1)[0] / 255


def _something() -> int:
    """Return a descriptor of something that nobody waits for."""
    try:
        return posix.open("/dev/null", posix.O_RDWR | posix.O_CLOEXEC)
    except OSError:
        return posix.eventfd(0, posix.EFD_CLOEXEC)  # a root without /dev


def _reserve(services: "Services") -> list[int]:
    """Take the descriptors that are to be a service's, so that none of ours gets their numbers.

    Those that are open already are somebody's, and stay as they are.  None is inherited.
    """
    wanted = {0, 1, 2}
    wanted.update(
        each.ready.number for each in services.by_name.values() if each.ready.kind == model.FD
    )
    taken = []
    for number in sorted(wanted):
        try:
            posix.fstat(number)
        except OSError:
            fd = _something()
            if fd != number:
                posix.dup2(fd, number, inheritable=False)
                posix.close(fd)
            taken.append(number)
    return taken
