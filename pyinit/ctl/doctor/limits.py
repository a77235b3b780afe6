"""Checks of what surrounds the processes: /proc, limits that are nearly reached, OOM kills."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pyinit.ctl import common
from pyinit.ctl.doctor.case import HINT, PROBLEM, Finding, NotChecked
from pyinit.kernel import cgroups, oom

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyinit.ctl.doctor.case import Case
    from pyinit.ctl.view import ProcessView

# From there on a limit counts as near.
_NEAR = 0.8
# From there on memory is short enough for a hint: a part of what is resident is shared.
_SHORT = 0.5
_LIMIT = {1: "memory.limit_in_bytes", 2: "memory.max"}

# CAP_SYS_ADMIN and CAP_SYS_RESOURCE, either of which lifts RLIMIT_NPROC; see getrlimit(2).
_UNLIMITED = (21, 24)

_MOUNT = "mount it again: `mount -t proc proc /proc`, or `unshare --mount-proc`"


def proc_missing(case: Case) -> Iterator[Finding | NotChecked]:
    """Whether the container has a /proc, and whether that is its own."""
    if case.container.is_own:
        yield from _own_proc(case)
        return
    init = case.container.init
    if init is None or init.is_zombie:
        yield NotChecked("proc-of-another-namespace", "PID 1 has ended, and its mounts with it")
        return
    try:
        os.stat(f"/proc/{init.pid}/root")
    except OSError as error:
        reason = f"the root directory of PID 1 may not be looked at: {error.strerror}"
        yield NotChecked("proc-of-another-namespace", reason)
        return
    root = f"/proc/{init.pid}/root/proc"
    if not os.path.exists(f"{root}/uptime"):
        yield _no_proc("the container has no /proc")
    elif not _is_in(f"{root}/1", case.container.inode):
        yield _other_proc("/proc in the container shows another PID namespace")


def _is_in(directory: str, inode: int | None) -> bool:
    """Return whether the process of a directory of /proc is in that PID namespace.

    That of a container's own PID 1 may be looked at, or we would not be here.
    """
    try:
        return os.stat(f"{directory}/ns/pid").st_ino == inode
    except OSError:
        return False


def _own_proc(case: Case) -> Iterator[Finding]:
    if case.container.proc_is_ours:
        return
    if not os.path.exists("/proc/1/status"):
        yield _no_proc("there is no /proc here")
    else:
        yield _other_proc("/proc here shows another PID namespace than ours")


def _no_proc(what: str) -> Finding:
    return Finding(
        "proc-missing",
        PROBLEM,
        what,
        "ps, kill by name, many runtimes and libraries need it; an init that is a subreaper cannot "
        "see which processes it has to end",
        _MOUNT,
    )


def _other_proc(what: str) -> Finding:
    return Finding(
        "proc-of-another-namespace",
        PROBLEM,
        what,
        "its numbers are other processes: tools that signal by them (pkill, PID files) hit the "
        "wrong ones, and do not find themselves",
        _MOUNT,
    )


def proc_hidden(case: Case) -> Iterator[Finding | NotChecked]:
    """Whether processes of other users are hidden; hidepid in proc(5)."""
    who = "self" if case.container.is_own else None
    if who is None:
        if case.container.init is None:
            yield NotChecked("proc-hidepid", "PID 1 cannot be seen")
            return
        who = str(case.container.init.pid)
    try:
        lines = Path(f"/proc/{who}/mountinfo").read_text(errors="replace").splitlines()
    except OSError as error:
        yield NotChecked("proc-hidepid", f"its mounts cannot be seen: {error.strerror}")
        return
    for line in lines:
        before, _, after = line.partition(" - ")
        if before.split(" ")[4] != "/proc" or not after.startswith("proc "):
            continue
        options = after.rpartition(" ")[2].split(",")
        hidden = [each for each in options if each.startswith("hidepid=")]
        if hidden and hidden[0] not in ("hidepid=0", "hidepid=off"):
            yield Finding(
                "proc-hidepid",
                HINT,
                f"/proc is mounted with {hidden[0]}",
                "ordinary users do not see the processes of others: tools, probes and an init "
                "that runs as a user and is not PID 1 miss them",
                "mount -o remount,hidepid=0 /proc, where that matters",
            )


def oom_kills(case: Case) -> Iterator[Finding | NotChecked]:
    """Whether the kernel has killed for want of memory."""
    init = case.container.init
    number = None if init is None else oom.Counter(init.pid).read()
    if number is None:
        yield NotChecked("oom-kills", "there is no memory cgroup here that counts them")
    elif number:
        yield Finding(
            "oom-kills",
            PROBLEM,
            f"the kernel has killed {common.count(number)} of this cgroup, because no memory was "
            "left",
            "if it was not the main child, the container goes on, and nothing outside reports "
            "the kill",
            "a higher memory limit, fewer workers or threads, or find the leak; "
            "`pyinit --on-oom stop` ends the container when it happens",
        )


def oom_choice(case: Case) -> Iterator[Finding]:
    """Whether the OOM killer would choose PID 1 before all others, and memory is short."""
    init = case.container.init
    if init is None:
        return
    limit = _memory_limit(init.pid)
    sizes = {each: _badness(each) for each in case.container.processes.values()}
    used = sum(size for _, size in sizes.values())
    largest = max(sizes, key=lambda each: sizes[each])
    if limit is None or used < limit * _SHORT or largest is not init:
        return
    yield Finding(
        "oom-init-first",
        HINT,
        f"{init.says()} is the largest process, and {used >> 20} of {limit >> 20} MiB are in use",
        "when memory runs out the OOM killer chooses the largest process: PID 1, and the container "
        "ends with it, instead of one worker",
        "`pyinit --oom-score-adj 500` has the command's processes chosen before it",
        (init,),
    )


def _memory_limit(pid: int) -> int | None:
    """Return that of its cgroup in bytes, None for none."""
    counter = oom.Counter(pid)
    return _number(counter.directory, _LIMIT[counter.version]) if counter.version else None


def _badness(process: ProcessView) -> tuple[int, int]:
    """Return oom_score_adj and the size in bytes; the size decides between equal ones."""
    try:
        adjustment = Path(f"/proc/{process.pid}/oom_score_adj").read_text(encoding="ascii")
        return int(adjustment), process.resident_bytes
    except OSError:
        return 0, 0  # it has ended


def pids(case: Case) -> Iterator[Finding | NotChecked]:
    """Whether the cgroup has room for more processes and threads."""
    directories = _directories(case)
    if not directories:
        yield NotChecked("pids-limit", "no cgroup can be seen here")
        return
    for directory in directories:
        for place in _upwards(directory):
            used, most = _number(place, "pids.current"), _number(place, "pids.max")
            if used is not None and most is not None and used >= most * _NEAR:
                yield _near(
                    "pids-limit",
                    f"{used} of {most} processes and threads of {place}",
                    "`docker run --pids-limit` (podPidsLimit, TasksMax) sets the limit; or find "
                    "the program that starts so many",
                )


def _upwards(directory: str) -> Iterator[str]:
    """Yield the cgroup and those above it, which bound it too."""
    while os.path.exists(f"{directory}/pids.current"):
        yield directory
        directory = os.path.dirname(directory)


def _number(directory: str, name: str) -> int | None:
    try:
        text = Path(directory, name).read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None


def _near(check: str, used: str, remedy: str, *processes: ProcessView) -> Finding:
    return Finding(
        check,
        PROBLEM,
        f"{used} are in use",
        "at the limit the next request fails: fork(2) with EAGAIN, open(2) with EMFILE",
        remedy,
        processes,
    )


def descriptors(case: Case) -> Iterator[Finding | NotChecked]:
    """Whether each process may open more files."""
    unreadable = 0
    for process in case.container.processes.values():
        if process.is_zombie:
            continue
        try:
            used = len(os.listdir(f"/proc/{process.pid}/fd"))
            most = process.limit("Max open files")
        except PermissionError:
            unreadable += 1
        except OSError:
            continue  # it has ended
        else:
            if most is not None and used >= most * _NEAR:
                yield _near(
                    "descriptors-limit",
                    f"{used} of {most} descriptors of {process.says()}",
                    "`docker run --ulimit nofile=N`, LimitNOFILE, setrlimit(2); or find what "
                    f"does not close them: ls -l /proc/{process.pid}/fd",
                    process,
                )
    if unreadable:
        number = common.count(unreadable)
        yield NotChecked("descriptors-limit", f"the descriptors of {number} may not be seen")


def user_processes(case: Case) -> Iterator[Finding]:
    """Whether each user may start more processes; RLIMIT_NPROC counts threads, all of a user's."""
    used: dict[int, int] = {}
    for each in case.container.everybody.values():
        used[each.uids[0]] = used.get(each.uids[0], 0) + each.threads
    told = set()
    for process in case.container.processes.values():
        uid = process.uids[0]
        if uid in told:
            continue
        try:
            most = None if _is_unlimited(process) else process.limit("Max processes")
        except OSError:
            continue  # it has ended
        if most is not None and used[uid] >= most * _NEAR:
            told.add(uid)
            yield _near(
                "user-processes-limit",
                f"{used[uid]} of {most} processes and threads of user {uid}, as {process.says()} "
                "is limited,",
                "`docker run --ulimit nproc=N`, LimitNPROC; the count is of all containers of that "
                "user, so give each a user of its own",
                process,
            )


