"""Containers of one's own: new namespaces with pyinit as init and a command under it."""

from __future__ import annotations

import errno
import os
import select
import signal
import threading
import time
from typing import TYPE_CHECKING, Any, Self

from pyinit.api import keywords
from pyinit.api.run import Exit, Options
from pyinit.container import starter
from pyinit.kernel import cgroups
from pyinit.kernel.clock import Clock
from pyinit.namespaces import found as namespaces
from pyinit.namespaces import idmaps
from pyinit.namespaces.found import open_process

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Generator, Iterable, Mapping, Sequence
    from typing import Unpack

    from pyinit.container.starter import File
    from pyinit.namespaces.found import Namespace
    from pyinit.namespaces.idmaps import IdMap
    from pyinit.settings import Settings

    Word = str | os.PathLike[str]

# From KILL to the end of those who were killed, in seconds; who is in D state is not waited for.
_KILL_BOUND_S = 10.0
_KILL_POLL_S = 0.01


class Process:
    """A command under an init of its own, which is a child of this process.

    ``pid`` is the init's number, as it is seen here, and ``pidfd`` a descriptor that becomes
    readable when it ends (pidfd_open(2)), for selectors and event loops.  ``stdin``, ``stdout`` and
    ``stderr`` are binary files where `subprocess.PIPE` was asked for, ``terminal`` the
    descriptor of the terminal's other side where one was.  In a ``with`` statement it is
    killed at the end.  A coroutine can ``await`` it for its `Exit`.
    """

    def __init__(self, started: starter.Started) -> None:
        self.pid = started.pid
        self.pidfd = started.pidfd
        self.stdin = started.stdin
        self.stdout = started.stdout
        self.stderr = started.stderr
        self.terminal = started.terminal
        self.channel = started.channel  # on which the init tells what happens, for pyinitctl
        self._exit: Exit | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        """Return what it is and how it stands."""
        state = f"{self._exit}" if self._exit else "running"
        return f"<{type(self).__name__} pid={self.pid} {state}>"

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Kill it, and close what belongs to it."""
        try:
            self.kill()
        except ChildProcessError:
            pass  # somebody else has waited for it: it has ended, which is what is wanted
        finally:
            self.close()

    def __await__(self) -> Generator[Any, None, Exit]:
        """Wait for the end in an event loop of asyncio, without a thread."""
        return self._wait_in_loop().__await__()

    async def _wait_in_loop(self) -> Exit:
        import asyncio

        if self._exit is None:
            loop = asyncio.get_running_loop()
            waits = [loop.create_task(each._wait_in_loop()) for each in self._running_inside()]
            ended = loop.create_future()
            # A descriptor of its own: several may wait.
            fd = os.dup(self.pidfd)
            loop.add_reader(fd, lambda: _settle(ended))
            try:
                await ended
            finally:
                loop.remove_reader(fd)
                os.close(fd)
                for wait in waits:
                    wait.cancel()
        return self.wait()

    def poll(self) -> Exit | None:
        """Return how it ended, or None while it has not."""
        try:
            return self.wait(0)
        except TimeoutError:
            return None

    def wait(self, timeout_s: float | None = None) -> Exit:
        """Wait until the command and all that it left behind have ended; return its end.

        Raises TimeoutError after ``timeout_s`` seconds, and ChildProcessError when
        somebody else has waited for our child; see waitid(2).
        """
        if self._exit is not None:
            return self._exit
        if not self._await_end(None if timeout_s is None else time.monotonic() + timeout_s):
            raise TimeoutError(f"process {self.pid} has not ended within {timeout_s} seconds")
        with self._lock:
            if self._exit is None:
                self._exit = self._reap()
        return self._exit

    def _await_end(self, deadline: float | None) -> bool:
        """Wait until it has ended or the deadline is over; return whether it has."""
        while True:
            poll = select.poll()
            poll.register(self.pidfd, select.POLLIN)
            others = self._running_inside()
            for each in others:
                poll.register(each.pidfd, select.POLLIN)
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            ready = dict(poll.poll(None if left is None else left * 1000))
            for each in others:
                if each.pidfd in ready:
                    each.poll()
            if self.pidfd in ready:
                return True
            if not ready:
                return False

    def _running_inside(self) -> list[Process]:
        """Return the children of ours that have to be waited for before this one can end."""
        return []

    def _reap(self) -> Exit:
        info = os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED)
        assert info is not None  # only None with WNOHANG
        told = self.channel.last()
        if info.si_code == os.CLD_EXITED:
            return Exit(info.si_status, told)
        return Exit(128 + info.si_status, info.si_status)

    def send_signal(self, number: int) -> None:
        """Send a signal to the init, which relays it; pidfd_send_signal(2).

        Raises ProcessLookupError when it has ended.
        """
        if self._exit is not None:
            raise ProcessLookupError(errno.ESRCH, f"process {self.pid} has ended")
        signal.pidfd_send_signal(self.pidfd, number)

    def stop(self, timeout_s: float = 10.0, number: int = signal.SIGTERM) -> Exit:
        """Send signal ``number``, and kill what has not ended ``timeout_s`` seconds later."""
        self._try_signal(number)
        try:
            return self.wait(timeout_s)
        except TimeoutError:
            return self.kill()

    def kill(self) -> Exit:
        """Kill the command and everything that it has started; return its end.

        Raises TimeoutError when the kernel cannot end it, as in D state.
        """
        clock = Clock()
        while self.poll() is None:
            if clock.now() > _KILL_BOUND_S:
                raise TimeoutError(f"process {self.pid} has been killed and has not ended")
            self._kill_all()
            again = clock.now() + _KILL_POLL_S
            try:
                self.wait(_KILL_POLL_S)
            except TimeoutError:
                clock.reach(again)
        return self.wait()

    def _kill_all(self) -> None:
        """Kill the descendants of the init, a subreaper, which ends when it has none."""
        import psutil

        # It would ask the others to end as soon as the command has.
        self._try_signal(signal.SIGSTOP)
        try:
            for process in psutil.Process(self.pid).children(recursive=True):
                try:
                    process.kill()
                except psutil.Error:
                    continue  # it has ended, or is under a user whom we may not signal
        except psutil.NoSuchProcess:
            pass
        finally:
            self._try_signal(signal.SIGCONT)

    def _try_signal(self, number: int) -> None:
        try:
            self.send_signal(number)
        except ProcessLookupError:
            pass  # it has ended, which is what is wanted

    def close(self) -> None:
        """Close the descriptors and files; the process is not touched."""
        for file in (self.stdin, self.stdout, self.stderr):
            if file is not None:
                try:
                    file.close()
                except BrokenPipeError:
                    pass  # nobody reads what was still to be written
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1
        if self.terminal is not None:
            os.close(self.terminal)
            self.terminal = None
        self.channel.close()

    def resize(self, columns: int, rows: int) -> None:
        """Set the size of the terminal; TIOCSWINSZ in ioctl_tty(2).  Raises ValueError, OSError."""
        if self.terminal is None:
            raise ValueError("there is no terminal: expected terminal=True")
        import fcntl
        import struct
        import termios

        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, size)


class Container(Process):
    """New namespaces with a command in them; made by `spawn`.

    ``namespaces`` are those of the init, by kind; none where no /proc shows our children.
    """

    def __init__(self, started: starter.Started, made: list[str]) -> None:
        super().__init__(started)
        self.namespaces: dict[str, Namespace] = started.namespaces
        self._is_pid_1 = "pid" in made
        self._is_frozen = False
        self._inside: list[Process] = []

    def _running_inside(self) -> list[Process]:
        # The kernel keeps the init until all PIDs of its namespace are free, and theirs are when
        # we, their parent, have waited for them; see pid_namespaces(7).
        self._inside = [each for each in self._inside if each._exit is None and each.pidfd >= 0]
        return list(self._inside)

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

    def exec(
        self,
        argv: Sequence[Word],
        *,
        stdin: File = None,
        stdout: File = None,
        stderr: File = None,
        pass_fds: Sequence[int] = (),
        environment: Mapping[str, str] | None = None,
        terminal: bool = False,
        **options: Unpack[Options],
    ) -> Process:
        """Start another command in the container; see `enter_process`."""
        if self.poll() is not None:
            raise ProcessLookupError(errno.ESRCH, f"the container has ended: {self._exit}")
        process = enter_process(
            self.pid,
            argv,
            pidfd=self.pidfd,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            pass_fds=pass_fds,
            environment=environment,
            terminal=terminal,
            **options,
        )
        self._inside.append(process)
        return process

    def processes(self) -> list[Any]:
        """Return the `Member` processes of the container's PID namespace and those below it."""
        from pyinit.namespaces import members

        return list(members.of(self.pid))

    def freeze(self) -> str:
        """Stop all processes of the container; return by what: its cgroup, or signals."""
        from pyinit.container import freezer

        self._is_frozen = True
        return freezer.freeze(self.pid)

    def thaw(self) -> str:
        """Let them go on; return by what, as `freeze`."""
        from pyinit.container import freezer

        by = freezer.thaw(self.pid)
        self._is_frozen = False
        return by


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def spawn(
    argv: Sequence[Word] | Settings,
    *,
    namespaces: Iterable[str] = ("pid", "mount"),
    uid_map: IdMap | str | None = None,
    gid_map: IdMap | str | None = None,
    mount_proc: bool | None = None,
    hostname: str | None = None,
    root: Word | None = None,
    binds: Sequence[tuple[Word, Word] | tuple[Word, Word, bool]] = (),
    cgroup: Word | Sequence[Word] = (),
    loopback: bool = True,
    time_offsets: Mapping[str, float] | None = None,
    directory: Word | None = None,
    environment: Mapping[str, str] | None = None,
    stdin: File = None,
    stdout: File = None,
    stderr: File = None,
    pass_fds: Sequence[int] = (),
    terminal: bool = False,
    detach: bool = False,
    **options: Unpack[Options],
) -> Container:
    """Start a command in new namespaces, under pyinit as their init.

    ``namespaces`` are some of user, cgroup, ipc, uts, net, pid, time and mount; the
    others stay the caller's.  In a new user namespace ``uid_map`` and ``gid_map`` say
    who is who: rows of (inside, outside, how many), "auto" for root and the
    ranges of subuid(5), or None for root alone.  ``mount_proc`` mounts a new
    /proc (default: where both pid and mount are new).  ``root`` becomes the root
    directory (pivot_root(2)), ``binds`` are (source, target[, read only]), the targets
    have to exist.  ``cgroup`` names directories of cgroups to join.  A new network has
    nothing but its ``loopback``.  ``time_offsets`` are seconds to add to the clocks
    "monotonic" and "boottime" (time_namespaces(7)).  ``directory`` is the init's working
    directory, ``environment`` its environment (default: ours).  Files are as
    in `subprocess.Popen`; with ``terminal`` the command gets a new one.  The
    container is killed when this process ends, unless ``detach``.  ``options``
    are those of the init, see `Options`.

    The caller's own namespaces, its next children and other threads are not touched.
    Raises `NamespaceError` with the system call and the reason, `StartError` when the command
    could not be started, ValueError and TypeError for arguments.  See
    namespaces(7), clone(2), unshare(2).
    """
    names = _checked(namespaces)
    order = _order(argv, options)
    order.update(
        namespaces=names,
        mount_proc="pid" in names and "mount" in names if mount_proc is None else mount_proc,
        hostname=hostname or "",
        root=os.path.abspath(os.fsdecode(root)) if root is not None else "",
        binds=[_bind(each) for each in binds],
        cgroups=[(path, True) for path in _paths(cgroup)],
        loopback=loopback and "net" in names,
        time_offsets=sorted((time_offsets or {}).items()),
        directory=os.fsdecode(directory) if directory is not None else "",
        terminal=terminal,
        detach=detach,
    )
    _check(order)
    maps = idmaps.maps(uid_map, gid_map) if "user" in names else None
    if maps is None and (uid_map is not None or gid_map is not None):
        raise ValueError("uid_map and gid_map are for a new user namespace: add 'user'")
    passed = (*pass_fds, *_outlets(order))
    files = starter.Files(stdin, stdout, stderr, passed, terminal=terminal)
    return Container(starter.start(order, files, environment, maps), names)


