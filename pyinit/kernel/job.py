"""Job control: stops and continues of the main child's process group; see setpgid(2)."""

import _signal
import posix

from pyinit import signals
from pyinit.kernel import terminal


def is_orphaned(pid: int) -> bool:
    """Return whether the process group of our child ``pid`` may be orphaned.

    It is not while we, its parent, are in the same session and another group.
    In our own group it depends on others, who may be outside the PID namespace.
    """
    try:
        own = posix.getpgid(0)
        return posix.getsid(pid) != posix.getsid(0) or posix.getpgid(pid) == own
    except OSError:
        return False


def handles(pid: int, number: int) -> bool:
    """Return whether process ``pid`` catches, ignores or blocks signal ``number``.

    As far as /proc tells: not of a process that is waiting for it in sigwaitinfo(2).
    """
    from pyinit.kernel import proc

    with proc.Ours() as directory:
        if directory is None:
            return False
        try:
            status = proc.read(f"{pid}/status", directory)
        except OSError:
            return False
    fields = (b"SigCgt", b"SigIgn", b"SigBlk")
    return any(proc.status_mask(status, field) >> number - 1 & 1 for field in fields)


def release_tracee(tid: int, number: int) -> bool:
    """Let go on whom ptrace(2) has stopped for signal ``number``, if we are its tracer.

    We are without having asked for it: PTRACE_TRACEME makes the parent the tracer, of the
    calling thread alone.  Neither SIGCONT nor any other signal but SIGKILL would do.  Return
    False for a stop of job control.
    """
    try:
        from pyinit import linux

        linux.release_tracee(tid, number)
    except (ImportError, OSError):
        # ESRCH: not traced, or it has just ended; or a Python without libffi, a filter.
        return number not in signals.JOB_CONTROL
    return True


def resume_in_foreground(pid: int, number: int) -> bool:
    """Continue our child ``pid`` with the terminal if it stopped for want of it and we have it.

    The shell's `fg` made our group the foreground while the job was running.
    Return whether that was so.
    """
    if number not in signals.BACKGROUND_TTY or not terminal.hand_over_if_ours(pid):
        return False
    _continue(pid)
    return True


def stop_with(pid: int, number: int, *, keeps: bool = False) -> bool:
    """Stop our own job because signal ``number`` stopped our child ``pid``; return once continued.

    The shell that started the job waits for us, not for the child, and would
    not notice.  The kernel discards the stop if our group is orphaned, and then
    the child alone stays stopped, for nobody could continue us.

    Return whether the child has been given the terminal; with ``keeps`` only
    one that had it gets it.
    """
    # The terminal stops a whole foreground group: the rest of a pipeline, the script around us.
    foreground = terminal.foreground()
    background = foreground is not None and number in signals.BACKGROUND_TTY
    from_terminal = background or foreground == pid
    # Whoever stops with us, such as an init around us, sees in its turn where the stop came from.
    taken = from_terminal and terminal.take_back(pid)
    continued = stop_self(0 if from_terminal else posix.getpid())
    given = (taken or (continued and not keeps)) and terminal.hand_over_if_ours(pid)
    if continued:
        _continue(pid)
    return given


def continue_job(pid: int, *, in_foreground: bool) -> None:
    """Continue our child ``pid`` and its group, with the terminal if that is wanted and ours."""
    if in_foreground:
        terminal.hand_over_if_ours(pid)
    _continue(pid)


def stop_self(target: int) -> bool:
    """Stop ourselves and, when ``target`` is 0, our group; return whether a SIGCONT came.

    SIGTSTP and SIGCONT have to be blocked.

    A stop discards a SIGCONT that is pending (signal(7)): one that came since
    the child has stopped would be lost, and we would stay stopped for ever.  So
    it is taken by a handler from before the stop on.  What cannot be had is one
    that comes inside of kill(2) itself.
    """
    continues: list[int] = []
    on_continue = _signal.signal(_signal.SIGCONT, lambda number, _: continues.append(number))
    on_stop = _signal.signal(_signal.SIGTSTP, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, (_signal.SIGCONT,))
    if not continues:
        posix.kill(target, _signal.SIGTSTP)  # still blocked, so it stops us only below
        if continues:
            posix.kill(target, _signal.SIGCONT)
        _signal.pthread_sigmask(_signal.SIG_UNBLOCK, (_signal.SIGTSTP,))
    _signal.pthread_sigmask(_signal.SIG_BLOCK, (_signal.SIGCONT, _signal.SIGTSTP))
    _signal.signal(_signal.SIGCONT, on_continue)
    _signal.signal(_signal.SIGTSTP, on_stop)
    return bool(continues)


def _continue(pid: int) -> None:
    for target in (-pid, pid):
        try:
            posix.kill(target, _signal.SIGCONT)
        except OSError:
            continue  # the child left its group, or is under a user whom we may not signal
        break
