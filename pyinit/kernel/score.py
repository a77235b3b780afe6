"""What the kernel's OOM killer adds to the size of a process when it chooses one; oom_score_adj.

See proc_pid_oom_score_adj(5).  Loaded when ``--oom-score-adj`` is given.
"""

import posix

from pyinit.kernel import proc

LEAST = -1000  # the OOM killer leaves this one alone
MOST = 1000

_ENOENT = 2
_FLAGS = posix.O_WRONLY | posix.O_NONBLOCK | posix.O_NOCTTY | posix.O_CLOEXEC


def write(number: int) -> None:
    """Set oom_score_adj of this process, which its children inherit.

    Raises OSError: without CAP_SYS_RESOURCE it can be raised only, and it takes the kernel's /proc.
    """
    with proc.Real() as directory:
        if directory is None:
            raise OSError(_ENOENT, posix.strerror(_ENOENT))
        fd = posix.open("self/oom_score_adj", _FLAGS, dir_fd=directory)
        try:
            posix.write(fd, b"%d" % number)
        finally:
            posix.close(fd)


def spare() -> None:
    """Have the OOM killer leave this process alone, as far as the kernel allows.

    Raises OSError.
    """
    try:
        write(LEAST)
    except PermissionError:
        # What was raised without CAP_SYS_RESOURCE can be lowered again without it.
        if read() > 0:
            write(0)


def read() -> int:
    """Return oom_score_adj of this process.  Raises OSError, ValueError."""
    with proc.Real() as directory:
        return 0 if directory is None else int(proc.read("self/oom_score_adj", directory))
