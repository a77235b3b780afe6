"""The controlling terminal: whose foreground it is, and handing it over; see tcsetpgrp(3).

Every function takes and gives the terminal only when pyinit's own process group
has it: otherwise a background job would steal it from the shell.
"""

import _signal
import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyinit.settings import Settings

# A description of its own: O_NONBLOCK on an inherited one would be seen by all who share it.
_FLAGS = posix.O_RDWR | posix.O_NONBLOCK | posix.O_NOCTTY | posix.O_CLOEXEC


def open_controlling() -> int | None:
    """Return a new descriptor of the controlling terminal, or None when there is none.

    Without /dev/tty (a bare root file system) the standard descriptors are
    asked: tcgetpgrp(3) answers only for the controlling terminal.
    """
    try:
        return posix.open("/dev/tty", _FLAGS)
    except OSError:
        pass  # ENXIO: no controlling terminal; ENOENT, EACCES: ask the standard descriptors
    for fd in (0, 1, 2):
        try:
            posix.tcgetpgrp(fd)
            return _open_again(fd)
        except OSError:
            continue
    return None


def _open_again(fd: int) -> int:
    """Open the terminal of descriptor ``fd`` anew.  Raises OSError."""
    try:
        # Needs no node: the terminal may come from outside, where its name means something.
        return posix.open(f"/proc/self/fd/{fd}", _FLAGS)
    except OSError:
        return posix.open(posix.ttyname(fd), _FLAGS)


def is_ours(fd: int) -> bool:
    """Return whether the terminal's foreground process group is that of this process.

    Both groups read as 0 when they lie outside the PID namespace, which is how
    unshare(1) starts an init.  Then a read of no bytes tells: with SIGTTIN
    blocked it fails with EIO in the background, before it waits for anything.
    """
    try:
        foreground = posix.tcgetpgrp(fd)
        own = posix.getpgrp()
        if foreground or own:
            return foreground == own
        posix.read(fd, 0)
    except BlockingIOError:
        return True  # somebody reads at this moment; we came past the check
    except OSError:
        return False  # ENOTTY, EIO: hung up, or in the background
    return True


def is_kept(settings: "Settings") -> bool:
    """Return whether our own group stays the foreground, although the command could be it.

    The terminal sends its signals to the foreground, past us if we gave it away: a map
    of one of them would never see it.  Under another program's name the command's
    place is what that program makes it.
    """
    from pyinit import signals

    return not settings.alias and not signals.FROM_TERMINAL.isdisjoint(settings.rewrite)


def take_foreground() -> int | None:
    """Return a descriptor of the terminal when our group has its foreground, else None."""
    fd = open_controlling()
    if fd is not None and not is_ours(fd):
        posix.close(fd)
        fd = None
    return fd


def hand_over(fd: int, group: int) -> bool:
    """Make ``group`` the foreground of the terminal; return whether that worked.

    ENOTTY, ENXIO, EBADF and EIO (the terminal went away) and EPERM (the group
    did) are no errors.  SIGTTOU has to be blocked.
    """
    try:
        posix.tcsetpgrp(fd, group)
    except OSError:
        return False
    return True


def give_up() -> int | None:
    """Let a session that we lead go without its controlling terminal; return a descriptor of it.

    None when we lead no session, or one without a terminal.  The kernel sends
    SIGHUP and SIGCONT to the foreground group (TIOCNOTTY in ioctl_tty(2)), of
    which we may be: those two are taken here.  They say that we sent them.
    """
    if posix.getsid(0) != posix.getpid():
        return None
    fd = open_controlling()
    if fd is None:
        return None
    import fcntl
    import termios

    try:
        fcntl.ioctl(fd, termios.TIOCNOTTY)
    except OSError:
        posix.close(fd)
        return None
    for number in (_signal.SIGHUP, _signal.SIGCONT):
        info = _signal.sigtimedwait((number,), 0)
        if info is not None and info.si_pid != posix.getpid():
            posix.kill(posix.getpid(), number)  # another's, which came before
    # Opened as /dev/tty or not, it goes on to mean this terminal.
    return fd


def control(fd: int) -> bool:
    """Make the terminal ``fd`` the controlling one of the session we lead; return whether it is.

    One that another session has is not stolen (TIOCSCTTY in ioctl_tty(2)).
    """
    import fcntl
    import termios

    try:
        fcntl.ioctl(fd, termios.TIOCSCTTY, 0)
    except OSError:
        return False
    return True


def hand_over_if_ours(group: int) -> bool:
    """Hand the terminal to ``group`` if our own has it now; return whether that was so."""
    fd = take_foreground()
    if fd is None:
        return False
    try:
        return hand_over(fd, group)
    finally:
        posix.close(fd)


def foreground() -> int | None:
    """Return the foreground process group of the controlling terminal, or None."""
    fd = open_controlling()
    if fd is None:
        return None
    try:
        return posix.tcgetpgrp(fd)
    except OSError:
        return None  # the terminal went away
    finally:
        posix.close(fd)


def take_back(group: int, *, for_us: bool = False) -> bool:
    """Make our own group the foreground again if ``group`` has it, or nobody who lives.

    For whoever goes on in our group after us.  A group outside the PID
    namespace has no number here; its shell takes the terminal back itself.
    Where the terminal is ``for_us`` we leave such a group for one of our own:
    tcsetpgrp(3) takes numbers only.  Return whether that was done.
    """
    own = posix.getpgrp()
    now = foreground()
    if not now or now == own or (now != group and group_exists(now)):
        return False
    if not own and for_us:
        posix.setpgid(0, 0)
        own = posix.getpgrp()
    if not own:
        return False
    fd = open_controlling()
    if fd is None:
        return False
    try:
        return hand_over(fd, own)
    finally:
        posix.close(fd)


def group_exists(group: int) -> bool:
    """Return whether somebody is in the group; the process that led it may have been reaped."""
    try:
        posix.kill(-group, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # EPERM: it has members
    return True
