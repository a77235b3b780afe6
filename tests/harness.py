"""Real containers for the tests: pyinit in a PID namespace of its own, and ways to watch it.

Nothing here sleeps to synchronise: programs print a line when they are ready, a
pidfd tells that a process has ended, and what can only be looked at is looked
at until a deadline, which shows the processes when it fails.
"""

from __future__ import annotations

import ast
import contextlib
import fcntl
import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pyinit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pytest

# Generous: the machines are shared, and a test that waits this long has failed.
DEADLINE_S = 60.0

ROOT = Path(__file__).parent.parent
PROGRAMS = ROOT / "tests" / "programs"
PYINIT = (str(Path(sys.executable).parent / "pyinit"),)

# As an ordinary user, the way in is a user namespace in which that user is root.
UNSHARE_USER = () if os.geteuid() == 0 else ("--user", "--map-root-user")
UNSHARE = ("unshare", *UNSHARE_USER, "--pid", "--fork", "--mount-proc", "--kill-child")

# The two situations of an init.
PID1 = "pid1"
SUBREAPER = "subreaper"
MODES = (PID1, SUBREAPER)


# What a test tries of too much to try it all is drawn anew each time, unless this is set.
SEED_NAME = "PYINIT_TEST_SEED"
SEED = int(os.environ.get(SEED_NAME) or random.randrange(1_000_000))


def draw(what: str) -> random.Random:
    """Return a source of samples for the test called ``what``; a failure shows the seed."""
    print(f"{SEED_NAME}={SEED}")
    return random.Random(f"{SEED} {what}")


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a directory that ``make`` has filled, by one of the workers for all of them."""
    base = factory.getbasetemp()
    if base.name.startswith("worker"):  # tests/parallel.py
        base = base.parent
    directory = base / name
    with open(base / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not directory.exists():
            unfinished = base / f"{name}.unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(mode=0o755)
            make(unfinished)
            unfinished.rename(directory)
    return directory


def python(program: str, *arguments: str) -> list[str]:
    """Return the command that runs tests/programs/``program``, without site: it starts faster."""
    return [sys.executable, "-IS", str(PROGRAMS / program), *arguments]


_PATHS = (str(Path(pyinit.__file__).parents[1]), sysconfig.get_path("purelib"))
# Where pip's script or `python -m pyinit.ctl` is not the claim.
PYINITCTL = tuple(python("pyinitctl.py", ":".join(dict.fromkeys(_PATHS))))


def embeds(scenario: str, **options: object) -> tuple[str, ...]:
    """Return the init that carries out a scenario of tests/programs/embeds.py with `import pyinit`.

    Without site, as it starts faster.
    """
    packages = str(Path(pyinit.__file__).parents[1])
    return tuple(python("embeds.py", packages, scenario, json.dumps(options)))


def children(pid: int) -> list[int]:
    """Return the children of all threads of ``pid``, as this process's /proc numbers them."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            text = Path(f"/proc/{pid}/task/{thread}/children").read_text()
            found.extend(map(int, text.split()))
    return found


