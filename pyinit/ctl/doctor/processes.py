"""Checks of the processes: zombies, stopped ones, terminals, rights, sockets handed on."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pyinit.compat import program
from pyinit.ctl import common
from pyinit.ctl.doctor.case import HINT, PROBLEM, Finding, NotChecked
from pyinit.ctl.kinds import PYINIT, SHELL
from pyinit.ctl.view import ProcessView
from pyinit.kernel import cgroups

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyinit.ctl.doctor.case import Case
    from pyinit.ctl.kinds import FoundInit

# Who reaps at all has done it by then.
_REAPED_WITHIN_S = 0.3

_CAP_KILL = 5

# The first descriptor that is handed on; SD_LISTEN_FDS_START of sd_listen_fds(3).
_FIRST_FD = 3


def zombies(case: Case) -> Iterator[Finding]:
    """Who has ended and is not reaped, by parent."""
    by_parent: dict[int, list[ProcessView]] = {}
    for each in _lasting(each for each in case.container.processes.values() if each.is_zombie):
        by_parent.setdefault(each.parent, []).append(each)
    for pid, group in by_parent.items():
        parent = case.container.processes.get(pid)
        names = sorted({each.name for each in group})
        number = "a zombie" if len(group) == 1 else f"{len(group)} zombies"
        whose, why, remedy = _why_not_reaped(case, pid, parent)
        yield Finding(
            "zombies",
            PROBLEM,
            f"{number} ({', '.join(names[:5])}{', ...' if names[5:] else ''}) of {whose}",
            why,
            remedy,
            (*([parent] if parent else []), *group),
        )


def _lasting(found: Iterator[ProcessView]) -> list[ProcessView]:
    """Return who is still a zombie after a while: everybody is one for a moment."""
    candidates = list(found)
    if candidates:
        time.sleep(_REAPED_WITHIN_S)
    return [each for each in candidates if _is_still(each)]


def _is_still(zombie: ProcessView) -> bool:
    try:
        now = ProcessView(zombie.pid)
    except OSError:
        return False
    if not now.is_zombie or now.start != zombie.start:
        return False
    zombie.parent = now.parent
    return True


def _why_not_reaped(case: Case, pid: int, parent: ProcessView | None) -> tuple[str, str, str]:
    """Return whose zombies they are, why that matters, and what to do."""
    holds = "each keeps its PID until it is reaped, and the number of PIDs is limited"
    if parent is None:
        outer = case.container.everybody.get(pid)
        whose = f"{outer.name} ({pid} here)" if outer else "a process that cannot be seen from here"
        return (
            f"a parent outside of the container, {whose}",
            "PID 1 cannot reap them, and the container cannot end before they are reaped",
            "end or repair that parent: `docker exec` and nsenter are parents outside",
        )
    if parent.state in "Tt":
        return f"{parent.says()}, which is stopped", holds, f"kill -CONT {parent.pid}"
    if parent.inner == 1:
        return (
            f"PID 1, {parent.says()}, which does not reap",
            f"orphans are children of PID 1, and only PID 1 can reap them: {holds}",
            "an init in front of it: `pyinit -- COMMAND`, or `docker run --init`",
        )
    return (
        f"{parent.says()}, which does not reap",
        f"{holds}; PID 1 gets them only when that parent ends",
        "have the parent wait(2) for every child, or ignore SIGCHLD; its end frees them too",
    )


def stopped(case: Case) -> Iterator[Finding]:
    """Who acts on no TERM."""
    found = [each for each in case.container.processes.values() if each.state in "Tt"]
    init = case.init
    if init is not None and init.process in found:
        yield Finding(
            "stopped-processes",
            PROBLEM,
            f"PID 1, {init.process.says()}, is stopped",
            "it relays no signal and reaps no process",
            f"kill -CONT {init.process.pid}, from outside; or end its tracer",
            (init.process,),
        )
        found.remove(init.process)
    if not found:
        return
    continues = init is not None and init.kind.name == PYINIT
    yield Finding(
        "stopped-processes",
        HINT if continues else PROBLEM,
        f"stopped: {', '.join(each.says() for each in found[:5])}",
        "pyinit continues them when it stops; until then they do nothing"
        if continues
        else "they act on TERM only after a CONT, which this PID 1 does not send: a stop takes its "
        "whole time-out",
        f"kill -CONT {' '.join(str(each.pid) for each in found[:5])}",
        tuple(found),
    )


def frozen(case: Case) -> Iterator[Finding | NotChecked]:
    """Whether the container is frozen as a whole."""
    if case.init is None:
        yield NotChecked("frozen", "PID 1 cannot be seen")
        return
    try:
        directory = cgroups.freezer_of(case.init.process.pid)
    except OSError as error:
        yield NotChecked("frozen", error.strerror or str(error))
        return
    if directory is None or not _is_frozen(directory):
        return
    yield Finding(
        "frozen",
        PROBLEM,
        f"the container is frozen, by {directory}",
        "its processes do not run and take no signal, not even KILL with cgroups of version 1",
        f"`pyinitctl thaw {case.init.process.pid}`, `docker unpause`",
        (case.init.process,),
    )


def _is_frozen(directory: str) -> bool:
    for name, thawed in (("freezer.state", "THAWED"), ("cgroup.freeze", "0")):
        try:
            return Path(directory, name).read_text(encoding="ascii").strip() != thawed
        except OSError:
            continue
    return False


def process_group(case: Case) -> Iterator[Finding]:
    """Whether what is typed reaches an init and its command alike."""
    for init in case.inits:
        process = init.process
        if not process.terminal or init.kind.name in (PYINIT, SHELL):
            continue  # pyinit relays what the terminal sent to both only once
        child = case.main_child(init)
        if child is None or (child.group, child.terminal) != (process.group, process.terminal):
            continue
        relayed = init.kind.relays
        yield Finding(
            "process-group",
            HINT,
            f"{process.says()} and {child.says()} are in one process group of a terminal",
            "a ^C reaches the command twice, from the terminal and relayed"
            if relayed
            else "a ^C reaches both at once: each acts on it by itself",
            "pyinit gives its command a group of its own" + (" (no -c here)" if relayed else ""),
            (process, child),
        )


def foreground(case: Case) -> Iterator[Finding]:
    """Whether somebody has the terminal's foreground who can use it."""
    seen = set()
    everybody = case.container.everybody.values()
    for process in case.container.processes.values():
        place = (process.terminal, process.foreground)
        if process.is_zombie or place in seen or process.terminal == 0 or process.foreground <= 0:
            continue
        seen.add(place)
        group = [
            each for each in everybody if each.group == process.foreground and not each.is_zombie
        ]
        if any(each.state not in "Tt" for each in group):
            continue
        who = ", ".join(each.says() for each in group)
        yield Finding(
            "terminal-foreground",
            HINT,
            f"the foreground of the terminal of {process.says()} belongs to a process group "
            + (f"that is stopped: {who}" if group else f"that has ended, {process.foreground}"),
            "input reaches no program, and TTIN stops a process that reads from the terminal",
            "`fg` in the shell there, or end that process group; a program that hands a terminal "
            "over (tcsetpgrp(3)) has to take it back",
            tuple(group) or (process,),
        )


