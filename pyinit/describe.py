"""Names and states of processes, for the log: psutil names and describes, it never decides.

Loaded with the first event that needs it.
"""

import posix

from pyinit import events, proc

# TASK_COMM_LEN without its end: the kernel keeps no more of a name; see proc(5).
_COMM_LENGTH = 15

# What psutil makes longer has no end: it is what a process writes into its command line.
_LONGEST_NAME = 64

# So many leftovers are named; a log is read by people.
MOST_NAMES = 20

# Looking for what is missing anew for each of a thousand orphans would take longer than reaping.
_lacks_psutil = False
_told = False


def name(pid: int, log: events.Log, level: int = events.WARNING) -> str | None:
    """Return the name of process ``pid`` for an event of ``level``, or None when nothing can tell.

    Without psutil, which takes the end of a long name from the command line, ``log``
    is told so once.  It is not loaded for an event that is only kept in a record.
    """
    global _lacks_psutil  # noqa: PLW0603
    with proc.Ours() as directory:
        if directory is None:
            return None
        try:
            if not _lacks_psutil and level <= log.shown:
                import psutil

                return psutil.Process(pid).name()[:_LONGEST_NAME]
        except ImportError:
            _lacks_psutil = True
        except Exception:
            # psutil.Error: it is gone, or hidden; OSError: no descriptor left.  Whoever
            # asks has a process to reap, named or not.
            return None
        return _comm(pid, directory, log)


def _comm(pid: int, directory: int, log: events.Log) -> str | None:
    """Return the name that the kernel keeps of process ``pid``."""
    global _told  # noqa: PLW0603
    try:
        comm = proc.read(f"{pid}/comm", directory)[:-1]
    except OSError:
        return None
    if len(comm) >= _COMM_LENGTH and _lacks_psutil and not _told:
        _told = True
        effect = f"names of processes end after {_COMM_LENGTH} bytes"
        log.emit(events.INFO, "psutil_missing", effect=effect)
    return comm.decode(errors="surrogateescape")


def names(processes: list[proc.Process], log: events.Log, level: int) -> list[str]:
    """Return ``NAME[PID]`` of the first `MOST_NAMES` processes, for an event of ``level``."""
    return [_label(process.pid, log, level) for process in processes[:MOST_NAMES]]


def _label(pid: int, log: events.Log, level: int = events.WARNING) -> str:
    return f"{name(pid, log, level) or '?'}[{pid}]"


def blockers(processes: list[proc.Process], log: events.Log) -> list[str]:
    """Return ``NAME[PID]: why`` of each process that SIGKILL has not made go away."""
    return [
        f"{_label(process.pid, log)}: {_why(process, log)}" for process in processes[:MOST_NAMES]
    ]


def _why(process: proc.Process, log: events.Log) -> str:
    if process.is_zombie:
        if process.parent == posix.getpid():
            # Ours, and yet wait(2) does not give it to us; see ptrace(2).
            return "ended, to be reaped by its tracer first"
        if process.parent == 0:
            return "ended, to be reaped by its parent outside of the namespace"
        return f"ended, to be reaped by its parent {_label(process.parent, log)}"
    reasons = {"D": "in an uninterruptible wait", "t": "traced", "Z": "its threads live on"}
    return reasons.get(process.state, f"state {process.state}")
