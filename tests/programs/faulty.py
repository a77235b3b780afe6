"""faulty.py CALL DIRECTORY WORD...: pyinit in which a call fails once it has forked the command.

CALL is `read` or `close`, of a pipe or a terminal; the latter does its work first, as close(2)
does.
"""

import _signal

inherited_mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())

import os  # noqa: E402
import posix  # noqa: E402
import stat  # noqa: E402
import sys  # noqa: E402

call, directory = sys.argv[1:3]
del sys.argv[1:3]
sys.path.insert(0, directory)
fork, original = posix.fork, getattr(posix, call)
parent = posix.getpid()


def fork_and_break() -> int:
    """Fork; from then on the call fails in the parent."""
    pid = fork()
    if posix.getpid() == parent:
        setattr(posix, call, fails)
    return pid


def fails(fd: int, *arguments: int) -> object:
    """Fail with EIO where the descriptor is a pipe's or a terminal's."""
    mode = os.fstat(fd).st_mode
    is_broken = stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)
    result = original(fd, *arguments) if call == "close" or not is_broken else b""
    if is_broken:
        raise OSError(5, "Input/output error")
    return result


posix.fork = fork_and_break

from pyinit.cli import main  # noqa: E402

main(inherited_mask)
