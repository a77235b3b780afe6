"""The processes of one service: started, watched, stopped, and what is left of them ended."""

import _signal
import posix

from pyinit import events, fork, settings
from pyinit.kernel import pidfds
from pyinit.services import machine, model, readiness, session
from pyinit.services.rest import Rest
from pyinit.services.setup import Setup
from pyinit.signals import exit_code, is_alive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pyinit.services.loop import Loop
    from pyinit.services.model import Service
    from pyinit.services.output import Outputs
    from pyinit.services.readiness import ByCommand, Watcher

_PEEK = posix.WEXITED | posix.WNOHANG | posix.WNOWAIT
_WALL = 0x40000000  # also threads that are no leaders; see waitpid(2)
_STOPPED = posix.WSTOPPED | posix.WNOHANG | _WALL
_MOST_AT_ONCE = 1000
_TERMINATE = (session.TERMINATE, session.CONTINUE)

# Wait statuses for what has none: it could not be forked, or somebody else reaps it.
_NOT_FORKED = 125 << 8
_LOST = 125 << 8
_UNKNOWN = 1 << 8


class Surroundings:
    """What the processes of all services share.

    ``mask`` is their signal mask, and ``ignored`` are the signals that they ignore.
    ``terminal`` is a descriptor of the one that COMMAND gets, or None.  ``post`` takes a
    service's name, an event of `machine` and a wait status.
    """

    def __init__(
        self,
        loop: "Loop",
        outputs: "Outputs",
        log: events.Log,
        post: "Callable[[str, str, int], None]",
        *,
        mask: set[int],
        ignored: tuple[int, ...],
        terminal: int | None,
        hides_notify: bool,
    ) -> None:
        self.loop = loop
        self.outputs = outputs
        self.log = log
        self.post = post
        self.mask = mask
        self.ignored = ignored
        self.terminal = terminal
        self.hides_notify = hides_notify
        self.probes: dict[int, ByCommand] = {}  # commands that look whether a service is ready
        self.abandoned: set[int] = set()  # children that did not end by KILL

    def begin(self, command: tuple[str, ...], setup: Setup, place: str) -> fork.Started:
        """Fork a process that becomes ``command``.  Raises `fork.StartError`."""
        terminal = self.terminal if place == settings.GROUP else None
        child = fork.ChildSetup(
            self.mask,
            self.ignored,
            terminal,
            None,
            place=place,
            context=setup,  # type: ignore[arg-type]  # all that is asked of it
        )
        # Handlers of ours must not run in the child: they write to our wake-up descriptor.
        before = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())
        try:
            return fork.begin(list(command), child)
        finally:
            _signal.pthread_sigmask(_signal.SIG_SETMASK, before)

    def release_tracees(self) -> None:
        """Let go on who has made us its tracer, by PTRACE_TRACEME, and has stopped for a signal.

        See ptrace(2).  Raises OSError: ECHILD where there are no children.
        """
        for _ in range(_MOST_AT_ONCE):
            info = posix.waitid(posix.P_ALL, 0, _STOPPED)
            if info is None:
                return
            if info.si_code == posix.CLD_TRAPPED:
                from pyinit.kernel import job

                job.release_tracee(info.si_pid, info.si_status)
        posix.kill(posix.getpid(), _signal.SIGCHLD)  # there may be more

    def reap_others(self) -> None:
        """Reap probes, and children that were given up."""
        for pid in [*self.probes, *self.abandoned]:
            try:
                found, status = posix.waitpid(pid, posix.WNOHANG)
            except OSError:
                found, status = pid, _LOST
            if found and not is_alive(status):
                self.abandoned.discard(pid)
                probe = self.probes.pop(pid, None)
                if probe is not None:
                    probe.ended(exit_code(status))


class MainProcess:
    """Another process than the one that was started, named by the service; see sd_notify(3).

    ``ended`` is called at its end, of which only the init learns the status.
    """

    def __init__(self, loop: "Loop", ended: "Callable[[], None]") -> None:
        self.pid = 0
        self._loop = loop
        self._ended = ended
        self._pidfd = -1

    def name(self, pid: int, uid: int) -> None:
        """Watch process ``pid`` from now, if it is there and of user ``uid``."""
        try:
            fd = pidfds.pidfd_open(pid, 0)
        except OSError:
            return  # it has ended, or nobody can tell when it will
        try:
            is_theirs = posix.stat(f"/proc/{pid}").st_uid == uid
        except OSError:
            is_theirs = False  # it has ended, or there is no /proc
        if not is_theirs:
            posix.close(fd)
            return
        self.forget()
        self.pid, self._pidfd = pid, fd
        self._loop.watch(fd, 1, self._end)  # POLLIN

    def _end(self) -> None:
        self.forget()
        self._ended()

    def forget(self) -> None:
        """Watch it no more."""
        if self.pid:
            self._loop.unwatch(self._pidfd)
            posix.close(self._pidfd)
        self.pid, self._pidfd = 0, -1

    def send(self, number: int, group: int) -> None:
        """Send it a signal that ``group`` gets as well: none, where it is in that one."""
        if not self.pid:
            return
        try:
            # A second TERM is to many servers the order to end at once.
            if posix.getpgid(self.pid) != group:
                pidfds.pidfd_send_signal(self._pidfd, number)
        except OSError:
            pass  # it has ended


