"""Checks of a stop: that it reaches those whom it is for, and that they end in time."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from pyinit import signals
from pyinit.ctl.doctor.case import HINT, PROBLEM, Finding, NotChecked
from pyinit.ctl.kinds import PYINIT, SHELL
from pyinit.ctl.status import services
from pyinit.settings import LEAVE, LEFTOVERS, NAMES
from pyinit.stopping.teardown import KILL_BOUND_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyinit.ctl.doctor.case import Case
    from pyinit.ctl.kinds import FoundInit
    from pyinit.ctl.view import ProcessView


# Node.js catches these by itself, to leave a terminal as it was; seen with Node.js 20.
_OF_NODE = (signal.SIGINT, signal.SIGTERM)

# They block what they take, by signalfd(2).
_BY_SIGNALFD = ("systemd", "s6")

_WAITS = "a stop takes its whole time-out, and then KILL ends all at once, with work unfinished"


def init_kind(case: Case) -> Iterator[Finding]:
    """Say what PID 1 is, where it is not pyinit."""
    if case.init is None or case.init.kind.name == PYINIT:
        return
    process, kind = case.init.process, case.init.kind
    remedy = "`pyinit -- COMMAND` relays every signal, reaps every orphan and gives leftovers time"
    if kind.name in NAMES:
        remedy = f"`pyinit --as {kind.name}` takes the same flags, and PYINIT_GRACE=5 gives time"
    elif kind.name == "systemd":
        remedy = "STOPSIGNAL SIGRTMIN+3 in the image; or one command with pyinit around it"
    yield Finding(
        "init-kind",
        HINT,
        f"PID 1 is {kind.title}: {process.says()}",
        f"signals: {kind.signals}; orphans: {kind.orphans}; at its end {kind.end}",
        remedy,
        (process,),
    )


def stop_ignored(case: Case) -> Iterator[Finding | NotChecked]:
    """Say whether PID 1 takes the stop signal."""
    if case.init is None or case.init.process.is_zombie or case.init.kind.relays:
        return
    process, number = case.init.process, case.stop_signal
    word = _word(number)
    if process.does("Cgt", number):
        if case.init.kind.name == "node" and number in _OF_NODE:
            yield _node(process, word)
        return
    if process.does("Blk", number) and case.init.kind.name in _BY_SIGNALFD:
        return
    # A shell blocks all while it forks, and takes nothing that way.
    if (
        case.init.kind.name != SHELL
        and not process.does("Ign", number)
        and (process.does("Blk", number) or process.awaits_signals())
    ):
        yield Finding(
            "stop-ignored",
            HINT,
            f"{process.says()} has no handler for {word}, and may be waiting for it with "
            "sigwait(3) or signalfd(2)",
            f"if it does not, {_WAITS}",
            f"send it {word} once, and see whether it ends",
            (process,),
        )
        return
    how = "ignores" if process.does("Ign", number) else "has no handler for"
    yield Finding(
        "stop-ignored",
        PROBLEM,
        f"PID 1, {process.says()}, {how} {word}",
        f"the kernel discards signals that PID 1 has no handler for: {_WAITS}",
        _remedy(case, case.init),
        (process,),
    )


def _node(process: ProcessView, word: str) -> Finding:
    """Return what is to be said of a handler that Node.js installs itself."""
    return Finding(
        "stop-ignored",
        HINT,
        f"the handler that {process.says()} has for {word} may be Node's own",
        "Node's own handler restores the terminal and sends the signal again at its default, "
        f"which the kernel discards for a PID 1: {_WAITS}",
        f"process.on('SIG{word}', ...) in the program, or an init in front of it: "
        "`pyinit -- node ...`, `docker run --init`",
        (process,),
    )


def _remedy(case: Case, init: FoundInit) -> str:
    if init.kind.name == SHELL and case.container.children(init.process):
        return (
            'the exec form, ENTRYPOINT ["pyinit", "--", "COMMAND"], or `exec COMMAND` as the '
            "shell's last command"
        )
    return (
        f"an init in front of it, `pyinit -- {init.process.name} ...` (or `docker run --init`), or "
        "a handler in the program; where it has one for another signal: STOPSIGNAL in the image "
        "(and --stop-signal here)"
    )


def shell_between(case: Case) -> Iterator[Finding]:
    """Whether a shell stands between an init and the program that a stop is for."""
    if case.init is None:
        return
    if case.init.kind.name == SHELL:
        yield from _shell_is_init(case, case.init.process)
    for init in case.inits:
        yield from _shell_is_command(case, init)


def _shell_is_init(case: Case, shell: ProcessView) -> Iterator[Finding]:
    child = awaited(case, shell)
    if child is None or not _has_script(shell):
        return
    word = _word(case.stop_signal)
    if shell.does("Cgt", case.stop_signal):
        severity = HINT
        why = f"a shell runs its trap only when the command that it waits for has ended: {_WAITS}"
        remedy = "`exec` in front of the command; or `COMMAND & wait`, which a signal interrupts"
    else:
        severity = PROBLEM
        why = f"a shell passes no signal on: {child.name} gets none, and is killed at the end"
        remedy = (
            "the exec form of ENTRYPOINT and CMD, or `exec` in front of the command; where the "
            "shell has more to do afterwards, pyinit in front of the shell"
        )
    what = f"PID 1 is a shell, which does not pass {word} on to its command {child.says()}"
    yield Finding("shell-between", severity, what, why, remedy, (shell, child))


def _shell_is_command(case: Case, init: FoundInit) -> Iterator[Finding]:
    """Tell whose command is killed untold: tini relays to a shell, which just ends."""
    settings = init.settings
    shell = case.main_child(init)
    if settings is None or settings.group or settings.leftovers != LEAVE or shell is None:
        return
    if _named(shell) != SHELL or not _has_script(shell):
        return
    child = awaited(case, shell)
    stop = case.stops(init)
    if child is None or not stop or shell.does("Cgt", stop) or shell.does("Ign", stop):
        return
    yield Finding(
        "shell-between",
        PROBLEM,
        f"{init.kind.title} signals only the shell {shell.says()}, not its command {child.says()}",
        f"{_word(stop)} ends the shell, and then the kernel kills {child.name} at once, "
        "without TERM",
        f"the exec form of CMD, or `exec` in front of the command, or {init.kind.name} -g; pyinit "
        "gives TERM and a grace to processes that are left",
        (shell, child),
    )


def awaited(case: Case, shell: ProcessView) -> ProcessView | None:
    """Return the command that a shell waits for, and cannot do anything else meanwhile.

    Those in the background have INT ignored from their start on (2.11 of POSIX' Shell Command
    Language), which bash does itself with QUIT; with job control each has a group of its own.
    """
    number = signal.SIGINT
    for child in case.container.children(shell):
        is_background = child.does("Ign", number) and not shell.does("Ign", number)
        if not is_background and child.group == shell.group:
            return child
    return None


def _named(process: ProcessView) -> str:
    from pyinit.ctl import kinds

    return kinds.recognised(process).kind.name


def _has_script(shell: ProcessView) -> bool:
    return len(shell.command) > 1


def stop_not_heeded(case: Case) -> Iterator[Finding | NotChecked]:
    """Whether the command of an init takes what it gets for a stop."""
    for init in case.inits:
        child = case.main_child(init)
        if not init.kind.relays or child is None:
            continue
        if init.settings is None:
            yield NotChecked("stop-not-heeded", f"{init.process.says()}: {init.why_not}")
            continue
        if any(number == signal.SIGKILL for _, number in init.settings.escalation):
            continue
        stop, word = case.stops(init), _word(case.stop_signal)
        if not stop:
            what = f"{init.process.says()} drops {word}"
        elif child.does("Ign", stop):
            what = f"the command {child.says()} ignores {_word(stop)}, which it gets for a stop"
        else:
            continue
        yield Finding(
            "stop-not-heeded",
            PROBLEM,
            what,
            _WAITS,
            "a signal that it acts on (interactive shells: HUP), `pyinit -r TERM:HUP`; or a bound, "
            "`pyinit --stop-timeout 5`",
            (init.process, child),
        )


def stop_timeout(case: Case) -> Iterator[Finding | NotChecked]:
    """Whether all that pyinit does at a stop fits into the time that there is."""
    for init in case.inits:
        if init.kind.name != PYINIT:
            continue
        if init.settings is None:
            yield NotChecked("stop-timeout", f"{init.process.says()}: {init.why_not}")
            continue
        settings = init.settings
        plan_s = settings.escalation[-1][0] if settings.escalation else 0.0
        ends = settings.leftovers in LEFTOVERS
        grace_s, bound_s = (settings.grace_s, KILL_BOUND_S) if ends else (0.0, 0.0)
        services_s = 0.0
        if settings.services:
            found = services.read(init)
            told_s = (found.facts or {}).get("services_stop_timeout_s")
            if told_s is None:
                reason = found.problem or "no --status-file tells how long its services take"
                yield NotChecked("stop-timeout", f"{init.process.says()}: {reason}")
            # The plan ends the supervisor, whatever it waits for.
            services_s = told_s or 0.0
        if plan_s and services_s > plan_s:
            yield _cut_short(init, services_s, plan_s)
        services_s = 0.0 if plan_s else services_s
        needs_s = settings.drain_s + plan_s + services_s + grace_s + bound_s
        if needs_s <= case.stop_timeout_s:
            continue
        parts = (
            (settings.drain_s, "drain"),
            (plan_s, "until the last signal of the plan"),
            (services_s, "time-outs of services that stop one after another"),
            (grace_s, "grace"),
            (bound_s, "until KILL has ended all"),
        )
        sum_of = " + ".join(f"{time_s:g} s {name}" for time_s, name in parts if time_s)
        yield Finding(
            "stop-timeout",
            PROBLEM,
            f"a stop can take {needs_s:g} s ({sum_of}), but has {case.stop_timeout_s:g} s "
            f"({case.stop_timeout_of})",
            "the runtime's KILL comes first and cuts the grace short",
            f"`docker stop -t {needs_s:g}` (`docker run --stop-timeout`, stop_grace_period, "
            "terminationGracePeriodSeconds), or a smaller --drain, --stop-timeout or --grace; "
            "where the runtime gives another time, --stop-timeout here",
            (init.process,),
        )


def _cut_short(init: FoundInit, services_s: float, plan_s: float) -> Finding:
    return Finding(
        "stop-timeout",
        HINT,
        f"the services of {init.process.says()} can take {services_s:g} s to stop one after "
        f"another, but the plan ends their supervisor after {plan_s:g} s",
        "those that stop last get TERM and the grace, at the same time",
        f"`--stop-timeout {services_s:g}`, or smaller stop-timeouts of services",
        (init.process,),
    )


def _word(number: int) -> str:
    return signals.name(number).removeprefix("SIG")
