"""One process as the init of a new PID namespace, and the clock that it is measured by.

The namespaces are made before the clock starts and taken down after it has
stopped: what is measured is the program, from execve(2) to its end.
"""

from __future__ import annotations

import ctypes
import os
import select
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CLONE_NEWNS = 0x00020000
CLONE_NEWPID = 0x20000000
MS_NOSUID_NODEV_NOEXEC = 2 | 4 | 8
MS_REC = 0x4000
MS_PRIVATE = 0x40000
PR_SET_PDEATHSIG = 1

# What an image of a Python program has; without LANG every Python would coerce the locale.
ENVIRON = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
}

# Generous: a program that takes this long has failed.
DEADLINE_S = 120.0

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = (
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_ulong,
    ctypes.c_void_p,
)


class MeasureError(Exception):
    """A contestant did not do what it was started for; the text holds what it wrote to stderr."""


def be_root(module: str = "bench") -> None:
    """Start this program, ``module``, again as root of a new user namespace, unless it is root.

    With a PID namespace of its own: setns(2) back into it asks for rights that
    the user namespace has to own.
    """
    if os.geteuid() == 0:
        return
    way = ["--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child"]
    os.execvp("unshare", ["unshare", *way, sys.executable, "-m", module, *sys.argv[1:]])


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) == -1:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


def _mount_proc() -> None:
    """Mount a /proc that shows our PID namespace, where nobody else sees it."""
    _call("unshare", CLONE_NEWNS)
    _call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    _call("mount", b"proc", b"/proc", b"proc", MS_NOSUID_NODEV_NOEXEC, None)


class Container:
    """``argv`` as the init of a new PID namespace; use it in a ``with`` statement.

    With ``init`` false it runs where we do, with a parent of its own PID
    namespace.  It starts with the construction; ``started_ns`` is
    CLOCK_MONOTONIC right before execve(2).  With ``group`` it is put into that cgroup
    before.  ``cpu_ns`` is the processor time from then to its end, with that of those it has
    waited for.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        init: bool = True,
        env: Mapping[str, str] = ENVIRON,
        group: Path | None = None,
    ) -> None:
        """Start it.  Raises OSError when namespaces or the program are not to be had."""
        self._argv = argv
        self._group = group
        self._ended = False
        self.cpu_ns = 0
        self._mounts = -1
        child_in, self._stdin = os.pipe()
        self._stdout, child_out = os.pipe()
        self._stderr, child_err = os.pipe()
        report, child_report = os.pipe()
        child_go, go = os.pipe()
        self.pid = _fork_init() if init else os.fork()
        if self.pid == 0:
            # With ours gone, the end of the file says that the bench was killed before prctl(2).
            for fd in (self._stdin, self._stdout, self._stderr, report, go):
                os.close(fd)
            _become(argv, env, init, (child_in, child_out, child_err), child_report, child_go)
        for fd in (child_in, child_out, child_err, child_report, child_go):
            os.close(fd)
        self.pidfd = os.pidfd_open(self.pid)
        try:
            self.started_ns = self._let_go(report, go)
        except BaseException:
            self.__exit__()
            raise
        finally:
            os.close(report)
            os.close(go)

    def _let_go(self, report: int, go: int) -> int:
        """Let the prepared process become its program; return when that was."""
        if os.read(report, 1) == b"r":
            # Unmounting its /proc waits for other processors; with this it comes after the clock.
            self._mounts = os.open(f"/proc/{self.pid}/ns/mnt", os.O_RDONLY)
            if self._group is not None:
                (self._group / "cgroup.procs").write_text(str(self.pid))
                schedstat = Path(f"/proc/{self.pid}/schedstat").read_text()
                self.cpu_ns = -int(schedstat.split()[0])
            os.write(go, b"g")
        words = b""
        while block := os.read(report, 64):
            words += block
        started, _, code = words.partition(b" ")
        if code or not started:
            raise OSError(int(code or 0), f"cannot start: {os.strerror(int(code or 0))}")
        return int(started)

    def __enter__(self) -> Self:
        """Return the container."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it and all in its namespace."""
        if not self._ended:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self._ended = True
        for fd in (self._stdin, self._stdout, self._stderr, self._mounts, self.pidfd):
            if fd >= 0:
                os.close(fd)
        self._stdin = self._stdout = self._stderr = self._mounts = self.pidfd = -1

    def wait(self) -> int:
        """Wait for its end, and that of its namespace; return CLOCK_MONOTONIC of it, in ns."""
        self._await(self.pidfd, "it has not ended")
        now = time.monotonic_ns()
        _, status, used = os.wait4(self.pid, 0)
        self.cpu_ns += round((used.ru_utime + used.ru_stime) * 1e9)
        self._ended = True
        if status != 0:
            raise MeasureError(f"wait status {status:#x}{self._said()}")
        return now

    def line(self) -> str:
        """Return the next line of its stdout, without its end."""
        data = b""
        while not data.endswith(b"\n"):
            self._await(self._stdout, "it has written nothing")
            block = os.read(self._stdout, 1)
            if not block:
                raise MeasureError(f"end of its output{self._said()}")
            data += block
        return data.decode().strip()

    def read_until(self, end: bytes) -> bytearray:
        """Read its stdout until it ends so, after whatever stands in front of it; return all."""
        data = bytearray()
        while not data.endswith(end):
            self._await(self._stdout, "it has not written all")
            block = os.read(self._stdout, 65536)
            if not block:
                raise MeasureError(f"end of its output{self._said()}")
            data += block
        return data

    def expect(self, word: str) -> None:
        """Wait for the line ``word``."""
        line = self.line()
        if line != word:
            raise MeasureError(f"{line!r} instead of {word!r}{self._said()}")

    def go(self) -> None:
        """Write a line to its stdin."""
        os.write(self._stdin, b"\n")

    def await_readable(self, fd: int) -> int:
        """Wait until ``fd`` can be read or it has ended; return CLOCK_MONOTONIC of it, in ns."""
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        poll.register(self.pidfd, select.POLLIN)
        ready = poll.poll(DEADLINE_S * 1000)
        now = time.monotonic_ns()
        if fd in (each for each, _ in ready):
            return now
        raise MeasureError(f"the command has written nothing{self._said()}")

    def _await(self, fd: int, complaint: str) -> None:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        if not poll.poll(DEADLINE_S * 1000):
            raise MeasureError(f"{complaint} within {DEADLINE_S} s{self._said()}")

    def _said(self) -> str:
        """Return what there is on stderr now, for the message of an error."""
        os.set_blocking(self._stderr, False)
        try:
            text = os.read(self._stderr, 65536).decode(errors="replace").strip()
        except BlockingIOError:
            text = ""
        return f"; stderr: {text}" if text else ""


