"""Containers of one's own: new namespaces with pyinit as init and a command under it."""

from __future__ import annotations

import errno
import os
import signal
from typing import TYPE_CHECKING, Any

from pyinit.container import order as orders
from pyinit.container import starter
from pyinit.container.execute import enter_process
from pyinit.container.files import CommandFiles
from pyinit.container.process import Process
from pyinit.namespaces import found, idmaps

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Unpack

    from pyinit.api.types import Options
    from pyinit.container.files import File
    from pyinit.container.order import Word
    from pyinit.namespaces.found import Namespace
    from pyinit.namespaces.idmaps import IdMap
    from pyinit.settings import Settings


class Container(Process):
    """New namespaces with a command in them; made by `spawn`.

    ``namespaces`` are those of the init, by kind; none where no /proc shows our children.
    """

    __module__ = "pyinit"

    def __init__(self, started: starter.StartedInit, made: list[str]) -> None:
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
    names = found.checked(namespaces)
    order = orders.new(argv, options)
    order.update(
        namespaces=names,
        mount_proc="pid" in names and "mount" in names if mount_proc is None else mount_proc,
        hostname=hostname or "",
        root=os.path.abspath(os.fsdecode(root)) if root is not None else "",
        binds=[orders.bind(each) for each in binds],
        cgroups=[(path, True) for path in orders.paths(cgroup)],
        loopback=loopback and "net" in names,
        time_offsets=sorted((time_offsets or {}).items()),
        directory=os.fsdecode(directory) if directory is not None else "",
        terminal=terminal,
        detach=detach,
    )
    orders.check(order)
    maps = idmaps.maps(uid_map, gid_map) if "user" in names else None
    if maps is None and (uid_map is not None or gid_map is not None):
        raise ValueError("uid_map and gid_map are for a new user namespace: add 'user'")
    passed = (*pass_fds, *orders.outlets(order))
    files = CommandFiles(stdin, stdout, stderr, passed, terminal=terminal)
    return Container(starter.start(order, files, environment, maps), names)
