"""New namespaces with pyinit as their init, as an object: `Container`."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any

import pyinit
from pyinit.container.execute import exec_in
from pyinit.container.inside import Inside
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
        self._inside: list[Inside] = []
        self._inside_lock = threading.RLock()  # a handler of a signal may come back to it
        self._events = events
        if events is not None:
            events.leave_writer()

    def running_inside(self) -> list[Inside]:
        """Return those of `exec` that nobody has reaped, which the container's end takes."""
        with self._inside_lock:
            for each in [*self._inside]:
                # One that is open is left to its starter, who can ask how it has ended.
                if each.fileno() < 0 or (each.is_closed and each.poll()):
                    each.close()
                    self._inside.remove(each)
            return [*self._inside]

    def _kill_all(self) -> None:
        if self._is_pid_1:
            self._try_signal(signal.SIGKILL)  # the kernel ends the others
        else:
            super()._kill_all()
        if self._is_frozen:
            # In a frozen cgroup v1 nobody ends, and a stopped subreaper kills nobody.
            try:
                self.thaw()
            except OSError:
                pass  # it has ended meanwhile

    def exec(self, argv: Words[Word], **how: Unpack[ExecOptions]) -> Process:
        """Start another command in the container; see `exec_in`."""
        process = exec_in(self._living(), argv, pidfd=self.open_pidfd(), **how)
        try:
            inside = Inside(process)
        except OSError:
            with process:
                raise  # no descriptor is left: what has been started is not to stay
        with self._inside_lock:
            self.running_inside()  # those that have ended meanwhile are not to pile up
            self._inside.append(inside)
        for tell in [*self.on_inside]:
            tell(inside)
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
        with self._inside_lock:
            for each in self._inside:
                each.close()
            self._inside.clear()
        if self._events is not None:
            self._events.close()