def subreaper(case: Case) -> Iterator[Finding | NotChecked]:
    """Whether an init that is not PID 1 gets the orphans that it is there to reap."""
    for init in case.inits:
        if init.process.inner == 1:
            continue
        if init.settings is None:
            yield NotChecked("not-a-subreaper", f"{init.process.says()}: {init.why_not}")
        elif not init.settings.subreaper:
            reaped = case.init is not None and case.init.kind.reaps
            yield Finding(
                "not-a-subreaper",
                HINT if reaped else PROBLEM,
                f"{init.process.says()} is neither PID 1 nor a subreaper",
                "orphans below it go to another process: it neither reaps nor ends them"
                + (", PID 1 does" if reaped else ""),
                _how_to_reap(init),
                (init.process,),
            )


def _how_to_reap(init: FoundInit) -> str:
    family = init.kind.name
    if family == PYINIT:
        family = "" if init.settings is None or not init.settings.alias else init.settings.alias
        if not family:
            return "leave --no-subreaper (PYINIT_SUBREAPER=0) out"
    if program.family(family) == program.TINI:
        return f"`{family} -s` (TINI_SUBREAPER=1), or make it PID 1"
    return "make it PID 1; or `pyinit -- COMMAND`, which is a subreaper wherever it is not PID 1"


