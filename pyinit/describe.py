"""Names and states of processes, for the log: psutil names and describes, it never decides.

Loaded with the first event that needs it.
"""

import posix

from pyinit import scope, sigset


def name(pid: int) -> str | None:
    """Return the name of process ``pid``, or None when /proc cannot tell."""
    if not scope.proc_is_ours():
        return None
    import psutil

    try:
        return psutil.Process(pid).name()
    except psutil.Error:
        return None


def names(processes: list[scope.Process]) -> list[str]:
    """Return ``NAME[PID]`` of each process."""
    return [f"{name(process.pid) or '?'}[{process.pid}]" for process in processes]


def end(code: int, status: int) -> dict[str, object]:
    """Return how a process ended, from si_code and si_status of waitid(2)."""
    if code == posix.CLD_EXITED:
        return {"exit_code": status}
    return {"signal": sigset.name(status)}


def blockers(processes: list[scope.Process]) -> list[str]:
    """Return ``NAME[PID]: why`` of each process that SIGKILL has not ended."""
    reasons = {"D": "in an uninterruptible wait", "t": "traced", "Z": "its threads live on"}
    return [
        f"{label}: {reasons.get(process.state, 'state ' + process.state)}"
        for label, process in zip(names(processes), processes, strict=True)
    ]