class Run:
    """One service's processes.  ``pid`` leads its session, 0 when there is none."""

    def __init__(self, around: Surroundings, service: "Service") -> None:
        self.service = service
        self.pid = 0
        self.has_ended = False
        self._around = around
        self._setup = Setup(service, hides_notify=around.hides_notify)
        self._probe_setup = self._setup
        if service.ready.kind == model.COMMAND:
            output = {"command": service.ready.command, "stdout": model.NULL, "stderr": model.NULL}
            quiet = model.Service(**(service.values() | output))  # type: ignore[arg-type]
            self._probe_setup = Setup(quiet, hides_notify=True)
        self._watcher: Watcher | None = None
        self._past: Watcher | None = None  # which has been closed, and is to be released
        self._started: fork.Started | None = None
        self._is_reaped = False
        self._rest: Rest | None = None
        self._main = MainProcess(around.loop, self._main_ended)
        self._sent_to_end = 0  # the last signal that was to end it
        has_terminal = service.takes_terminal and around.terminal is not None
        self._place = settings.GROUP if has_terminal else settings.SESSION

    # -- The start.

    def watch(self) -> None:
        """Be ready to learn that the service is; to be called before it is started."""
        if self.service.type != model.SERVICE:
            return
        post, name = self._around.post, self.service.name
        try:
            self._watcher = self._make_watcher(lambda: post(name, machine.READY, 0))
        except OSError as error:
            # Start-timeout decides.
            self._tell_of_failure(f"cannot watch for its readiness: {error.strerror}")

    def _make_watcher(self, ready: "Callable[[], None]") -> "Watcher":
        """Return who watches for what the service is ready by.  Raises OSError."""
        wanted, loop, setup = self.service.ready, self._around.loop, self._setup
        if wanted.kind == model.FD:
            by_fd = readiness.ByDescriptor(loop, ready)
            setup.ready = by_fd.writer
            return by_fd
        if wanted.kind == model.NOTIFY:
            from pyinit.services import sockets

            by_message = sockets.ByMessage(loop, ready, setup.account_uid, self._take_main_pid)
            setup.notify = by_message.address
            return by_message
        if wanted.kind == model.PORT:
            from pyinit.services import sockets

            return sockets.ByPort(loop, ready, wanted.number)
        if wanted.kind == model.COMMAND:
            return readiness.ByCommand(loop, ready, self._probe)
        return readiness.Watcher(loop, ready)

    def unwatch(self) -> None:
        """Watch no more."""
        if self._watcher is not None:
            self._watcher.close()
            self._past = self._watcher
            self._watcher = None

    def start(self) -> None:
        """Start the service; its end is told of if it cannot be."""
        around, service = self._around, self.service
        self.has_ended = self._is_reaped = False
        self._sent_to_end = 0
        for number in (1, 2):
            try:
                stream = around.outputs.stream(service.name, number)
            except OSError as error:
                self._cannot_start(f"cannot make a pipe: {error.strerror}")
                return
            if stream is not None:
                setattr(self._setup, ("stdout", "stderr")[number - 1], stream.writer)
        try:
            started = around.begin(service.command, self._setup, self._place)
        except fork.StartError as error:
            self._cannot_start(str(error))
            return
        self.pid = started.pid
        self._started = started
        by_group = self._place == settings.GROUP
        self._rest = Rest(around.loop, self.pid, self._reap, self._no_rest, by_group=by_group)
        around.log.emit(events.INFO, "service_started", service=service.name, service_pid=self.pid)
        around.loop.watch(started.fileno(), 1, self._executed)  # POLLIN

    def _cannot_start(self, reason: str) -> None:
        self.pid = 0
        self.has_ended = True
        self._tell_of_failure(reason)
        self._around.post(self.service.name, machine.ENDED, _NOT_FORKED)

    def _executed(self) -> None:
        """Learn whether the process has become the program."""
        started = self._started
        if started is None:
            return
        self._around.loop.unwatch(started.fileno())
        self._started = None
        failure = started.failure(waits=False)
        if failure is not None:
            self._tell_of_failure(str(failure))  # it ends by itself, with the code that says so
        elif self._watcher is not None:
            self._watcher.executed()

    def _tell_of_failure(self, reason: str) -> None:
        log = self._around.log
        log.emit(events.ERROR, "service_not_started", service=self.service.name, reason=reason)

    def _probe(self, probe: "ByCommand") -> int:
        """Start the command that tells whether the service is ready.  Raises OSError."""
        try:
            started = self._around.begin(
                self.service.ready.command, self._probe_setup, settings.SESSION
            )
        except fork.StartError as error:
            raise OSError(error.errno, str(error)) from None
        posix.close(started.fileno())  # its exit code says the same
        self._around.probes[started.pid] = probe
        return started.pid

    def _take_main_pid(self, pid: int) -> None:
        """Take the word of the service that another process is its main one."""
        if pid not in (0, 1, self.pid, self._main.pid, posix.getpid()):
            self._main.name(pid, self._setup.account_uid)

    def _main_ended(self) -> None:
        """Take the end of the main process; where we asked for it, as if our signal had ended it.

        Nobody knows whether that is so, but a daemon that ends when it is stopped has not failed.
        """
        if self.has_ended:
            self._around.post(self.service.name, machine.ENDED, self._sent_to_end or _UNKNOWN)

    # -- The end.

    def look(self) -> None:
        """Look whether the process has ended; it stays a zombie until nobody is left."""
        if not self.pid or self.has_ended:
            return
        try:
            info = posix.waitid(posix.P_PID, self.pid, _PEEK)
        except OSError:
            self._is_reaped = True  # ECHILD
            status = _LOST
        else:
            if info is None or info.si_code == posix.CLD_TRAPPED:
                return
            status = info.si_status if info.si_code != posix.CLD_EXITED else info.si_status << 8
        self.has_ended = True
        if self._rest is not None:
            self._rest.leader_has_ended = True
        try:
            self._executed()
        except BlockingIOError:
            pass  # somebody it has forked holds the pipe
        if self._watcher is not None:
            self._watcher.catch_up()
        if not self._main.pid:
            self._around.post(self.service.name, machine.ENDED, status)

    def send_stop(self) -> None:
        """Send the stop signal to the service's group, then CONT: who is stopped cannot act."""
        self._sent_to_end = self.service.stop_signal
        self.send(self.service.stop_signal)
        self.send(session.CONTINUE)

    def send(self, number: int) -> None:
        """Send a signal, once, to the service's group and to the process that it has named."""
        self._main.send(number, self.pid)
        if self.pid and not session.send(self.pid, (number,)) and not self._is_reaped:
            try:
                posix.kill(self.pid, number)  # it has not led its group yet
            except OSError:
                pass

    def end_rest(self) -> None:
        """End what is left of the session; tells `machine.GONE` when nobody is."""
        if self._rest is None:
            self._finish()  # it could not be forked
        else:
            self._rest.end(_TERMINATE)

    def kill(self) -> None:
        """Kill the service's group, and what is left of its session."""
        self._sent_to_end = session.KILL
        self.send(session.KILL)
        if self._rest is None:
            self._finish()
        else:
            self._rest.end((session.KILL,))

    def abandon(self) -> list[int]:
        """Go on without those who did not end by KILL; return their PIDs."""
        left = [] if self.has_ended else [self.pid]
        if self._main.pid:
            left.append(self._main.pid)  # its session may be its own
        if not self.has_ended:
            self._around.abandoned.add(self.pid)
            self._is_reaped = True
        if self._rest is not None:
            left += [pid for pid in self._rest.abandon() if pid not in left]
        self._finish()
        return left

    def _reap(self) -> None:
        if self.pid and not self._is_reaped:
            self._is_reaped = True
            try:
                posix.waitpid(self.pid, posix.WNOHANG)
            except OSError:
                pass  # ECHILD

    def _no_rest(self) -> None:
        """Take note that nobody is left of the session; a main process can have one of its own."""
        if not self._main.pid:
            self._finish()

    def _finish(self) -> None:
        """Say that nobody is left."""
        self._reap()
        self._main.forget()
        self.unwatch()
        if self._past is not None:
            self._past.release()
            self._past = None
        self.pid = 0
        self._rest = None
        self._around.outputs.finish(self.service.name)
        self._around.post(self.service.name, machine.GONE, 0)
