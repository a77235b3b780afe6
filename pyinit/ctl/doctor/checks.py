"""All checks of ``pyinitctl doctor``, in the order in which they are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinit.ctl.doctor import code, limits, processes, services, stop, workers
from pyinit.ctl.doctor.case import PROBLEM, Finding, NotChecked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pyinit.ctl.doctor.case import Case

    Check = Callable[[Case], Iterable[Finding | NotChecked]]

# What each can find, and the function that looks.
CHECKS: tuple[tuple[tuple[str, ...], Check], ...] = (
    (("proc-missing", "proc-of-another-namespace"), limits.proc_missing),
    (("proc-hidepid",), limits.proc_hidden),
    (("ended",), processes.ending),
    (("init-kind",), stop.init_kind),
    (("stop-ignored",), stop.stop_ignored),
    (("shell-between",), stop.shell_between),
    (("shell-above-workers",), workers.shell_above),
    (("stop-not-heeded",), stop.stop_not_heeded),
    (("stop-timeout",), stop.stop_timeout),
    (("not-a-subreaper",), processes.subreaper),
    (("no-cap-kill",), processes.cap_kill),
    (("python-variables",), code.python_variables),
    (("loader-variables",), code.loader_variables),
    (("init-threads",), code.threads),
    (("zombies",), processes.zombies),
    (("stopped-processes",), processes.stopped),
    (("services-failing",), services.failing),
    (("frozen",), processes.frozen),
    (("process-group",), processes.process_group),
    (("terminal-foreground",), processes.foreground),
    (("listen-pid", "listen-fds"), processes.listen_pid),
    (("oom-kills",), limits.oom_kills),
    (("oom-init-first",), limits.oom_choice),
    (("pids-limit",), limits.pids),
    (("descriptors-limit",), limits.descriptors),
    (("user-processes-limit",), limits.user_processes),
    (("pid-max", "threads-max"), limits.system),
)


class Report:
    """What was found, which checks found nothing, and what could not be looked at."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.passed: list[str] = []
        self.not_checked: list[NotChecked] = []

    @property
    def problems(self) -> list[Finding]:
        """Return what is wrong, without the hints."""
        return [each for each in self.findings if each.severity == PROBLEM]


def examine(case: Case) -> Report:
    """Make all checks; what is wrong comes first."""
    report = Report()
    for each in processes.unseen(case):
        report.not_checked.append(each)
    for ids, check in CHECKS:
        if case.container.init is None and check is not limits.proc_missing:
            report.not_checked += [NotChecked(each, "PID 1 cannot be seen") for each in ids]
            continue
        said = list(check(case))
        report.findings += [each for each in said if isinstance(each, Finding)]
        report.not_checked += [each for each in said if isinstance(each, NotChecked)]
        report.passed += [each for each in ids if each not in [one.id for one in said]]
    report.findings.sort(key=lambda each: each.severity != PROBLEM)
    return report
