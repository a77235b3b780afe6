"""An init with a command in a PID namespace of its own, seen from outside by its records.

The command's stdout is a pipe that every process below it inherits: what is written there are the
records, and its end says that nobody is left who holds it.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PID1 = "pid1"
SUBREAPER = "subreaper"

PROGRAMS = Path(__file__).parent / "programs"
ENVIRON = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
}
UNSHARE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
# The init around a pyinit that is not PID 1.  It says how that ended, and keeps whoever has
# survived until it may end.  The records go to a FIFO: neither it nor unshare(1) holds that open.
OUTER = ("/bin/sh", "-c", '"$@" >"$0"; echo "0 0 code $?" >"$0"; read -r end')
# Waits for a line before it becomes the command, and says by one that it waits.
GATE = ("/bin/sh", "-c", 'echo "0 0 gate"; read -r go; exec "$@"', "gate")


# Of /proc/PID/status, for the message of a failure.
_WANTED = ("State:", "PPid:", "NSpid:", "TracerPid:", "ShdPnd:", "SigBlk:", "SigIgn:")


def setup_s(bound_s: float) -> float:
    """Return how long a step may take for which pyinit has no deadline: longer is a hang."""
    return 20.0 + 2 * bound_s


class Record(NamedTuple):
    """One line of a process: the time of CLOCK_MONOTONIC in seconds, its node, and what it did."""

    at_s: float
    node: int
    what: str


def python(program: str, *arguments: str) -> list[str]:
    """Return the command that runs fuzz/programs/``program``."""
    return [sys.executable, "-IS", str(PROGRAMS / program), *arguments]


@contextlib.contextmanager
def installed_launcher() -> Iterator[list[str]]:
    """Give the launcher that `pyinitctl install` writes, for as long as the statement lasts."""
    with tempfile.TemporaryDirectory(prefix="fuzz") as directory:
        os.chmod(directory, 0o755)
        path = Path(directory) / "pyinit"
        argv = [sys.executable, "-m", "pyinit.ctl", "install", str(path)]
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
        yield [str(path)]


class Container:
    """``init``, a command line that ends with the command, started; for a ``with`` statement.

    ``mode`` says whether it is PID 1 or below another one.  ``before`` are the words in front of
    it.  stderr is a file in the container's ``directory``, with ``is_stuck`` a full pipe, or the
    descriptor ``stderr``; ``terminal`` is a descriptor to be stdin instead of a pipe.
    """

    def __init__(
        self,
        init: Sequence[str],
        *,
        mode: str = PID1,
        before: Sequence[str] = (),
        is_stuck: bool = False,
        stderr: int | None = None,
        terminal: int | None = None,
    ) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="fuzz")
        self.directory = self._directory.name
        os.chmod(self.directory, 0o755)
        fifo = f"{self.directory}/records"
        os.mkfifo(fifo)
        self._reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        self.writer = os.open(fifo, os.O_WRONLY)
        self._control_in, self._control = os.pipe()
        self._stuck = _full_pipe() if is_stuck else ()
        self._partial = b""
        self._said = b""  # what was in the full pipe
        self.records: list[Record] = []
        self.ended = False  # whether all who hold the pipe have
        self.code: int | None = None
        self._pid = 0
        self._mode = mode
        outer = (*OUTER, fifo) if mode == SUBREAPER else ()
        words = [word.replace("{directory}", self.directory) for word in init]
        argv = [*UNSHARE, *outer, *before, *words]
        with open(f"{self.directory}/stderr", "wb") as file:
            errors = self._stuck[1] if self._stuck else file.fileno() if stderr is None else stderr
            try:
                self.process = subprocess.Popen(
                    argv,
                    env=ENVIRON,
                    stdin=self._control_in if terminal is None else terminal,
                    stdout=self.writer if mode == PID1 else subprocess.DEVNULL,
                    stderr=errors,
                    start_new_session=True,
                )
            except BaseException:
                self.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()  # and with it the namespace: --kill-child
            self.process.wait()
        self.close()

    def close(self) -> None:
        """Close what is open, and remove the directory."""
        self._close_writer()
        for fd in (self._reader, self._control_in, self._control, *self._stuck):
            os.close(fd)
        self._directory.cleanup()

    def close_writer(self) -> None:
        """Let go of our own end of the records, which is kept for those who enter."""
        if self._mode == SUBREAPER and self.code is None:
            return  # the pipe may not have been opened yet
        self._close_writer()

    def _close_writer(self) -> None:
        if self.writer >= 0:
            os.close(self.writer)
            self.writer = -1

    def say(self, line: bytes = b"\n") -> None:
        """Write to stdin."""
        os.write(self._control, line)

    @property
    def pid(self) -> int:
        """The init's PID out here; 0 if it is not there yet or any more."""
        if not self._pid:
            found = children(self.process.pid)
            if found and self._mode == SUBREAPER:
                found = children(found[0])
            self._pid = found[0] if found else 0
        return self._pid

    def signal(self, number: int) -> bool:
        """Send the init a signal; return whether it is there."""
        if not self.pid or self.process.poll() is not None:
            return False
        try:
            # Its number is not used anew before unshare(1), or the outer init, has reaped it.
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        return True

    def read(self, until_s: float) -> bool:
        """Read what there is; wait for it until then.  Return whether anything came."""
        if self.ended:
            return False
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        if not poll.poll(max(0.0, until_s - time.monotonic()) * 1000):
            return False
        block = os.read(self._reader, 65536)
        self.ended = not block
        *lines, self._partial = (self._partial + block).split(b"\n")
        for line in lines:
            at_s, node, what = line.decode().split(" ", 2)
            record = Record(float(at_s), int(node), what)
            if record.what.startswith("code "):
                self.code = int(record.what.split()[1])
                self._close_writer()
            self.records.append(record)
        return True

    def time_of(self, what: str, node: int = 0) -> float | None:
        """Return when ``node`` wrote that, or None."""
        return next((r.at_s for r in self.records if (r.node, r.what) == (node, what)), None)

    def wait_for(self, what: str, node: int = 0, *, until_s: float) -> bool:
        """Read until ``node`` has written that; return whether it has."""
        while self.time_of(what, node) is None:
            if self.ended or not (self.read(until_s) or time.monotonic() < until_s):
                return False
        return True

    def wait(self, until_s: float) -> bool:
        """Wait for the end of pyinit and of all below it; return whether it has come.

        As a subreaper pyinit may have ended, as ``code`` says, with others left: that is False.
        """
        while not self.ended and self.read(until_s):
            pass
        if not self.ended:
            return False
        if self._mode == SUBREAPER:
            self.say()  # the outer init may end
        try:
            code = self.process.wait(max(0.0, until_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            return False
        if self._mode == PID1:
            self.code = code
        return True

    def errors(self) -> str:
        """Return what is on stderr."""
        if self._stuck:
            os.set_blocking(self._stuck[0], False)
            with contextlib.suppress(BlockingIOError):
                self._said += os.read(self._stuck[0], 1 << 20)
            data = self._said
        else:
            data = Path(f"{self.directory}/stderr").read_bytes()
        return data.strip(b"\0").decode(errors="replace")

    def main_state(self) -> str:
        """Return the state of the init's first child, as in /proc/PID/stat."""
        return next((fields[0] for pid in children(self.pid) if (fields := stat(pid))), "")

    def zombies(self) -> set[tuple[int, str]]:
        """Return PID and start time of each child of the init that it could reap now."""
        return {
            (pid, fields[19])
            for pid in children(self.pid)
            if (fields := stat(pid)) and fields[0] == "Z" and _is_free(pid)
        }

    def table(self) -> str:
        """Return a line for each process, for the message of a failure."""
        lines = []
        todo = [self.process.pid]
        for pid in todo:  # which grows
            todo += children(pid)
            with contextlib.suppress(OSError):
                command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")[:100]
                status = Path(f"/proc/{pid}/status").read_text().splitlines()
                words = [each.replace("\t", "") for each in status if each.startswith(_WANTED)]
                lines.append(f"  {pid}: {' '.join(words)} | {command.decode(errors='replace')}")
        return "\n".join(lines)


def children(pid: int) -> list[int]:
    """Return the children of all threads of ``pid``."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            found += map(int, Path(f"/proc/{pid}/task/{thread}/children").read_text().split())
    return found


def stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on, or none; see proc(5)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _is_free(pid: int) -> bool:
    """Return whether the zombie is all that there is of its process, and nobody traces it."""
    try:
        traced = "TracerPid:\t0" not in Path(f"/proc/{pid}/status").read_text()
        return len(os.listdir(f"/proc/{pid}/task")) == 1 and not traced
    except OSError:
        return False


def _full_pipe() -> tuple[int, int]:
    """Return the two ends of a pipe into which nothing goes any more."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"\0" * 4096)
    os.set_blocking(writer, True)
    return reader, writer


def limit_core_files() -> None:
    """Have nothing below write a core file: many are ended by signals."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


STOP, CONT = int(signal.SIGSTOP), int(signal.SIGCONT)
