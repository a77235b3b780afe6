"""All events: one entry each.

An entry has the event's name, its levels, its fields with their types, the words of
docs/events.md, and what a record makes of it: nothing, where there is no function.  The tables
of docs/events.md are made of it (``make manual``), and the tests check each log against it.

The type of a field is ``text``, ``number``, ``truth`` or ``list``.  In parentheses the field is
there only when there is something to say; with ``?`` it may be null.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pyinit.report.facts import Facts

    # Of the facts, the seconds since the start, and the fields of the event.
    Note = Callable[..., None]


class Event:
    """One entry; ``group`` is the heading under which docs/events.md has it."""

    __slots__ = ("fields", "group", "levels", "note", "text")

    def __init__(self, group: str, levels: str, fields: dict[str, str], text: str) -> None:
        self.group = group
        self.levels = levels.split(", ")
        self.fields = fields
        self.text = text
        self.note: Note | None = None


EVENTS: dict[str, Event] = {}

_RUN = "The run"
_SIGNALS = "Signals"
_STOPPING = "Stopping"
_LEFT = "What is left"
_SERVICES = "Services"
_TROUBLE = "Trouble"


def _event(
    group: str, name: str, levels: str, text: str, /, **fields: str
) -> Callable[[Note], Note]:
    """Enter an event, and return what adds the note that a record takes of it."""
    entry = EVENTS[name] = Event(group, levels, fields, text)

    def add(note: Note) -> Note:
        entry.note = note
        return note

    return add


# -- The run.


@_event(
    _RUN,
    "init_started",
    "info",
    "at the start; role is `init` (PID 1), `subreaper`, or `parent` where `--no-subreaper` makes "
    "it neither",
    version="text",
    pid="number",
    role="text",
)
def _init_started(facts: Facts, _: float, *, role: str, **__: object) -> None:
    facts.role = role


@_event(
    _RUN,
    "child_started",
    "info",
    "the command runs: the time is that of its start",
    pid="number",
    command="list",
)
def _child_started(facts: Facts, _: float, *, pid: int, **__: object) -> None:
    facts.child = {
        "pid": pid,
        "state": "running",
        "exit_code": None,
        "signal": None,
        "core_dumped": False,
        "at_s": None,
    }


@_event(
    _RUN,
    "child_stopped",
    "info",
    "something stopped the command, such as SIGSTOP or ^Z",
    pid="number",
    signal="text",
)
def _child_stopped(facts: Facts, _: float, **__: object) -> None:
    facts.change_child(state="stopped")


@_event(_RUN, "child_continued", "info", "the stopped command runs again", pid="number")
def _child_continued(facts: Facts, _: float, **__: object) -> None:
    facts.change_child(state="running")


@_event(
    _RUN,
    "child_exited",
    "info",
    "the command has ended; `signal` is there if a signal ended it",
    pid="number",
    exit_code="number",
    signal="(text)",
    core_dumped="(truth)",
)
def _child_exited(
    facts: Facts,
    at: float,
    *,
    exit_code: int,
    signal: str | None = None,
    core_dumped: bool = False,
    **_: object,
) -> None:
    facts.change_child(
        state="ended", exit_code=exit_code, signal=signal, core_dumped=core_dumped, at_s=at
    )
    if facts.stop is not None:
        facts.stop["took_s"] = round(at - facts.stop["at_s"], 6)


@_event(
    _RUN,
    "child_status_lost",
    "error",
    "the command is gone, and its wait status is lost: another thread of the program took"
    " it, or pyinit failed; the exit code is 125",
    pid="number",
    exit_code="number",
)
def _child_status_lost(facts: Facts, _: float, **__: object) -> None:
    facts.change_child(status_lost=True)


_event(
    _RUN,
    "child_not_killed",
    "warning",
    "pyinit may not send the plan's KILL (EPERM: a set-user-ID program, or no CAP_KILL); "
    "as PID 1 it then ends with 137, and the kernel ends the rest; a subreaper waits",
    pid="number",
    effect="text",
)
_event(
    _RUN,
    "exiting",
    "info, warning",
    "pyinit ends; `cause` says why in words, `summary` is the whole run in one line; at "
    "warning after [a bad end](#a-bad-end-explains-itself)",
    exit_code="number",
    uptime_s="(number)",
    cause="(text)",
    summary="(text)",
)
_event(_RUN, "pausing", "info", "there is no command (`--pause`)")


# -- Signals.


@_event(
    _SIGNALS,
    "signal_received",
    "info, debug",
    "pyinit got a signal; at info for a stop signal, at debug for any other",
    signal="text",
    stop="truth",
    origin="text",
    sender_pid="number?",
    sender_uid="number?",
    sender_name="text?",
)
def _signal_received(facts: Facts, at: float, *, signal: str, stop: bool, **sender: object) -> None:
    facts.count_signal(signal, sender, at)
    if facts.stop is not None:
        facts.stop["count"] += stop
    elif stop or signal == facts.end_signal:
        facts.begin_stop(signal, sender, at)
        if not stop:
            facts.escalate("SIGKILL", 0.0)


@_event(
    _SIGNALS,
    "signal_relayed",
    "debug, info",
    "pyinit sent the signal to the command, or to its group if `target` is negative; "
    "`received` is the signal that `--rewrite` replaced; at info if `--drain` had held it"
    " back",
    signal="text",
    received="(text)",
    target="number",
)
def _signal_relayed(
    facts: Facts, at: float, *, signal: str, received: str | None = None, **_: object
) -> None:
    facts.note_relay(received or signal, signal, at)


@_event(
    _SIGNALS,
    "signal_ignored",
    "debug",
    "pyinit relays nothing, because `--rewrite` drops the signal or the terminal has sent"
    " it to the command already",
    received="text",
)
def _signal_ignored(facts: Facts, _: float, *, received: str) -> None:
    facts.note_ignored(received)


@_event(
    _SIGNALS,
    "signal_dropped",
    "warning",
    "pyinit could not relay the signal",
    signal="text",
    reason="text",
)
def _signal_dropped(facts: Facts, _: float, **__: object) -> None:
    facts.signals_dropped += 1


_event(
    _SIGNALS,
    "tracee_released",
    "debug",
    "a process or thread that had asked its parent to trace it (PTRACE_TRACEME in "
    "ptrace(2)) stopped for this signal; pyinit lets it continue with the signal, "
    "untraced",
    pid="number",
    signal="text",
)


@_event(
    _SIGNALS,
    "orphan_reaped",
    "debug, warning",
    "an orphan has ended; at warning with `--warn-on-reap`; `cpu_s` is the CPU time of "
    "the process and of those that it had waited for, null if Python's module `resource` "
    "cannot be loaded",
    pid="number",
    name="text?",
    exit_code="(number)",
    signal="(text)",
    cpu_s="number?",
)
def _orphan_reaped(
    facts: Facts, _: float, *, signal: str | None = None, exit_code: int = 0, **__: object
) -> None:
    facts.orphans["reaped"] += 1
    facts.orphans["killed"] += signal is not None
    facts.orphans["failed"] += exit_code != 0
    if facts.teardown is not None:
        facts.teardown["reaped"] += 1


_event(
    _SIGNALS,
    "orphans_not_told",
    "debug, warning",
    "after a thousand orphans in a row without a pause, pyinit only reaps and counts "
    "further ones, because reaping is much faster than logging; the report counts all",
    count="number",
)


# -- Stopping.


@_event(
    _STOPPING,
    "drain_started",
    "info",
    "a stop signal is held back (`--drain`)",
    drain_s="number",
)
def _drain_started(facts: Facts, _: float, *, drain_s: float) -> None:
    if facts.stop is not None:
        facts.stop["drain_s"] = drain_s


_event(
    _STOPPING,
    "pre_stop_failed",
    "warning",
    "the command of `--pre-stop` failed, or could not be started",
    exit_code="(number)",
    signal="(text)",
    reason="(text)",
)
_event(
    _STOPPING,
    "pre_stop_cut_short",
    "warning",
    "pyinit killed the command of `--pre-stop`, because the drain was over",
    drain_s="number",
)


@_event(
    _STOPPING,
    "stop_escalated",
    "warning",
    "a step of the plan (`--escalate`, `--stop-timeout`) was due",
    signal="text",
    after_s="number",
)
def _stop_escalated(facts: Facts, _: float, *, signal: str, after_s: float) -> None:
    facts.escalate(signal, after_s)


# -- What is left.


@_event(
    _LEFT,
    "leftovers_awaited",
    "info",
    "the command has ended, and pyinit waits for these processes, as `NAME[PID]` (`--wait-all`)",
    leftovers="list",
    count="number",
)
def _leftovers_awaited(facts: Facts, at: float, *, leftovers: list[str], count: int) -> None:
    facts.awaited = {"leftovers": leftovers, "count": count, "at_s": at}


@_event(
    _LEFT,
    "teardown_started",
    "info",
    "the command has ended, and these processes still run, as `NAME[PID]`",
    leftovers="list",
    count="number",
    grace_s="number",
)
def _teardown_started(
    facts: Facts, _: float, *, leftovers: list[str], count: int | None, grace_s: float
) -> None:
    facts.begin_teardown(leftovers, count, grace_s)


@_event(
    _LEFT,
    "leftover_killed",
    "info",
    "a leftover did not end within the grace, and got KILL",
    pid="number",
    name="text?",
)
def _leftover_killed(facts: Facts, _: float, *, pid: int, name: str | None) -> None:
    if facts.teardown is not None:
        facts.teardown["killed"].append(f"{name or '?'}[{pid}]")


_event(
    _LEFT,
    "leftovers_asked",
    "info",
    "under the name of dumb-init: the group of the command got this signal",
    signal="text",
)


@_event(
    _LEFT,
    "leftovers_blocked",
    "warning",
    "these leftovers did not end by SIGKILL either; each entry says why",
    leftovers="list",
    bound_s="number",
)
def _leftovers_blocked(facts: Facts, _: float, *, leftovers: list[str], **__: object) -> None:
    if facts.teardown is None:
        facts.begin_teardown([], None, 0.0)
    if facts.teardown is not None:
        facts.teardown["blocked"] = leftovers


@_event(
    _LEFT,
    "teardown_finished",
    "info",
    "no process is left, or none that the kernel can end",
    took_s="number",
    count="number",
    killed="number",
)
def _teardown_finished(facts: Facts, _: float, *, took_s: float, killed: int, **__: object) -> None:
    if facts.teardown is not None:
        facts.teardown |= {"took_s": took_s, "kills": killed}


# -- Services, of which their supervisor tells: no record is kept of them.

_event(
    _SERVICES,
    "services_note",
    "warning",
    "at the start: a setting in the file that pyinit leaves out or handles in another way",
    note="text",
)
_event(
    _SERVICES,
    "service_started",
    "info",
    "pyinit started the service's process",
    service="text",
    service_pid="number",
)
_event(
    _SERVICES,
    "service_not_started",
    "error",
    "the service's program could not be executed (exit code 126, 127 or 125), or its "
    "readiness cannot be watched",
    service="text",
    reason="text",
)
_event(
    _SERVICES,
    "service_ready",
    "info",
    "the service is ready, by the rule of its key `ready`",
    service="text",
)
_event(
    _SERVICES,
    "services_ready",
    "info",
    "all services are ready, for the first time",
    services="list",
)
_event(
    _SERVICES,
    "service_start_timed_out",
    "warning",
    "the service was not ready in time; pyinit stops it, and counts that as a failure",
    service="text",
    start_timeout_s="number",
)
_event(
    _SERVICES,
    "service_exited",
    "info, warning",
    "the service's process has ended; at warning if a task or a job has failed",
    service="text",
    exit_code="number?",
    signal="(text)",
)
_event(
    _SERVICES,
    "service_restarts",
    "warning",
    "the service starts again after the delay; `restarts` counts the restarts so far",
    service="text",
    exit_code="number?",
    signal="(text)",
    restarts="number",
    delay_s="number",
    last_lines="(list)",
)
_event(
    _SERVICES,
    "service_given_up",
    "error",
    "the service has failed, and its `restart-limit` is used up",
    service="text",
    exit_code="number?",
    signal="(text)",
    restarts="(number)",
    last_lines="(list)",
)
_event(
    _SERVICES,
    "service_failed",
    "warning",
    "the service has failed, and the others go on, because its entry says so",
    service="text",
    exit_code="number?",
    signal="(text)",
)
_event(
    _SERVICES,
    "service_cannot_start",
    "warning",
    "the service does not start, because services that it waits for have failed",
    service="text",
    failed="list",
)
_event(
    _SERVICES,
    "service_run_skipped",
    "warning",
    "a run of a job is due while the last one goes on, and is left out; logged once",
    service="text",
)
_event(
    _SERVICES,
    "service_killed",
    "warning",
    "the service did not end within its stop-timeout, and got KILL",
    service="text",
    stop_timeout_s="number",
)
_event(
    _SERVICES,
    "service_not_killed",
    "error",
    "`left` has the PIDs of processes that did not end within two seconds after KILL",
    service="text",
    left="list",
)
_event(
    _SERVICES,
    "services_stop",
    "info, warning",
    "the container's stop begins: because `service` has ended, or else by `cause`: a "
    "signal, or nothing left to run",
    service="(text)",
    cause="(text)",
    exit_code="(number?)",
    signal="(text)",
    restarts="(number)",
    last_lines="(list)",
)
_event(
    _SERVICES,
    "service_output_lost",
    "warning",
    "at the end, nothing could be written to stdout or stderr for two seconds, so the "
    "last lines of services are lost",
)


# -- Trouble.


@_event(
    _TROUBLE,
    "oom_kill",
    "warning",
    "the kernel's OOM killer has killed processes of the container: [OOM kills](oom.md)",
    kills="number",
    total="number",
    cgroup_version="number",
    pid="(number)",
    name="(text)",
    since="(text)",
)
def _oom_kill(
    facts: Facts, _: float, *, kills: int, pid: int = 0, since: str | None = None, **__: object
) -> None:
    # Those since the cgroup was made may be of before the run.
    is_of_run = since is None
    facts.oom_kills += kills if is_of_run else 0
    if facts.child is not None and pid == facts.child["pid"]:
        facts.child["oom_killed"] = True if is_of_run else None


_event(
    _TROUBLE,
    "unknown_variable",
    "warning",
    "a variable PYINIT_... belongs to no option, and its name is nearly that of an "
    "option's variable",
    variable="text",
    meant="text",
)
_event(
    _TROUBLE,
    "oom_not_watched",
    "warning",
    "the kernel cannot report OOM kills at once, as `--on-oom` needs it",
    reason="text",
    effect="text",
)
_event(
    _TROUBLE,
    "restarted",
    "warning, info",
    "[pyinit has started itself again](design.md#whose-code-runs-in-the-init), because other "
    "code than its own was in the process; at warning where that had started threads",
    without="list",
    threads="number",
)
_event(
    _TROUBLE,
    "not_restarted",
    "warning",
    "pyinit would have started itself again, but the interpreter does not work without "
    "these variables",
    without="list",
    reason="text",
)
_event(
    _TROUBLE,
    "other_threads",
    "warning",
    "there are threads in the process that are not pyinit's own, and may take signals",
    count="number",
    effect="text",
)
_event(
    _TROUBLE,
    "not_a_subreaper",
    "warning",
    "pyinit could not make itself a subreaper, so orphans go to another init",
    reason="text",
)
_event(
    _TROUBLE,
    "cannot_relay",
    "warning",
    "pyinit may not signal the command's user",
    user="text",
    reason="text",
)
_event(
    _TROUBLE,
    "not_notified",
    "warning",
    "pyinit could not reach the service manager of `--notify`",
    message="text",
    socket="text",
    reason="text",
)
_event(
    _TROUBLE,
    "not_written",
    "warning, info",
    "pyinit could not write a report, a status file or another file; it tries again at "
    "the next event",
    path="text",
    reason="text",
)
_event(
    _TROUBLE,
    "internal_error",
    "error",
    "a defect of pyinit; or it cannot load its files any more, or has no memory or "
    "descriptor left; it goes on ([what is missing "
    "then](design.md#when-nothing-can-be-loaded-any-more))",
    error="text",
    at="(text)",
)
_event(
    _TROUBLE,
    "structlog_missing",
    "info",
    "`effect` says what console lines lack without structlog",
    effect="text",
)
