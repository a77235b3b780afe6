"""Names and states of processes, for the log: psutil names and describes, it never decides.

Loaded with the first event that needs it.
"""

import posix

from pyinit import proc, sigset


def name(pid: int) -> str | None:
    """Return the name of process ``pid``, or None when nothing can tell."""
    if not proc.is_ours():
        return None
    try:
        import psutil

        return psutil.Process(pid).name()
    except Exception:
        # psutil.Error: it is gone, or hidden; OSError: no descriptor left; ImportError:
        # no psutil.  Whoever asks has a process to reap, named or not.
        return None


def names(processes: list[proc.Process]) -> list[str]:
    """Return ``NAME[PID]`` of each process."""
    return [_label(process.pid) for process in processes]


def _label(pid: int) -> str:
    return f"{name(pid) or '?'}[{pid}]"


def end(code: int, status: int) -> dict[str, object]:
    """Return how a process ended, from si_code and si_status of waitid(2)."""
    if code == posix.CLD_EXITED:
        return {"exit_code": status}
    return {"signal": sigset.name(status)}


def blockers(processes: list[proc.Process]) -> list[str]:
    """Return ``NAME[PID]: why`` of each process that SIGKILL has not made go away."""
    return [f"{_label(process.pid)}: {_why(process)}" for process in processes]


def _why(process: proc.Process) -> str:
    if process.is_zombie:
        if process.parent == posix.getpid():
            # Ours, and yet wait(2) does not give it to us; see ptrace(2).
            return "ended, to be reaped by its tracer first"
        if process.parent == 0:
            return "ended, to be reaped by its parent outside of the namespace"
        return f"ended, to be reaped by its parent {_label(process.parent)}"
    reasons = {"D": "in an uninterruptible wait", "t": "traced", "Z": "its threads live on"}
    return reasons.get(process.state, f"state {process.state}")