def _is_unlimited(process: ProcessView) -> bool:
    """Return whether RLIMIT_NPROC does not bind a process.  Raises OSError.

    Those of root and of the two capabilities count in the first user namespace only
    (copy_process in the kernel's fork.c), which has every number mapped to itself.
    """
    words = Path(f"/proc/{process.pid}/uid_map").read_text(encoding="ascii").split()
    if words != ["0", "0", str(2**32 - 1)]:
        return False
    return process.uids[0] == 0 or any(process.has("CapEff", each) for each in _UNLIMITED)


def system(case: Case) -> Iterator[Finding]:
    """Whether there are numbers and threads left at all."""
    threads = sum(each.threads for each in case.container.everybody.values())
    total = Path("/proc/loadavg").read_text(encoding="ascii").split()[3].partition("/")[2]
    for check, used, name in (
        ("pid-max", threads, "pid_max"),
        ("threads-max", int(total), "threads-max"),
    ):
        most = _number("/proc/sys/kernel", name)
        if most is not None and used >= most * _NEAR:
            yield _near(check, f"{used} of {most} (kernel.{name})", f"sysctl -w kernel.{name}=N")


def _directories(case: Case) -> list[str]:
    init = case.container.init
    try:
        return [] if init is None else cgroups.directories_of(init.pid)
    except OSError:
        return []
