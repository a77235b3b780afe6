"""What all runtimes have in common: a container with pyinit as its init and a command."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from tests import harness, memory
from tests.terminals import SETSID, Terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

# Longer than a test may take: the runtime's KILL never stands in for pyinit's work.
STOP_TIMEOUT_S = 1000
# The user and the group of a container that is not root's; the image has an account for it.
USER = 10001
HOST = Path("/")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Wanted(NamedTuple):
    """What the container is to have, beside the defaults of its runtime."""

    user: bool = False
    read_only: bool = False
    no_capabilities: bool = False
    pids: int = 0
    memory_bytes: int = 0
    terminal: bool = False
    stop_signal: str = "TERM"

    def docker_options(self) -> list[str]:
        """Return the options of docker-run(1), which podman-run(1) has too."""
        options = [f"--stop-signal={self.stop_signal}"]
        if self.user:
            options += ["--user", f"{USER}:{USER}"]
        if self.read_only:
            options += ["--read-only"]
        if self.no_capabilities:
            options += ["--cap-drop", "ALL"]
        if self.pids:
            options += ["--pids-limit", str(self.pids)]
        if self.memory_bytes:
            options += ["--memory", str(self.memory_bytes)]
        if self.terminal:
            options += ["--interactive", "--tty"]
        return options


def unmount_below(directory: Path) -> None:
    """Unmount what a runtime has left mounted in a directory."""
    for line in reversed(Path("/proc/self/mountinfo").read_text().splitlines()):
        place = line.split()[4]
        if place.startswith(f"{directory}/"):
            subprocess.run(["umount", place], check=True)


class Runtime:
    """A container with ``command``; use it in a ``with`` statement.

    ``root`` is the directory of an image that has pyinit; the machine's own takes its place when
    there is none, read-only or under an overlay.  A subclass says in `argv` how the container is
    started, and in `stop` how it is ended by whoever operates it.
    """

    name = ""
    programs: tuple[str, ...] = ()
    needs_root = True
    # Whether it makes cgroups of its own.
    limits = True
    nsenter: tuple[str, ...] = ("nsenter", "--all", "--root", "--wd")
    # What stands before a command that is to get the terminal.
    before_terminal: tuple[str, ...] = ()
    pass_fds: tuple[int, ...] = ()
    process: subprocess.Popen[bytes]

    def __init__(
        self, command: Sequence[str], *, root: Path = HOST, wanted: Wanted | None = None
    ) -> None:
        """Start it."""
        self.root = root
        self.wanted = wanted or Wanted()
        self.environ: dict[str, str] = {}
        self.terminal: Terminal | None = None
        self._cgroups: list[Path] = []
        self._resources = contextlib.ExitStack()
        with contextlib.ExitStack() as undo:
            undo.push(self._resources)
            place = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
            self.directory = Path(self._resources.enter_context(place))
            self.directory.chmod(0o755)
            if not self.limits:
                self._limit()
            if self.wanted.terminal:
                command = [*self.before_terminal, *command]
            argv = self.argv([*self.pyinit(), "--grace", "1000", "--", *command])
            if self.wanted.terminal:
                argv = [*SETSID, *argv]
            self.process = self._resources.enter_context(self._popen(argv))
            undo.pop_all()

    def pyinit(self) -> Sequence[str]:
        """Return how pyinit is started in it."""
        return harness.PYINIT if self.root == HOST else ("/usr/local/bin/pyinit",)

    def _popen(self, argv: Sequence[str]) -> subprocess.Popen[bytes]:
        stdin, stdout, stderr = subprocess.DEVNULL, subprocess.PIPE, None
        if self.wanted.terminal:
            self.terminal = self._resources.enter_context(Terminal())
            stdin = stdout = stderr = self.terminal.slave
        elif self.wanted.memory_bytes:
            stderr = subprocess.STDOUT
        try:
            return subprocess.Popen(
                argv,
                bufsize=0,
                cwd=self.directory,  # podman leaves a file there
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                pass_fds=self.pass_fds,
                env=self._environ(),
                preexec_fn=self._join,
            )
        finally:
            for fd in self.pass_fds:
                os.close(fd)

    def _environ(self) -> dict[str, str]:
        """Return what the runtime gets: an image has its programs elsewhere than the machine."""
        path = {} if self.root == HOST else {"PATH": PATH}
        return {**os.environ, **path, **self.environ}

    def _limit(self) -> None:
        """Make cgroups for a runtime that makes none."""
        for hierarchy, file, value in (
            ("memory", "memory.limit_in_bytes", self.wanted.memory_bytes),
            ("pids", "pids.max", self.wanted.pids),
        ):
            if value:
                path = memory.HIERARCHY.parent / hierarchy
                cgroup = self._resources.enter_context(memory.cgroup(path))
                (cgroup / file).write_text(str(value))
                self._cgroups.append(cgroup)

    def _join(self) -> None:
        for cgroup in self._cgroups:
            (cgroup / "cgroup.procs").write_text("0")

    def argv(self, init: list[str]) -> list[str]:
        """Return what starts the container with ``init`` as its process 1."""
        raise NotImplementedError

    def init(self) -> int:
        """Return the number of its process 1, as it is here."""
        found: list[int] = []

        def look() -> bool:
            for pid in harness.descendants(self.process.pid):
                with contextlib.suppress(OSError, KeyError):
                    numbers = harness.status_field(pid, "NSpid").split()
                    if len(numbers) > 1 and numbers[-1] == "1":
                        found.append(pid)
            return bool(found)

        harness.until(look, "there is a process 1", self.process.pid)
        return found[0]

    def stop(self) -> None:
        """Stop the container as its operator does."""
        os.kill(self.init(), getattr(signal, f"SIG{self.wanted.stop_signal}"))

    def execute(self, *command: str) -> int:
        """Run a command in it, as its operator does; return the exit code."""
        return self.call(*(*self.nsenter, "--target", str(self.init()), *command))

    def pause(self) -> bool:
        """Stop all that it does for a while; return whether there is a way."""
        return False

    def call(self, *argv: str) -> int:
        """Run a program of the runtime's; return its exit code."""
        return subprocess.run(
            argv,
            env=self._environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            timeout=harness.DEADLINE_S,
            check=False,
        ).returncode

    def start(self, *argv: str) -> None:
        """Start a program of the runtime's that ends with the container."""
        process = subprocess.Popen(argv, env=self._environ(), stdout=subprocess.DEVNULL)
        self._resources.enter_context(process)

    def remove(self) -> None:
        """End it by force, if it is still there."""
        for pid in harness.descendants(self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def __enter__(self) -> Self:
        """Return the container."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it, and everything that was made for it."""
        with self._resources:
            if self.process.poll() is None:
                self.remove()

    def expect(self, text: str) -> None:
        """Assert that the next line of its output is ``text``."""
        line = self.line()
        table = harness.process_table(self.process.pid)
        assert line == text, f"{line!r} instead of {text!r}\n{table}"

    def line(self) -> str:
        """Return the next line of its output."""
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], harness.DEADLINE_S)
        table = harness.process_table(self.process.pid)
        assert ready, f"no line within {harness.DEADLINE_S} s\n{table}"
        return self.process.stdout.readline().decode().rstrip("\r\n")

    def lines(self) -> list[str]:
        """Return its output up to the end of it."""
        found = []
        while line := self.line():
            found.append(line)
        return found

    def wait(self) -> int:
        """Wait for its end; return the exit code that the runtime reports."""
        return self.process.wait(harness.DEADLINE_S)