def _fork_init() -> int:
    """Fork a process that is the init of a new PID namespace; see unshare(2).

    Only the next child is put there, and unshare can be asked again only after
    a way back into one's own namespace.
    """
    own = os.open("/proc/self/ns/pid", os.O_RDONLY)
    try:
        _call("unshare", CLONE_NEWPID)
        pid = os.fork()
        if pid:
            _call("setns", own, CLONE_NEWPID)
    finally:
        os.close(own)
    return pid


def _become(  # noqa: PLR0917 - what a new process has to know
    argv: Sequence[str],
    env: Mapping[str, str],
    init: bool,  # noqa: FBT001
    standard: tuple[int, int, int],
    report: int,
    go: int,
) -> NoReturn:
    """Turn the forked process into ``argv``, when told to; never return.

    Writes ``r`` to ``report`` once it is prepared, then the time, and the errno
    after it if that could not be; without an error, close-on-exec ends the pipe.
    """
    code = 0
    try:
        _call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if init:
            _mount_proc()
        os.setsid()  # no controlling terminal, as in a container without one
        for number, fd in enumerate(standard):
            os.dup2(fd, number)
        for ignored in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(ignored, signal.SIG_DFL)
        os.write(report, b"r")
        if not os.read(go, 1):
            os._exit(127)
        os.write(report, b"%d" % time.monotonic_ns())
        os.execve(argv[0], list(argv), dict(env))
    except OSError as error:
        code = error.errno or 0
    finally:
        os.write(report, b" %d" % code)
        os._exit(127)


def program(name: str) -> str:
    """Return the path of the small system program ``name``, such as sleep.  Raises MeasureError."""
    path = shutil.which(name)
    if path is None:
        raise MeasureError(f"there is no {name}")
    return path
