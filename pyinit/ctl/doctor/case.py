"""What a check is given, and what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pyinit.ctl import kinds
from pyinit.settings import SESSION

if TYPE_CHECKING:
    from pyinit.ctl.kinds import FoundInit
    from pyinit.ctl.view import ContainerView, ProcessView

PROBLEM = "problem"
HINT = "hint"


class Finding(NamedTuple):
    """What is wrong (or, a hint, may be), why it matters, what to do, and who is concerned."""

    id: str
    severity: str
    what: str
    why: str
    remedy: str
    processes: tuple[ProcessView, ...] = ()


class NotChecked(NamedTuple):
    """What could not be looked at, wholly or in part."""

    id: str
    reason: str


class Case:
    """The container, its inits, and what is known of whoever stops it.

    ``init`` is PID 1; ``inits`` are it and the inits that are beneath it.  ``stop_signal`` is
    what the runtime sends first, ``stop_timeout_s`` how long it waits until KILL, None: as usual.
    """

    def __init__(
        self, container: ContainerView, stop_signal: int, stop_timeout_s: float | None
    ) -> None:
        self.container = container
        self.stop_signal = stop_signal
        self.init = None if container.init is None else kinds.recognised(container.init)
        self.inits = [] if self.init is None else [self.init]
        for each in container.processes.values():
            if each.inner != 1 and each.command and not each.is_zombie:
                found = kinds.recognised(each)
                if found.kind.relays and not _is_copy(found, self.inits):
                    self.inits.append(found)
        self.stop_timeout_s, self.stop_timeout_of = _stop_timeout(self.init, stop_timeout_s)

    def main_child(self, init: FoundInit) -> ProcessView | None:
        """Return the command of an init, or None where it has ended, and others are awaited."""
        child = self.container.main_child(init.process)
        return None if child is not None and self.waits(init) else child

    def waits(self, init: FoundInit) -> bool:
        """Return whether an init waits for those whom its command has left (--wait-all).

        The command is in the session of its init, as no daemon is; with --session none can tell.
        """
        settings, child = init.settings, self.container.main_child(init.process)
        if settings is None or not settings.wait_all or settings.place == SESSION:
            return False
        return child is not None and child.session != init.process.session

    def stops(self, init: FoundInit) -> int:
        """Return the signal that a command gets from its init for a stop signal; 0: none."""
        rewrite = {} if init.settings is None else init.settings.rewrite
        return rewrite.get(self.stop_signal, self.stop_signal)


def _is_copy(found: FoundInit, inits: list[FoundInit]) -> bool:
    """Return whether it has just been forked by one of these, and is about to exec."""
    return any(
        found.process.parent == each.process.pid and found.process.command == each.process.command
        for each in inits
    )


def _stop_timeout(init: FoundInit | None, given: float | None) -> tuple[float, str]:
    """Return the time-out of a stop in seconds, and whose it is."""
    if given is not None:
        return given, "as given"
    try:
        if init is not None and b"KUBERNETES_SERVICE_HOST" in init.process.environ():
            return 30.0, "the default of Kubernetes"
    except OSError:
        pass
    return 10.0, "the default of docker and podman"