def status_field(pid: int, field: str) -> str:
    """Return a field of /proc/PID/status, such as ``SigCgt``; see proc(5)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return value.strip()
    raise KeyError(field)


def open_files(pid: int) -> dict[int, str]:
    """Return what the descriptors of a process refer to, but for those that it closes then."""
    found = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found[int(name)] = os.readlink(f"/proc/{pid}/fd/{name}")
    return found


def process_table(pid: int) -> str:
    """Return one line for ``pid`` and each of its descendants, for the message of a failure."""
    lines = []
    for each in [pid, *descendants(pid)]:
        try:
            status = Path(f"/proc/{each}/status").read_text().splitlines()
            command = Path(f"/proc/{each}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        wanted = ("Name:", "State:", "PPid:", "NSpid:", "SigPnd:", "ShdPnd:", "SigBlk:")
        fields = " ".join(line.replace("\t", "") for line in status if line.startswith(wanted))
        lines.append(f"  {each}: {fields} | {command}")
    return "\n".join(lines)


def descendants(pid: int) -> list[int]:
    """Return all descendants of ``pid``, parents first."""
    found = children(pid)
    for each in found:
        found.extend(children(each))
    return found


def until(claim: Callable[[], object], what: str, root: int | None = None) -> None:
    """Look until ``claim`` is true; fail with ``what`` and the processes under ``root``."""
    deadline = time.monotonic() + DEADLINE_S
    pause_s = 0.001  # most of what is awaited is there soon
    while not claim():
        if time.monotonic() > deadline:
            table = process_table(root or os.getpid())
            raise AssertionError(f"not within {DEADLINE_S} s: {what}\n{table}")
        time.sleep(pause_s)
        pause_s = min(1.5 * pause_s, 0.01)


class Container:
    """pyinit with a command, in a new PID namespace; use it in a ``with`` statement.

    As ``PID1`` pyinit is the init of the namespace.  As ``SUBREAPER`` it is the
    child of tests/programs/outer.py, which is the init there and says
    afterwards who has survived pyinit.
    """

    def __init__(
        self,
        command: Sequence[str | bytes],
        *,
        options: Sequence[str] = (),
        mode: str = PID1,
        init: Sequence[str] = PYINIT,
        before: Sequence[str] = (),
        env: Mapping[str, str] | Mapping[bytes, bytes] | None = None,
        stdin: int | None = subprocess.DEVNULL,
        stdout: int | None = subprocess.PIPE,
        stderr: int | None = subprocess.PIPE,
        pass_fds: Sequence[int] = (),
        preexec: Callable[[], object] | None = None,
    ) -> None:
        """Start it.  ``before`` stands in front of pyinit: a program that execs it in the end.

        ``preexec`` runs in the new process before unshare(1).
        """
        report, self._report_writer = os.pipe()
        self._report = os.fdopen(report, "rb")
        argv: list[str | bytes] = [*UNSHARE]
        if mode == SUBREAPER:
            argv += python("outer.py", str(self._report_writer))
            pass_fds = (*pass_fds, self._report_writer)
        argv += [*before, *init, *options, "--", *command]
        self.mode = mode
        self._buffer = {1: b"", 2: b""}
        self.pidfd = -1
        try:
            self.process = subprocess.Popen(
                argv,
                env=env,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                pass_fds=pass_fds,
                start_new_session=True,
                preexec_fn=preexec,
            )
        finally:
            os.close(self._report_writer)
        with self._ended_if_failing():
            self.pid = self._find_init()
            if self.pid:
                with contextlib.suppress(ProcessLookupError):
                    self.pidfd = os.pidfd_open(self.pid)

    @contextlib.contextmanager
    def _ended_if_failing(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.__exit__()
            raise

    def _find_init(self) -> int:
        """Return the PID of pyinit in the tests' namespace: the child (or its child) of unshare.

        0 when it has ended already, as a short command can before anybody looks.
        """
        found: list[int] = []

        def look() -> bool:
            found[:] = children(self.process.pid)
            if found and self.mode == SUBREAPER:
                found[:] = children(found[0])
            return bool(found) or self.process.poll() is not None

        until(look, "unshare(1) has started pyinit", self.process.pid)
        return found[0] if found else 0

    def __enter__(self) -> Self:
        """Return the container."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the whole namespace, by its init: the kernel kills the rest."""
        for pid in children(self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(DEADLINE_S)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr, self._report):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        if self.pidfd >= 0:
            os.close(self.pidfd)

    def signal(self, number: int) -> None:
        """Send signal ``number`` to pyinit from outside of its namespace."""
        signal.pidfd_send_signal(self.pidfd, number)

    def line(self, fd: int = 1) -> str:
        """Return the next line of the container's stdout (or of stderr, 2), without its end.

        An empty string is the end of the output.
        """
        deadline = time.monotonic() + DEADLINE_S
        while b"\n" not in self._buffer[fd]:
            if not self._fill(fd, deadline):
                line, self._buffer[fd] = self._buffer[fd], b""
                return os.fsdecode(line)
        line, _, self._buffer[fd] = self._buffer[fd].partition(b"\n")
        return os.fsdecode(line)

    def _fill(self, fd: int, deadline: float) -> bool:
        """Read once more; return whether there was anything before the end of the file."""
        stream = self.process.stdout if fd == 1 else self.process.stderr
        assert stream is not None
        ready, _, _ = select.select([stream], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            table = process_table(self.process.pid)
            raise AssertionError(f"no line within {DEADLINE_S} s; so far {self._buffer}\n{table}")
        block = os.read(stream.fileno(), 65536)
        self._buffer[fd] += block
        return bool(block)

    def expect(self, text: str, fd: int = 1) -> None:
        """Assert that the next line is ``text``, such as the ``ready`` of a program."""
        line = self.line(fd)
        assert line == text, f"{line!r} instead of {text!r}\n{process_table(self.process.pid)}"

    def rest(self, fd: int = 1) -> str:
        """Return the output up to its end."""
        deadline = time.monotonic() + DEADLINE_S
        while self._fill(fd, deadline):
            pass
        data, self._buffer[fd] = self._buffer[fd], b""
        return os.fsdecode(data)

    def close_stdin(self) -> None:
        """Close the pipe that was given as stdin: the other end reads its end."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def errors(self) -> str:
        """Return stderr up to its end."""
        return self.rest(2)

    def wait(self) -> int:
        """Wait for the end of pyinit and of its namespace; return pyinit's exit code."""
        try:
            code = self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            table = process_table(self.process.pid)
            raise AssertionError(f"still there after {DEADLINE_S} s\n{table}") from None
        if self.mode == SUBREAPER:
            code, survivors = ast.literal_eval(self._report.read().decode())
            self.survivors: list[str] = survivors
            return int(code)
        return code

    def descendants(self) -> list[int]:
        """Return the PIDs of all below pyinit, as the tests' namespace numbers them."""
        return descendants(self.pid)

    def main_child(self) -> int:
        """Return the PID of the command, as the tests' namespace numbers it, once it is there."""
        until(lambda: children(self.pid), "pyinit has a child", self.process.pid)
        return children(self.pid)[0]


def logged(text: str) -> list[dict[str, Any]]:
    """Return the events of a log, which has to be all JSON."""
    return [json.loads(line) for line in text.splitlines()]


def unexplained(errors: str) -> str:
    """Return what is on stderr without the line that explains a bad end."""
    lines = errors.splitlines(keepends=True)
    return "".join(line for line in lines if '"level": "warning", "event": "exiting"' not in line)


def run(command: Sequence[str | bytes], **options: object) -> tuple[int, str, str]:
    """Run ``command`` in a `Container` to its end; return exit code, stdout and stderr."""
    with Container(command, **options) as container:  # type: ignore[arg-type]
        out = container.rest()
        err = container.errors()
        return container.wait(), out, err
