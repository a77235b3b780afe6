"""Job control: stops and continues of the main child's process group; see setpgid(2)."""

import _signal
import posix

from pyinit import sigset, terminal
from pyinit.environment import read_all


def is_orphaned(pid: int) -> bool:
    """Return whether the process group of our child ``pid`` is orphaned.

    It is not while we, its parent, are in the same session and another group.
    """
    try:
        own = posix.getpgid(0)
        return posix.getsid(pid) != posix.getsid(0) or posix.getpgid(pid) == own
    except OSError:
        return False


def handles(pid: int, number: int) -> bool:
    """Return whether process ``pid`` catches or ignores signal ``number``, as far as /proc tells."""
    from pyinit import scope

    if not scope.proc_is_ours():
        return False
    try:
        status = read_all(f"/proc/{pid}/status")
    except OSError:
        return False
    sets = 0
    for field in (b"SigCgt:", b"SigIgn:"):
        sets |= int(status.partition(b"\n" + field)[2].split(None, 1)[0] or b"0", 16)
    return bool(sets >> number - 1 & 1)


def stop_with(pid: int, number: int) -> None:
    """Stop our own job because signal ``number`` stopped our child ``pid``; return once continued.

    The shell that started the job waits for us, not for the child, and would
    not notice.  The kernel discards the stop if our group is orphaned, and then
    the child alone stays stopped, for nobody could continue us.

    SIGTSTP has its default disposition afterwards.
    """
    if number in sigset.BACKGROUND_TTY and terminal.hand_over_if_ours(pid):
        # The shell's `fg` made us the foreground while the job was running.
        _continue(pid)
        return
    # The terminal stops a whole foreground group: the rest of a pipeline, the script around us.
    from_terminal = number in sigset.BACKGROUND_TTY or terminal.foreground() == pid
    _signal.signal(_signal.SIGTSTP, _signal.SIG_DFL)
    posix.kill(0 if from_terminal else posix.getpid(), _signal.SIGTSTP)
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, (_signal.SIGTSTP,))
    _signal.pthread_sigmask(_signal.SIG_BLOCK, (_signal.SIGTSTP,))
    # A stop discards a pending SIGCONT (signal(7)), so one that is pending has ended ours.
    if _signal.sigtimedwait((_signal.SIGCONT,), 0) is not None:
        terminal.hand_over_if_ours(pid)
        _continue(pid)


def _continue(pid: int) -> None:
    try:
        posix.kill(-pid, _signal.SIGCONT)
    except OSError:
        pass  # the child left its group, or ended
