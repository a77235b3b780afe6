"""What a service's process does to itself before it becomes the service's program.

Made in the supervisor, where errors can be told best; applied in the forked process, where
nothing is imported any more.
"""

import posix

from pyinit import environment, execve
from pyinit.command.context import ExecContext
from pyinit.options.values import UsageError
from pyinit.services import model
from pyinit.services.problems import WrongValueError
from pyinit.settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from pyinit.services.model import Service

_NOTIFY = "NOTIFY_SOCKET"
# A pyinit that a service starts would start all services once more.
_ASKS_FOR_SERVICES = "PYINIT_SERVICES"


class Setup:
    """The changes for one service; the same for each of its starts.

    ``stdout`` and ``stderr`` are descriptors that become those, or None for inherited ones.
    ``ready`` is a descriptor that becomes ``ready_as``.  ``notify`` is the value of
    NOTIFY_SOCKET, or None for none.  Raises WrongValueError for a user that there is not.
    """

    def __init__(self, service: "Service", *, hides_notify: bool) -> None:
        self._service = service
        self.stdout: int | None = None
        self.stderr: int | None = None
        self.ready: int | None = None
        self.ready_as = service.ready.number
        self.notify: str | None = None
        self.step = ""
        self._hides_notify = hides_notify or service.ready.kind == model.NOTIFY
        self._resource: ModuleType | None = None
        if service.limits:
            import resource

            self._resource = resource
        self._context = _context_of(service)

    @property
    def account_uid(self) -> int:
        """The user that the service runs as."""
        account = self._context.account
        return posix.geteuid() if account is None else account.uid

    def apply(self, parent: int) -> None:
        """Do it all in the forked process.  Raises OSError; ``step`` says what failed."""
        service = self._service
        self.step = "open its output"
        self._open_outputs()
        if self.ready is not None:
            posix.dup2(self.ready, self.ready_as)
        self._set_limits()
        if service.nice is not None:
            self.step = f"set nice {service.nice}"
            posix.nice(service.nice)
        if service.oom_score_adj is not None:
            self.step = f"set oom-score-adj {service.oom_score_adj}"
            _write("/proc/self/oom_score_adj", service.oom_score_adj)
        execve.change(_ASKS_FOR_SERVICES, None)
        if self._hides_notify:
            execve.change(_NOTIFY, self.notify)
        try:
            self._context.apply(parent)
        finally:
            self.step = self._context.step

    def _open_outputs(self) -> None:
        service = self._service
        for number, place, pipe in ((1, service.stdout, self.stdout), (2, service.stderr, None)):
            fd = self.stderr if number == 2 else pipe
            if fd is not None:
                posix.dup2(fd, number)
            elif place == model.TO_STDOUT:
                posix.dup2(1, number)
            elif place == model.NULL or place.startswith("/"):
                self._open(place, number)

    def _open(self, place: str, number: int) -> None:
        path = "/dev/null" if place == model.NULL else place
        self.step = f"open '{path}'"
        flags = posix.O_WRONLY | posix.O_APPEND | posix.O_NOCTTY | posix.O_CLOEXEC
        fd = posix.open(environment.encode(path), flags | posix.O_CREAT, 0o644)
        posix.dup2(fd, number)
        posix.close(fd)

    def _set_limits(self) -> None:
        for name, soft, hard in self._service.limits:
            self.step = f"set limit {name}"
            if self._resource is not None:
                kind = getattr(self._resource, f"RLIMIT_{name.upper()}")
                self._resource.setrlimit(kind, (soft, hard))


def _context_of(service: "Service") -> ExecContext:
    settings = Settings(list(service.command))
    settings.user = service.user
    settings.chdir = service.chdir
    settings.env = service.env
    settings.umask = service.umask
    settings.no_new_privs = service.no_new_privs
    try:
        return ExecContext(settings, activates=False)
    except UsageError as error:
        text = str(error).removeprefix("option '--user': ")
        raise WrongValueError(f"service '{service.name}': 'user': {text}") from None


def _write(path: str, number: int) -> None:
    fd = posix.open(path, posix.O_WRONLY | posix.O_CLOEXEC)
    try:
        posix.write(fd, b"%d" % number)
    finally:
        posix.close(fd)
