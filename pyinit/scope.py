"""Who is left and how to reach them: as PID 1, the PID namespace.

It takes no /proc: kill(-1) reaches exactly the namespace and those nested in it, and no fork
escapes it.  For a subreaper see `pyinit.lineage`.
"""

import posix

from pyinit import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from pyinit.kernel.proc import ProcessStat

# Answers of `left`.
NOBODY = 0
CHILDREN = 1  # their end will send SIGCHLD
# They have to be asked after: entered by setns(2), their parent is outside; or refused.
OUTSIDERS = 2

# So many are named; a log is read by people, and those who are looked at run on meanwhile.
MOST_NAMED = 20

# Of so many it is asked whether they are zombies, 10 to 20 microseconds each, and the rest is
# counted: they are signalled only then, and of those whom SIGKILL has reached all are zombies.
_MOST_READ = 100

# So often it is looked for those who have come while others were signalled.
_MOST_LOOKS = 8

_CAP_KILL = 5  # capabilities(7)


def has_children() -> bool:
    """Return whether this process has any child, ended or not; waitid(2) knows without /proc."""
    try:
        posix.waitid(posix.P_ALL, 0, signals.PEEK)
    except ChildProcessError:
        return False
    return True


class Met:
    """Who is signalled: how many, and the first `MOST_NAMED` as far as /proc tells."""

    __slots__ = ("count", "processes")

    def __init__(self) -> None:
        self.count = 0
        self.processes: list[ProcessStat] = []


class Scope:
    """What both scopes have: those whose end is not waited for, as nothing brings it about."""

    def __init__(self) -> None:
        self.refuses = False  # somebody is there whom we may not signal
        self.given_up: set[int] = set()  # PIDs

    @property
    def asks(self) -> bool:
        """Whether SIGCHLD does not tell of the last one who is waited for."""
        return self.refuses or bool(self.given_up)

    def everybody(self) -> "list[ProcessStat]":
        """Return who is left, zombies too, as far as /proc tells.  Raises OSError."""
        raise NotImplementedError

    def meet(self, met: Met) -> None:
        """Note who is there.  Raises OSError."""
        raise NotImplementedError

    def _is_awaited(self) -> bool:
        """Return whether anybody is left whose end is waited for, also when nothing can tell."""
        try:
            others = self.everybody()
        except OSError:
            return True  # no descriptor, no memory: it is asked again
        return not others or any(not self.is_hopeless(process) for process in others)

    def signal_one(self, pid: int, numbers: tuple[int, ...]) -> None:
        """Signal a child of ours, or one who has entered from outside.  No error: it may be gone.

        Those are told apart from a new process with the same number by nothing; it would be asked
        to end in any case.
        """
        for number in numbers:
            try:
                posix.kill(pid, number)
            except PermissionError:
                self.refuses = True  # as by a set-user-ID program
            except OSError:
                pass

    def is_hopeless(self, process: "ProcessStat") -> bool:
        """Return whether nothing that we do makes a process go away.

        A zombie is left to its outside parent, or to its tracer.
        """
        return process.is_zombie or process.pid in self.given_up or is_refused(process.pid)


class OwnNamespace(Scope):
    """All processes of the PID namespace whose init this process is."""

    def load(self) -> None:
        """Load what it takes to signal them: nothing."""

    def left(self) -> int:
        """Return whether anybody is left who is waited for: NOBODY, CHILDREN or OUTSIDERS."""
        if not self.asks and has_any_child():
            return CHILDREN
        try:
            posix.kill(-1, 0)
        except ProcessLookupError:
            return NOBODY
        except OSError:
            pass  # somebody is there whom we may not signal
        return OUTSIDERS if self._is_awaited() else NOBODY

    def signal(self, *numbers: int, met: Met | None = None, but: "Collection[int]" = ()) -> bool:
        """Send signals to everybody, one after the other, ``but`` to some; see kill(2).

        No error: they may be gone.  ``met`` gets those who were there just before.  Return True:
        nothing is left to be done.
        """
        try:
            if met is not None:
                self.meet(met)
        except Exception:
            pass  # the module cannot be loaded, a /proc that is none: they have no names then
        if not but or not self._signal_others(numbers, set(but)):
            _kill(-1, numbers)
        try:
            if not self.refuses and not _may_signal_all():
                self.refuses = any(map(is_refused, _others()))
        except Exception:
            pass  # then they are waited for like others
        return True

    def meet(self, met: Met) -> None:
        """Note who is there.  Raises OSError."""
        _meet(met)

    def _signal_others(self, numbers: tuple[int, ...], but: set[int]) -> bool:
        """Send signals to everybody but some; return whether /proc tells who the others are."""
        for _ in range(_MOST_LOOKS):
            try:
                everybody = self.everybody()
            except OSError:
                return False
            new = [p.pid for p in everybody if not p.is_zombie and p.pid not in but]
            if not new:
                return bool(everybody)
            for pid in new:
                _kill(pid, numbers)
            but.update(new)
        return True

    def everybody(self) -> "list[ProcessStat]":
        """Return all but this process, zombies too, as far as /proc tells.  Raises OSError."""
        from pyinit.kernel import proc

        with proc.Ours() as directory:
            if directory is None:
                return []
            table = proc.snapshot(directory)
        table.pop(posix.getpid(), None)
        return list(table.values())


def _kill(target: int, numbers: tuple[int, ...]) -> None:
    for number in numbers:
        try:
            posix.kill(target, number)
        except OSError:
            pass  # ESRCH: nobody left; that somebody may not be signalled is no error of -1


def is_refused(pid: int) -> bool:
    """Return whether process ``pid`` may not be signalled by us: a set-user-ID program's is one."""
    try:
        posix.kill(pid, 0)
    except PermissionError:
        return True
    except OSError:
        pass  # it has ended
    return False


def has_any_child() -> bool:
    """Return the same as `has_children`, also under a filter, seccomp(2), without waitid(2).

    Then it may reap one who has ended, and that is told nowhere.
    """
    try:
        return has_children()
    except OSError:
        pass
    try:
        posix.waitpid(-1, signals.REAP)
    except ChildProcessError:
        return False
    return True


def _may_signal_all() -> bool:
    """Return whether we have the capability to signal other users' processes, as far as known."""
    try:
        fd = posix.open("/proc/self/status", posix.O_RDONLY | posix.O_NONBLOCK | posix.O_CLOEXEC)
        try:
            text = posix.read(fd, 4096)
        finally:
            posix.close(fd)
        return bool(int(text.partition(b"\nCapEff:")[2][:17], 16) >> _CAP_KILL & 1)
    except (OSError, ValueError):
        return False


def _others() -> list[int]:
    """Return the PIDs of all but this process, as far as /proc tells."""
    from pyinit.kernel import proc

    with proc.Ours() as directory:
        try:
            return [] if directory is None else [p for p in proc.pids(directory) if p != 1]
        except OSError:
            return []


def _meet(met: Met) -> None:
    """Note who is there, and read no more than it takes: they run on meanwhile."""
    from pyinit.kernel import proc

    others = _others()
    met.count = len(others)
    with proc.Ours() as directory:
        if directory is None:
            return
        for pid in others[:_MOST_READ]:
            try:
                process = proc.ProcessStat(pid, directory)
            except OSError:
                continue  # it has ended
            if process.is_zombie:
                met.count -= 1
            elif len(met.processes) < MOST_NAMED:
                met.processes.append(process)
