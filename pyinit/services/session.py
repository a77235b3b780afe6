"""What is left of a service: the processes of its session, without the one that led it.

The one that led it stays a zombie as long as others are looked for: its number, which is that
of the session and of its group as well, goes to nobody else meanwhile (credentials(7)).
"""

import _signal
import posix

from pyinit.kernel import proc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# Fields of /proc/PID/stat, counted from the state on; see proc(5).
_GROUP = 2
_SESSION = 3


class Unknown(Exception):  # noqa: N818 - it is no error of anybody's
    """There is no /proc that shows our PID namespace."""


def members(leader: int, *, by_group: bool = False) -> list[int]:
    """Return the living processes of the session of ``leader``, or of its group, but itself.

    Raises `Unknown`.
    """
    with proc.Ours() as directory:
        if directory is None:
            raise Unknown
        field = _GROUP if by_group else _SESSION
        return [
            pid
            for pid in proc.pids(directory)
            if pid != leader and _belongs(pid, directory, field, leader)
        ]


def _belongs(pid: int, directory: int, field: int, leader: int) -> bool:
    try:
        fields = proc.read(f"{pid}/stat", directory).rpartition(b")")[2].split()
        return int(fields[field]) == leader and fields[0] not in (b"Z", b"X")
    except (OSError, ValueError, IndexError):
        return False  # it has ended meanwhile


def send(leader: int, numbers: "Iterable[int]", others: "Iterable[int]" = ()) -> bool:
    """Send signals to the group of ``leader``, then to ``others`` of its session.

    Return whether anybody was reached.  One that may not be signalled (a set-user-ID program)
    is left to the kill bound.
    """
    reached = False
    for number in numbers:
        try:
            posix.kill(-leader, number)
            reached = True
        except OSError:
            pass  # ESRCH: it has not led its group yet, or nobody is left; EPERM
        for pid in others:
            try:
                # Looked at once more: the number may have gone to another one.
                if posix.getsid(pid) == leader and posix.getpgid(pid) != leader:
                    posix.kill(pid, number)
                    reached = True
            except OSError:
                pass  # it has ended
    return reached


CONTINUE = _signal.SIGCONT
TERMINATE = _signal.SIGTERM
KILL = _signal.SIGKILL
