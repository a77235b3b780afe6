"""Names and states of processes, for the log.

Names are those that the kernel keeps.  The whole of a long one would stand in the command
line, which is the memory of the process: reading it waits for a lock that a process can hold
for ever, as in a mmap(2) of a file whose server does not answer.
"""

import posix

from pyinit import scope
from pyinit.kernel import proc


def name(pid: int) -> str | None:
    """Return the name of process ``pid``, of 15 bytes at most, or None when nothing can tell."""
    with proc.Ours() as directory:
        if directory is None:
            return None
        try:
            return _decode(proc.read(f"{pid}/comm", directory)[:-1])
        except OSError:
            # It is gone, or hidden; no descriptor is left.  Whoever asks has a process to reap,
            # named or not.
            return None


def _decode(comm: bytes) -> str:
    return comm.decode(errors="surrogateescape")


def name_of(process: proc.ProcessStat) -> str:
    """Return the name of a process that was seen, and may be gone."""
    return _decode(process.comm)


def names(processes: list[proc.ProcessStat]) -> list[str]:
    """Return ``NAME[PID]`` of each process."""
    return [_label(process) for process in processes]


def _label(process: proc.ProcessStat) -> str:
    return f"{name_of(process) or '?'}[{process.pid}]"


def blockers(processes: list[proc.ProcessStat]) -> list[str]:
    """Return ``NAME[PID]: why`` of the first processes that do not go away."""
    return [f"{_label(process)}: {_why(process)}" for process in processes[: scope.MOST_NAMED]]


def _why(process: proc.ProcessStat) -> str:
    if process.is_zombie:
        if process.parent == posix.getpid():
            # Ours, and yet wait(2) does not give it to us; see ptrace(2).
            return "ended, to be reaped by its tracer first"
        if process.parent == 0:
            return "ended, to be reaped by its parent outside of the namespace"
        parent = f"{name(process.parent) or '?'}[{process.parent}]"
        return f"ended, to be reaped by its parent {parent}"
    if scope.is_refused(process.pid):
        return "may not be signalled by us"
    reasons = {"D": "in an uninterruptible wait", "t": "traced", "Z": "its threads live on"}
    return reasons.get(process.state, f"state {process.state}")
