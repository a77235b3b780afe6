"""enter.py JSON COMMAND...: becomes what JSON asks for, then COMMAND, an absolute path.

By execve(2) itself, so that the environment can be any list of words.  What
Python changes from its own start on is put back first.
"""

import ctypes
import os
import sys
from typing import Any

libc = ctypes.CDLL(None, use_errno=True)
SIG_DFL, SIG_IGN = 0, 1
SIGKILL, SIGSTOP = 9, 19
SETMASK = 2
RT_SIGPROCMASK, RT_SIGACTION = {"x86_64": (14, 13)}.get(os.uname().machine, (135, 134))
PR_SET_KEEPCAPS, PR_CAPBSET_DROP, PR_SET_SECUREBITS, PR_SET_TIMERSLACK = 8, 24, 28, 29
PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 38, 47, 2


def call(result: int) -> None:
    """Raise OSError when a call of libc has failed."""
    if result == -1:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def dispositions(ignored: list[int]) -> None:
    """Have exactly ``ignored`` ignored; by system call, since glibc refuses 32 and 33."""
    for number in range(1, 65):
        if number not in (SIGKILL, SIGSTOP):
            action = (ctypes.c_ulong * 4)(SIG_IGN if number in ignored else SIG_DFL)
            call(libc.syscall(RT_SIGACTION, number, action, None, 8))


def mask(blocked: list[int]) -> None:
    """Block exactly ``blocked``; by system call too."""
    bits = sum(1 << (number - 1) for number in blocked)
    call(libc.syscall(RT_SIGPROCMASK, SETMASK, ctypes.byref(ctypes.c_uint64(bits)), None, 8))


def identity(spec: dict[str, Any]) -> None:
    """Set ids and the five sets of capabilities, in the order in which the kernel allows it."""
    if "securebits" in spec:
        call(libc.prctl(PR_SET_SECUREBITS, spec["securebits"], 0, 0, 0))
    for number in spec.get("unbound", []):
        call(libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0))
    if "ids" in spec:
        groups, gids, uids = spec["ids"]
        call(libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
        os.setgroups(groups)
        os.setresgid(*gids)
        os.setresuid(*uids)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)()
    call(libc.capget(header, data))
    for number in spec.get("inheritable", []):
        data[2 + 3 * (number // 32)] |= 1 << number % 32
    data[0], data[3] = (
        data[1],
        data[4],
    )  # effective as permitted: another user's files lie on the way
    call(libc.capset(header, data))
    for number in spec.get("ambient", []):
        call(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0))


def become(spec: dict[str, Any]) -> None:  # noqa: C901 - a list of ifs
    """Do all that ``spec`` asks for but signals, descriptors and environment."""
    for name, limit in spec.get("limits", {}).items():
        import resource

        resource.setrlimit(getattr(resource, name), tuple(limit))
    if "oom_score_adj" in spec:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write(spec["oom_score_adj"])
    if "umask" in spec:
        os.umask(spec["umask"])
    if "nice" in spec:
        os.nice(spec["nice"])
    if "affinity" in spec:
        os.sched_setaffinity(0, spec["affinity"])
    if "batch" in spec:
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    if "slack_ns" in spec:
        call(libc.prctl(PR_SET_TIMERSLACK, spec["slack_ns"], 0, 0, 0))
    if "cwd" in spec:
        os.chdir(spec["cwd"])
    if "personality" in spec:
        call(libc.personality(spec["personality"]))
    identity(spec)
    if "no_new_privs" in spec:
        call(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def arrange(descriptors: dict[str, str], closed: list[int]) -> None:
    """Open files at the numbers given, and close others."""
    for number, path in descriptors.items():
        fd = os.open(path, os.O_RDONLY)
        os.dup2(fd, int(number), inheritable=True)  # which changes nothing if it is the same
        os.set_inheritable(int(number), True)
        if fd != int(number):
            os.close(fd)
    for each in closed:
        os.close(each)


def main() -> None:
    """Run it."""
    # Numbers, lists and texts are the same in Python; json would take as long as the interpreter.
    spec = eval(sys.argv[1], {"true": True, "false": False})
    words = [os.fsencode(word) for word in sys.argv[2:]]
    entries = [key + b"=" + value for key, value in os.environb.items()]
    if "environ" in spec:
        entries = [entry.encode("latin-1") for entry in spec["environ"]]
    become(spec)
    mask(spec.get("blocked", []))
    dispositions(spec.get("ignored", []))
    for number in spec.get("pending", []):
        os.kill(os.getpid(), number)
    arrange(spec.get("open", {}), spec.get("closed", []))
    argv = (ctypes.c_char_p * (len(words) + 1))(*words)
    envp = (ctypes.c_char_p * (len(entries) + 1))(*entries)
    call(libc.execve(words[0], argv, envp))


main()