def enter_process(
    pid: int,
    argv: Sequence[Word] | Settings,
    *,
    namespaces: Iterable[str] | None = None,
    pidfd: int | None = None,
    stdin: File = None,
    stdout: File = None,
    stderr: File = None,
    pass_fds: Sequence[int] = (),
    environment: Mapping[str, str] | None = None,
    directory: Word | None = None,
    terminal: bool = False,
    **options: Unpack[Options],
) -> Process:
    """Start a command in the namespaces, root and cgroup of process ``pid``.

    ``namespaces`` are those to enter; the default is all that differ from ours, and the root
    too.  The command has an init of its own, a child subreaper, so that it leaves no zombie
    and no stray behind.  ``pidfd`` is one of the process, where there is one already.  The others
    are as in `spawn`.  Raises `NamespaceError`, `StartError`, ValueError,
    TypeError, ProcessLookupError and PermissionError; see setns(2).
    """
    names = _to_enter(pid, namespaces)
    order = _order(argv, options)
    passed = (*pass_fds, *_outlets(order))
    target = open_process(pid) if pidfd is None else os.dup(pidfd)
    try:
        order.update(
            enter=pid,
            pidfd=target,
            namespaces=names,
            root="mount" in names or (namespaces is None and _has_other_root(pid)),
            cgroups=[(path, False) for path in cgroups.directories_of(pid)]
            if namespaces is None
            else [],
            directory=os.fsdecode(directory) if directory is not None else "",
            terminal=terminal,
        )
        files = starter.Files(stdin, stdout, stderr, (*passed, target), terminal=terminal)
        return Process(starter.start(order, files, environment, None))
    finally:
        os.close(target)


