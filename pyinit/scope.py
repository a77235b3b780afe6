"""Who is left and how to reach them: the PID namespace, or the descendants when not PID 1.

`Namespace` needs no /proc: kill(-1) reaches exactly the namespace and those
nested in it, and no fork escapes it.
"""

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyinit.proc import Process

# Answers of `left`.
NOBODY = 0
CHILDREN = 1  # their end will send SIGCHLD
OUTSIDERS = 2  # entered by setns(2): their parent is outside, so they have to be asked after

# __WALL: also children of before exec that were made to send another signal at their
# end (clone(2)); since the exec the kernel makes it SIGCHLD, but waitpid(2) needs this.
WALL = 0x40000000
WAIT = posix.WNOHANG | posix.WUNTRACED | posix.WCONTINUED | WALL
PEEK = posix.WEXITED | posix.WNOHANG | posix.WNOWAIT | WALL


def has_children() -> bool:
    """Return whether this process has any child, ended or not; waitid(2) knows without /proc."""
    try:
        posix.waitid(posix.P_ALL, 0, PEEK)
    except ChildProcessError:
        return False
    return True


class Namespace:
    """All processes of the PID namespace whose init this process is."""

    def load(self) -> None:
        """Load what it takes to signal them: nothing."""

    def left(self) -> int:
        """Return whether anybody is left: NOBODY, CHILDREN or OUTSIDERS."""
        if has_children():
            return CHILDREN
        try:
            posix.kill(-1, 0)
        except ProcessLookupError:
            return NOBODY
        except OSError:
            pass  # EPERM: somebody is there whom we may not signal
        # A zombie of an outside parent answers too, but is nobody to wait for.
        others = self.everybody()
        return NOBODY if others and all(process.is_zombie for process in others) else OUTSIDERS

    def signal(self, *numbers: int) -> None:
        """Send signals to everybody, one after the other; see kill(2).

        No error: they may be gone.
        """
        for number in numbers:
            try:
                posix.kill(-1, number)
            except OSError:
                pass  # ESRCH: nobody left; EPERM: all of them under users we may not signal

    def everybody(self) -> "list[Process]":
        """Return all but this process, zombies too, as far as /proc tells."""
        from pyinit import proc

        with proc.Ours() as directory:
            if directory is None:
                return []
            table = proc.snapshot(directory)
        table.pop(posix.getpid(), None)
        return list(table.values())


class Descendants:
    """All descendants of this process, a child subreaper."""

    def load(self) -> None:
        """Load what it takes to signal them.  Raises ImportError."""
        from pyinit import descendants  # noqa: F401

    def left(self) -> int:
        """Return NOBODY or CHILDREN: a descendant's line leads to a child of ours."""
        return CHILDREN if has_children() else NOBODY

    def signal(self, *numbers: int) -> None:
        """Send signals to every descendant, one after the other.

        No error: they may be gone.
        """
        from pyinit import descendants

        descendants.signal(*numbers)

    def everybody(self) -> "list[Process]":
        """Return the descendants, zombies too, as far as /proc tells, parents first."""
        from pyinit import descendants

        return descendants.everybody()
