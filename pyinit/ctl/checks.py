"""All checks of ``pyinitctl doctor``, in the order in which they are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinit.ctl import checks_code, checks_limits, checks_processes, checks_stop
from pyinit.ctl.checks_case import PROBLEM, Finding, NotChecked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pyinit.ctl.checks_case import Case

    Check = Callable[[Case], Iterable[Finding | NotChecked]]

# What each can find, and the function that looks.
CHECKS: tuple[tuple[tuple[str, ...], Check], ...] = (
    (("proc-missing", "proc-of-another-namespace"), checks_limits.proc_missing),
    (("proc-hidepid",), checks_limits.proc_hidden),
    (("ended",), checks_processes.ending),
    (("init-kind",), checks_stop.init_kind),
    (("stop-ignored",), checks_stop.stop_ignored),
    (("shell-between",), checks_stop.shell_between),
    (("stop-not-heeded",), checks_stop.stop_not_heeded),
    (("stop-timeout",), checks_stop.stop_timeout),
    (("not-a-subreaper",), checks_processes.subreaper),
    (("no-cap-kill",), checks_processes.cap_kill),
    (("python-variables",), checks_code.python_variables),
    (("loader-variables",), checks_code.loader_variables),
    (("init-threads",), checks_code.threads),
    (("zombies",), checks_processes.zombies),
    (("stopped-processes",), checks_processes.stopped),
    (("frozen",), checks_processes.frozen),
    (("process-group",), checks_processes.process_group),
    (("terminal-foreground",), checks_processes.foreground),
    (("listen-pid", "listen-fds"), checks_processes.listen_pid),
    (("oom-kills",), checks_limits.oom_kills),
    (("pids-limit",), checks_limits.pids),
    (("descriptors-limit",), checks_limits.descriptors),
    (("user-processes-limit",), checks_limits.user_processes),
    (("pid-max", "threads-max"), checks_limits.system),
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
    for each in checks_processes.unseen(case):
        report.not_checked.append(each)
    for ids, check in CHECKS:
        if case.container.init is None and check is not checks_limits.proc_missing:
            report.not_checked += [NotChecked(each, "PID 1 cannot be seen") for each in ids]
            continue
        said = list(check(case))
        report.findings += [each for each in said if isinstance(each, Finding)]
        report.not_checked += [each for each in said if isinstance(each, NotChecked)]
        report.passed += [each for each in ids if each not in [one.id for one in said]]
    report.findings.sort(key=lambda each: each.severity != PROBLEM)
    return report