def cap_kill(case: Case) -> Iterator[Finding]:
    """Whether an init may signal whoever is in the container."""
    for init in case.inits:
        sender = init.process
        if sender.has("CapEff", _CAP_KILL) or sender.is_zombie:
            continue
        others = [
            each
            for each in case.container.processes.values()
            if each is not sender
            and not each.is_zombie
            and (init.process.inner == 1 or case.container.descends(each, [sender.pid]))
            and not _may_signal(sender, each)
        ]
        if not others:
            continue
        child = case.main_child(init)
        what = f"{sender.says()} has no CAP_KILL, and others run as another user: "
        yield Finding(
            "no-cap-kill",
            PROBLEM if child in others else HINT,
            what + ", ".join(each.says() for each in others[:5]),
            "it cannot send them any signal, not even a stop: they are killed at the end"
            if child in others
            else "it cannot ask them to end: they are killed at the end without TERM",
            "`docker run --cap-add KILL` (capabilities: add: [KILL]), or the same user for all",
            (sender, *others),
        )


def _may_signal(sender: ProcessView, target: ProcessView) -> bool:
    """Return whether kill(2) allows it without CAP_KILL."""
    real, effective, *_ = sender.uids
    return not {real, effective}.isdisjoint((target.uids[0], target.uids[2]))


def listen_pid(case: Case) -> Iterator[Finding | NotChecked]:
    """Whether sockets for activation are taken by whom they were handed to; sd_listen_fds(3)."""
    for process in _services(case):
        try:
            environ = process.environ()
        except OSError:
            yield NotChecked("listen-pid", f"{process.says()}: its environment may not be read")
            continue
        if b"LISTEN_FDS" not in environ:
            continue
        named = os.fsdecode(environ.get(b"LISTEN_PID", b""))
        if named != str(process.inner):
            yield Finding(
                "listen-pid",
                PROBLEM,
                f"LISTEN_PID of {process.says()} is {named or 'missing'}, and not {process.inner}",
                "the service takes the sockets for those of another process and ignores them: a "
                "client that connects waits",
                "use pyinit or catatonit as the init: they correct LISTEN_PID if it names them; "
                "so what starts the init has to set it to the init's PID in the container",
                (process,),
            )
        yield from _closed(process, os.fsdecode(environ[b"LISTEN_FDS"]))


def _services(case: Case) -> Iterator[ProcessView]:
    """Yield whom sockets that came from outside are for."""
    wrappers = [each for each in case.inits if each.kind.runs_command]
    for init in wrappers:
        child = case.main_child(init)
        if child is not None and child not in [each.process for each in wrappers]:
            yield child
    if case.init is not None and not case.init.kind.runs_command:
        yield case.init.process


def _closed(process: ProcessView, count: str) -> Iterator[Finding | NotChecked]:
    if not count.isdecimal():
        return
    try:
        opened = {int(name) for name in os.listdir(f"/proc/{process.pid}/fd")}
    except OSError:
        yield NotChecked("listen-fds", f"{process.says()}: its descriptors may not be seen")
        return
    # A number from outside: no list of that many is to be made.
    last = _FIRST_FD + int(count)
    if len([fd for fd in opened if _FIRST_FD <= fd < last]) < int(count):
        yield Finding(
            "listen-fds",
            HINT,
            f"{process.says()} was handed LISTEN_FDS={count}, and not all of {_FIRST_FD} to "
            f"{last - 1} are open",
            "it has closed or moved them, or they were closed on the way to it",
            "use no wrapper that closes descriptors, as sudo(8) and some shells do",
            (process,),
        )


def unseen(case: Case) -> Iterator[NotChecked]:
    """Who could not be looked at at all."""
    if case.container.level is None:
        return
    if case.container.unseen:
        number = common.count(case.container.unseen)
        yield NotChecked(
            "processes", f"{number} may be here, or in other containers: no right to look"
        )


def ending(case: Case) -> Iterator[Finding]:
    """Whether PID 1 has ended and the container has not."""
    init = case.container.init
    if init is None or not init.is_zombie:
        return
    outer = case.container.everybody.get(init.parent)
    who = f"{outer.name} ({outer.pid} here)" if outer else "its parent outside"
    yield Finding(
        "ended",
        PROBLEM,
        f"PID 1, {init.says()}, has ended, and {who} does not reap it",
        "the container has ended, but its name cannot be used again until PID 1 is reaped",
        "see what that parent waits for",
        (init,),
    )