def _checked(names: Iterable[str]) -> list[str]:
    return namespaces.checked(names)


def _to_enter(pid: int, wanted: Iterable[str] | None) -> list[str]:
    """Return the kinds that differ from ours, of all or of those wanted."""
    differing = namespaces.differing(pid)
    return differing if wanted is None else [each for each in _checked(wanted) if each in differing]


def _has_other_root(pid: int) -> bool:
    try:
        return not os.path.samefile(f"/proc/{pid}/root", "/")
    except FileNotFoundError:  # as of a zombie
        raise ProcessLookupError(errno.ESRCH, f"process {pid} has ended") from None


# Settings that have a word of their own in the order.
_ELSEWHERE = ("command", "mask")


def _order(argv: Sequence[Word] | Settings, options: Options) -> dict[str, Any]:
    """Return the order for `pyinit.container.stage`, with nothing asked for but the command."""
    asked = keywords.settings_of(argv, options)
    chosen = {name: value for name, value in vars(asked).items() if name not in _ELSEWHERE}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ()) if asked.mask is None else asked.mask
    return {
        "argv": asked.command,
        "settings": chosen,
        "mask": sorted(map(int, mask)),
        "enter": 0,
        "pidfd": -1,
        "namespaces": [],
        "root": "",
        "binds": [],
        "cgroups": [],
        "time_offsets": [],
        "mount_proc": False,
        "hostname": "",
        "loopback": False,
        "directory": "",
        "terminal": False,
        "detach": False,
    }


