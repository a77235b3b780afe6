"""A container as /proc shows it: who is in its PID namespace, and what is known of each.

Numbers are those of /proc, whoever's it is; each process also has one in the container.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from pyinit import environment
from pyinit.ctl.common import CommandError
from pyinit.kernel import proc
from pyinit.namespaces import found as namespaces
from pyinit.namespaces import members

if TYPE_CHECKING:
    from collections.abc import Iterable

# Of the kernel's include/linux/sched.h.
_PF_KTHREAD = 0x00200000

# PROC_PID_INIT_INO of the kernel's include/linux/proc_ns.h: the namespace above all others.
_INITIAL = 0xEFFFFFFC


class ProcessView:
    """One process; see proc(5).

    ``numbers`` are those in the namespace of /proc and in each one down to its own, and
    ``inner`` is the one in the container, 0 where it has none.
    """

    def __init__(self, pid: int) -> None:
        """Read it.  Raises OSError: it has ended, or is hidden."""
        comm, fields = proc.stat_fields(environment.read_all(f"/proc/{pid}/stat"))
        self.pid = pid
        self.inner = 0
        self.name = os.fsdecode(comm)
        self.state = fields[0].decode()
        self.parent = int(fields[1])
        self.group = int(fields[2])
        self.session = int(fields[3])
        self.terminal = int(fields[4])  # of a device, 0: none
        self.foreground = int(fields[5])
        self.is_kernel = bool(int(fields[6]) & _PF_KTHREAD)
        self.threads = int(fields[17])
        self.start = int(fields[19])
        self._status = environment.read_all(f"/proc/{pid}/status")
        self.numbers = proc.numbers(self._status) or [pid]
        self.command = command_of(pid)

    @property
    def is_zombie(self) -> bool:
        """Whether it has ended, all its threads with it, and waits to be reaped."""
        return self.state in "ZX" and self.threads <= 1

    @property
    def uids(self) -> list[int]:
        """Its real, effective, saved and file system user."""
        return [int(word) for word in proc.status_field(self._status, b"Uid").split()]

    @property
    def resident_bytes(self) -> int:
        """The memory that it has in use, shared pages included; 0 for a zombie."""
        words = proc.status_field(self._status, b"VmRSS").split()
        return int(words[0]) << 10 if words else 0

    def has(self, field: str, bit: int) -> bool:
        """Return whether ``bit`` is set in a field of its status, such as CapEff."""
        return bool(proc.status_mask(self._status, field.encode()) >> bit & 1)

    def does(self, what: str, signal: int) -> bool:
        """Return whether it catches (Cgt), ignores (Ign) or blocks (Blk) a signal."""
        return self.has(f"Sig{what}", signal - 1)

    def awaits_signals(self) -> bool:
        """Return whether one of its threads is in sigwait(3) or the like.

        The kernel unblocks those that are waited for meanwhile, so that SigBlk does not show
        them (do_sigtimedwait in the kernel's signal.c).
        """
        with contextlib.suppress(OSError):
            for thread in os.listdir(f"/proc/{self.pid}/task"):
                with open(f"/proc/{self.pid}/task/{thread}/wchan", encoding="ascii") as file:
                    if "sigtimedwait" in file.read():
                        return True
        return False

    def environ(self) -> dict[bytes, bytes]:
        """Return the environment that it was started with.  Raises OSError."""
        with open(f"/proc/{self.pid}/environ", "rb") as file:
            entries = file.read().split(b"\0")
        pairs = (entry.partition(b"=") for entry in entries)
        return {name: value for name, equals, value in pairs if equals}

    def limit(self, name: str) -> int | None:
        """Return the soft limit ``name`` of /proc/PID/limits, None for none.  Raises OSError."""
        with open(f"/proc/{self.pid}/limits", encoding="ascii") as file:
            for line in file:
                if line.startswith(name):
                    word = line[len(name) :].split()[0]
                    return None if word == "unlimited" else int(word)
        return None

    def says(self) -> str:
        """Return its name and its numbers, for people."""
        elsewhere = f", {self.pid} here" if self.inner and self.inner != self.pid else ""
        return f"{self.name} ({self.inner or self.pid}{elsewhere})"


def command_of(pid: int) -> list[str]:
    """Return the words that a process was started with; a zombie and a kernel thread have none.

    Raises OSError.
    """
    text = os.fsdecode(environment.read_all(f"/proc/{pid}/cmdline"))
    return text.removesuffix("\0").split("\0") if text else []


class ContainerView:
    """The PID namespace of a process.

    ``everybody`` are all whom /proc shows, ``processes`` those in the namespace, by number;
    ``init`` is its PID 1, or None where it cannot be seen.
    """

    def __init__(self, pid: int | None) -> None:
        """Look at that of ``pid``, or at our own.  Raises CommandError."""
        self.proc_is_ours = proc.is_ours()
        own = _namespace("self")
        wanted = own if pid is None else self._namespace_of(pid)
        self.is_own = wanted == own
        self.inode = wanted
        self.is_initial = wanted == _INITIAL
        self.everybody: dict[int, ProcessView] = {}
        self.processes: dict[int, ProcessView] = {}
        self.unseen = 0
        self.level = self._level(pid)
        if self.level is not None:
            self._look(self.level)
        self.init = next((each for each in self.processes.values() if each.inner == 1), None)

    def _namespace_of(self, pid: int) -> int:
        if not self.proc_is_ours:
            raise CommandError(
                "/proc is missing, or belongs to another PID namespace: without a PID, doctor "
                "says more",
                2,
            )
        try:
            return namespaces.namespaces_of(pid)["pid"].inode
        except (OSError, KeyError) as error:
            reason = getattr(error, "strerror", None) or f"process {pid} has just ended"
            raise CommandError(reason, 2) from None

    def _level(self, pid: int | None) -> int | None:
        """Return how many levels below that of /proc it is; None: /proc does not show it."""
        try:
            who = int(os.readlink("/proc/self")) if pid is None or self.is_own else pid
            return len(members.numbers_of(who)) - 1
        except (OSError, ValueError):
            return None

    def _look(self, level: int) -> None:
        for name in os.listdir("/proc"):
            if not name.isdecimal():
                continue
            try:
                process = ProcessView(int(name))
            except OSError:
                continue  # it has ended, or is hidden from us
            if process.is_kernel:
                continue
            self.everybody[process.pid] = process
        for process in self.everybody.values():
            if len(process.numbers) == level + 1 and self._is_member(process):
                process.inner = process.numbers[level]
                self.processes[process.pid] = process

    def _is_member(self, process: ProcessView) -> bool:
        if len(process.numbers) == 1:
            return True  # the namespace of /proc itself, and that is the one asked for
        # Children start in their parent's namespace or further down; pid_namespaces(7).  A number
        # that was used anew while we looked can make a ring.
        seen = set()
        while process.pid not in seen:
            seen.add(process.pid)
            try:
                return _namespace(str(process.pid)) == self.inode
            except PermissionError:
                parent = self.everybody.get(process.parent)
            except OSError:
                return False  # it has ended
            if parent is None or len(parent.numbers) != len(process.numbers):
                break
            process = parent
        if process.numbers[-1] != 1:
            self.unseen += 1  # it has entered some namespace
        return False

    def children(self, of: ProcessView) -> list[ProcessView]:
        """Return the living children of a process, the first one first."""
        found = [
            each for each in self.processes.values() if each.parent == of.pid and not each.is_zombie
        ]
        return sorted(found, key=lambda each: (each.start, each.inner))

    def main_child(self, of: ProcessView) -> ProcessView | None:
        """Return the command of an init: the others among its children were adopted later."""
        return next(iter(self.children(of)), None)

    def descends(self, process: ProcessView, ancestors: Iterable[int]) -> bool:
        """Return whether one of ``ancestors`` is among those of ``process``, or is itself."""
        wanted = set(ancestors)
        seen: set[int] = set()
        each: ProcessView | None = process
        while each is not None and each.pid not in seen:
            if each.pid in wanted:
                return True
            seen.add(each.pid)
            each = self.everybody.get(each.parent)
        return False


def _namespace(who: str) -> int | None:
    """Return the inode of a process' PID namespace; of ourselves None, where /proc is missing."""
    try:
        return os.stat(f"/proc/{who}/ns/pid").st_ino
    except FileNotFoundError:
        if who == "self":
            return None
        raise
