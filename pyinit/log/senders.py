"""Who has sent a signal, as far as the kernel and /proc tell; see sigaction(2)."""

import posix

from pyinit import signals
from pyinit.kernel import proc
from pyinit.log import names

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _signal

INSIDE = "inside"
OUTSIDE = "outside"
KERNEL = "kernel"
SELF = "self"
UNKNOWN = "unknown"

# Between a descendant and us; a loop among parents cannot be, but /proc is read piece by piece.
_MOST_GENERATIONS = 1000


def describe_sender(info: "_signal.struct_siginfo", *, is_init: bool) -> "dict[str, object]":
    """Return origin, PID, user and name of who has sent the signal.

    Origin is inside or outside of what we are the init of: the PID namespace, or else the
    descendants, where it is unknown of one that has ended.  si_pid is 0 for one whom our
    PID namespace does not show.
    """
    if info.si_code == signals.SI_KERNEL:
        return _sender(KERNEL, None, None, None)
    pid, uid = info.si_pid, info.si_uid
    if pid == posix.getpid():
        return _sender(SELF, pid, uid, "pyinit")
    if pid == 0:
        return _sender(OUTSIDE, None, uid, None)
    name = names.name(pid)
    return _sender(INSIDE if is_init else _origin(pid), pid, uid, name)


def _sender(origin: str, pid: int | None, uid: int | None, name: str | None) -> "dict[str, object]":
    return {"origin": origin, "sender_pid": pid, "sender_uid": uid, "sender_name": name}


def _origin(pid: int) -> str:
    """Return whether one of those above ``pid`` is us.

    kill(1) has often ended when we look, and been reaped; and /proc can be another's.
    """
    with proc.Ours() as directory:
        if directory is None:
            return UNKNOWN
        try:
            for _ in range(_MOST_GENERATIONS):
                if pid == posix.getpid():
                    return INSIDE
                if pid <= 1:
                    return OUTSIDE
                pid = proc.ProcessStat(pid, directory).parent
        except OSError:
            pass
    return UNKNOWN
