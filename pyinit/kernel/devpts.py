"""Pseudo-terminals of the file system that the command sees, where they have a name; see pts(4)."""

import fcntl
import posix
import termios

_MAJOR_MINOR = (5, 2)  # of every /dev/ptmx
_CHARACTER_DEVICE = 0o020000
_KIND = 0o170000
_PATHS = ("/dev/ptmx", "/dev/pts/ptmx")
_FLAGS = posix.O_RDWR | posix.O_NOCTTY | posix.O_CLOEXEC

# Of ioctl_tty(2), which termios has no names for.  With other numbers than these a system
# answers ENOTTY, and the terminal of outside is taken.
_IS_POWER = posix.uname().machine.startswith("ppc")
_TIOCSPTLCK = 0x80045431 if _IS_POWER else 0x40045431
_TIOCGPTPEER = 0x20005441 if _IS_POWER else 0x5441


def open_pair() -> tuple[int, int] | None:
    """Return both sides of a new terminal, master and slave, or None where none can be made.

    It is as large as the one on descriptor 0.

    There may be no /dev, a /dev/ptmx without a devpts beside it, one that we may not
    open (mode 000 is the default of /dev/pts/ptmx), or all terminals may be in use.
    """
    for path in _PATHS:
        try:
            master = _open_master(path)
        except OSError:
            continue
        try:
            return master, _slave_of(master)
        except (OSError, termios.error):
            posix.close(master)  # no TIOCGPTPEER: Linux before 4.13
    return None


def _open_master(path: str) -> int:
    """Open what is a ptmx for certain: in a container the path may lead anywhere.

    What is read from a master is shown to whoever called, and what is typed is written
    to it.  Raises OSError.
    """
    if not is_ptmx(posix.stat(path)):
        raise FileNotFoundError(path)
    fd = posix.open(path, _FLAGS)
    if is_ptmx(posix.fstat(fd)):
        return fd
    posix.close(fd)
    raise FileNotFoundError(path)


def is_ptmx(found: posix.stat_result) -> bool:
    """Return whether what was found is a ptmx, and once it is open the master of a terminal."""
    number = (posix.major(found.st_rdev), posix.minor(found.st_rdev))
    return found.st_mode & _KIND == _CHARACTER_DEVICE and number == _MAJOR_MINOR


def _slave_of(master: int) -> int:
    """Unlock the other side and open it, without a path.  Raises OSError."""
    fcntl.ioctl(master, _TIOCSPTLCK, bytes(4))
    fd = fcntl.ioctl(master, _TIOCGPTPEER, _FLAGS)
    termios.tcsetwinsize(fd, termios.tcgetwinsize(0))
    posix.set_inheritable(fd, False)  # noqa: FBT003 - it takes no keyword
    return fd


def be_standard(slave: int) -> None:
    """Make ``slave`` 0, 1 and 2.  Raises OSError."""
    for fd in (0, 1, 2):
        posix.dup2(slave, fd)
    posix.close(slave)
