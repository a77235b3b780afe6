"""What a file of services says, as data: the readers of all formats give the same.

Times are in seconds, signals are numbers.  The defaults are those of the file; those that
differ for tasks and jobs are filled in by `settle`.
"""

import _signal

# Types of a service.
SERVICE = "service"
TASK = "task"  # has to end with success before others start
JOB = "job"  # runs again and again
TYPES = (SERVICE, TASK, JOB)

# What an end leads to.
STOP = "stop"  # the container's stop
RESTART = "restart"
IGNORE = "ignore"
ACTIONS = (STOP, RESTART, IGNORE)

# How a service says that it is ready.
STARTED = "started"  # by having been started
NOTIFY = "notify"  # READY=1, see sd_notify(3)
FD = "fd"  # a newline on a descriptor
PORT = "port"  # it accepts connections of TCP
COMMAND = "command"  # a command ends with 0
READY_KINDS = (STARTED, NOTIFY, FD, PORT, COMMAND)

# Where an output goes; anything else is the path of a file, which is appended to.
INHERIT = "inherit"
PREFIX = "prefix"  # through the supervisor, each line with the service's name in front
JSON = "json"  # through the supervisor, each line an object
NULL = "null"
TO_STDOUT = "stdout"  # of stderr only: it goes where stdout goes
LOGS = (INHERIT, PREFIX, JSON, NULL)
COPIED = (PREFIX, JSON)

# Name of the service that the command line's COMMAND is.
MAIN = "main"

FOREVER = 0.0  # of a time that has no end


class Ready:
    """How a service says that it is ready: ``kind`` is one of `READY_KINDS`.

    ``number`` is the descriptor or the port, ``command`` the argv.
    """

    __slots__ = ("command", "kind", "number")

    def __init__(self, kind: str = STARTED, number: int = 0, command: tuple[str, ...] = ()) -> None:
        self.kind = kind
        self.number = number
        self.command = command

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ready) and _state(self) == _state(other)

    def __hash__(self) -> int:
        return hash(_state(self))

    def __repr__(self) -> str:
        return f"Ready{_state(self)!r}"


def _state(ready: Ready) -> tuple[object, ...]:
    return ready.kind, ready.number, ready.command


class Service:
    """One service; attributes that were not set are the class's own, the defaults."""

    name: str
    command: tuple[str, ...]  # argv
    group = ""  # of a supervisord.conf, if it has another name
    priority = (999, 999)  # of a supervisord.conf: its group's, its own
    type = SERVICE
    main = False  # its status is the container's
    autostart = True  # False: it is off until an operator starts it
    takes_terminal = False  # the foreground is given to it, where there is a terminal
    # -- Order.
    after: tuple[str, ...] = ()  # started when these are ready or done; stopped before them
    stop_before: tuple[str, ...] = ()  # stopped before these, whatever the start's order
    ready = Ready()
    start_timeout_s: float | None = None  # to readiness, or to a task's end; None: 60, task endless
    # -- The end.
    on_success = ""  # one of ACTIONS; empty: what suits the type
    on_failure = ""
    success: frozenset[int] = frozenset()  # exit codes, and 128+n for signal n, beside 0
    restart_times = 5  # at most so often within the time below; 0: as often as it takes
    restart_within_s = 60.0
    restart_delay_s: tuple[float, float] = (0.5, 30.0)  # first, and most
    give_up = STOP  # or IGNORE
    # -- Signals.
    stop_signal = int(_signal.SIGTERM)
    stop_timeout_s = 10.0
    reload_signal = 0  # 0: none
    signals: frozenset[int] | None = None  # of the container's; None: main all, others none
    # -- A job.
    every_s = 0.0
    # -- What its process gets.
    user = ""
    chdir = ""
    umask: int | None = None
    env: tuple[tuple[str, str | None], ...] = ()  # in order; None: to be removed
    no_new_privs = False
    nice: int | None = None  # added to the one it would have
    oom_score_adj: int | None = None
    limits: tuple[tuple[str, int, int], ...] = ()  # name, soft, hard; -1: none
    # -- Output.
    stdout = INHERIT  # one of LOGS, or a path
    stderr = INHERIT  # that, or TO_STDOUT

    def __init__(self, name: str, command: tuple[str, ...], **values: object) -> None:
        self.name = name
        self.command = command
        for key, value in values.items():
            setattr(self, key, value)

    def settle(self) -> "Service":
        """Fill in the defaults that depend on the type; return the service itself."""
        quiet = self.type != SERVICE
        self.on_success = self.on_success or (IGNORE if quiet else STOP)
        self.on_failure = self.on_failure or (IGNORE if self.type == JOB else STOP)
        if self.start_timeout_s is None:
            self.start_timeout_s = FOREVER if quiet else 60.0
        return self

    def takes(self, signal: int) -> bool:
        """Return whether ``signal`` of the container is passed on to this service."""
        return self.main if self.signals is None else signal in self.signals

    def is_success(self, code: int) -> bool:
        """Return whether an end with exit code ``code`` (128+n for signal n) is no failure."""
        return code == 0 or code in self.success

    def values(self) -> dict[str, object]:
        """Return all attributes, those too that are the defaults."""
        return {
            name: getattr(self, name)
            for name, value in [*vars(Service).items(), *vars(self).items()]
            if not name.startswith("_") and not callable(value)
        }

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Service) and self.values() == other.values()

    __hash__ = None  # type: ignore[assignment]  # it can be changed

    def __repr__(self) -> str:
        words = ", ".join(f"{key}={value!r}" for key, value in vars(self).items())
        return f"Service({words})"


class Services:
    """All services of a container by name, in the order of the file.

    ``source`` names the file, and ``notes`` are lines for people: what a reader has left
    out or understood otherwise.
    """

    __slots__ = ("by_name", "notes", "source")

    def __init__(self, services: "list[Service] | tuple[Service, ...]", source: str = "") -> None:
        self.by_name = {service.name: service for service in services}
        self.source = source
        self.notes: list[str] = []

    def main(self) -> Service | None:
        """Return the service whose status is the container's, if there is one."""
        return next((each for each in self.by_name.values() if each.main), None)

    def with_command(self, command: list[str]) -> "Services":
        """Return these and ``command`` as the service `MAIN`, which comes after all others.

        Raises ValueError when there is a main service already.
        """
        if not command:
            return self
        taken = self.main() or self.by_name.get(MAIN)
        if taken is not None:
            raise ValueError(
                f"service '{taken.name}' is the main one, and so is COMMAND: "
                "expected one of the two"
            )
        waits_for = (x for x in self.by_name.values() if x.type != JOB and x.autostart)
        others = tuple(each.name for each in waits_for)
        last = Service(MAIN, tuple(command), main=True, after=others)
        last.takes_terminal = True
        last.settle()
        made = Services([*self.by_name.values(), last], self.source)
        made.notes = self.notes
        return made
