"""pidfd_open(2) and pidfd_send_signal(2), however the interpreter was built.

CPython has these functions if the headers that it was compiled with have the system calls. Builds
for any Linux are compiled with old headers (uv's before July 2026, conda's), and lack them under
a new kernel too.
"""

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

P_PIDFD: int = getattr(posix, "P_PIDFD", 3)  # of waitid(2)

_ENOSYS = 38
# The same on every machine, as those of all system calls since Linux 5.1.
_SEND_SIGNAL, _OPEN = 424, 434

pidfd_open: "Callable[[int, int], int]"
pidfd_send_signal: "Callable[[int, int], object]"
try:
    from _signal import pidfd_send_signal
    from posix import pidfd_open
except ImportError:

    def pidfd_open(pid: int, flags: int) -> int:
        """Return a descriptor of process ``pid``.  Raises OSError."""
        return _system_call(_OPEN, pid, flags)

    def pidfd_send_signal(pidfd: int, number: int) -> object:
        """Send a signal to the process of ``pidfd``.  Raises OSError."""
        return _system_call(_SEND_SIGNAL, pidfd, number, 0, 0)


def _system_call(number: int, *arguments: int) -> int:
    try:
        from pyinit import linux
    except ImportError:
        # Built without libffi as well: as under a kernel that does not know them.
        raise OSError(_ENOSYS, posix.strerror(_ENOSYS)) from None
    return linux.system_call(number, *arguments)