def _outlets(order: dict[str, Any]) -> list[int]:
    """Return the descriptors that the init writes to, and does not leave to its command."""
    found = []
    for setting, name in (("report", "report"), ("log_to", "log_fd")):
        fd = order["settings"].get(setting)
        if isinstance(fd, int) and fd > 2:
            try:
                os.fstat(fd)
            except OSError:
                # The number would become that of a file of our own on the way to the init.
                raise ValueError(f"{name}: descriptor {fd} is not open") from None
            found.append(fd)
    return found


def _check(order: dict[str, Any]) -> None:
    """Raise ValueError when what is asked for would change the caller's own namespaces."""
    names = order["namespaces"]
    needs = {
        "mount_proc": "mount",
        "root": "mount",
        "binds": "mount",
        "hostname": "uts",
        "time_offsets": "time",
    }
    for argument, kind in needs.items():
        if order[argument] and kind not in names:
            raise ValueError(f"{argument} needs a new {kind} namespace: add '{kind}'")
    for clock, _ in order["time_offsets"]:
        if clock not in ("monotonic", "boottime"):
            raise ValueError(f"time_offsets: '{clock}' is neither 'monotonic' nor 'boottime'")


def _bind(each: Sequence[Any]) -> tuple[str, str, bool]:
    source, target, *read_only = each
    place = os.fsdecode(target)
    if not place.startswith("/"):
        raise ValueError(f"binds: the target '{place}' is not absolute")
    return os.path.abspath(os.fsdecode(source)), place, bool(read_only and read_only[0])


def _paths(cgroup: Word | Sequence[Word]) -> list[str]:
    if isinstance(cgroup, str | os.PathLike):
        return [os.fsdecode(cgroup)]
    return [os.fsdecode(each) for each in cgroup]
