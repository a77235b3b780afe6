"""New namespaces with pyinit as their init, as an object: `Container`."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pyinit
from pyinit.container.execute import exec_in
from pyinit.container.process import Process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Unpack

    from pyinit.api.types import Word, Words
    from pyinit.container.events import EventStream
    from pyinit.container.options import ExecOptions
    from pyinit.container.starter import StartedInit
    from pyinit.namespaces.found import Namespace
    from pyinit.namespaces.members import Member


class Container(Process):
    """New namespaces with a command in them; made by `spawn`.

    ``namespaces`` are those of the init, by kind; none where no /proc shows our children.
    """

    __module__ = "pyinit"
    _kind = "container"

    def __init__(
        self, started: StartedInit, made: list[str], events: EventStream | None = None
    ) -> None:
        super().__init__(started)
        self.namespaces: dict[str, Namespace] = started.namespaces
        self._is_pid_1 = "pid" in made
        self._is_frozen = False
        self._inside: list[Process] = []
        self._events = events
        if events is not None:
            events.leave_writer()

    def running_inside(self) -> list[Process]:
        """Return those of `exec` that have not ended, and have to before the container can.

        The kernel keeps the init until all PIDs of its namespace are free, and theirs are when
        we, their parent, have waited for them; see pid_namespaces(7).
        """
        inside = [each for each in self._inside if each.returncode is None and each.pidfd >= 0]
        self._inside = inside
        return [*inside]

    def _kill_all(self) -> None:
        if self._is_pid_1:
            self._try_signal(signal.SIGKILL)  # the kernel ends the others
        else:
            super()._kill_all()
        if self._is_frozen:
            # In a frozen cgroup v1 nobody ends, and a stopped subreaper does not see who does.
            try:
                self.thaw()
            except OSError:
                pass  # it has ended meanwhile

    def exec(self, argv: Words[Word], **how: Unpack[ExecOptions]) -> Process:
        """Start another command in the container; see `exec_in`."""
        process = exec_in(self._living(), argv, pidfd=self.open_pidfd(), **how)
        self._inside.append(process)
        for tell in [*self.on_inside]:
            tell(process)
        return process

    def _living(self) -> int:
        """Return ``pid``.  Raises ValueError after `close`, ProcessLookupError after its end."""
        self.open_pidfd()
        if self.poll() is not None:
            raise self.ended()
        return self.pid

    def processes(self) -> list[Member]:
        """Return the processes of the container's PID namespace and those below it.

        Raises ValueError and ProcessLookupError as `exec`.
        """
        from pyinit.namespaces import members

        return members.processes_of(self._living())

    def freeze(self) -> str:
        """Stop all processes of the container; return by what: its cgroup, or signals.

        Raises OSError and TimeoutError; ValueError and ProcessLookupError as `exec`.
        """
        from pyinit.container import freezer

        pid = self._living()
        self._is_frozen = True
        return freezer.freeze(pid)

    def thaw(self) -> str:
        """Let them go on; return by what, as `freeze`."""
        from pyinit.container import freezer

        by = freezer.thaw(self._living())
        self._is_frozen = False
        return by

    def status(self) -> dict[str, Any]:
        """Return what ``pyinitctl status --json`` shows of it; see `status_of`."""
        return pyinit.status_of(self._living())

    def doctor(self) -> dict[str, Any]:
        """Return what ``pyinitctl doctor --json`` finds wrong with it; see `examine`."""
        return pyinit.examine(self._living())

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield what the init logs, each as it comes, until the container has ended.

        docs/events.md has all of them.  It takes ``events=True`` at the start; else it raises
        ValueError.
        """
        return self._each(self.event_stream())

    def _each(self, stream: EventStream) -> Iterator[dict[str, Any]]:
        yield from stream
        self.wait()

    def event_stream(self) -> EventStream:
        """Return where they come from.  Raises ValueError."""
        if self._events is None or self._events.is_called_back:
            raise ValueError("events are not sent here: expected events=True when it is started")
        return self._events

    def close(self) -> None:
        """Close the descriptors and files; the process is not touched."""
        super().close()
        if self._events is not None:
            self._events.close()
