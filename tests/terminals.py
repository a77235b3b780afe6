"""Pseudo-terminals for the tests: what is typed, what is shown, and who has the foreground."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from typing import TYPE_CHECKING, Self

from tests import harness
from tests.harness import PID1, SUBREAPER, Container

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

INTERRUPT = "\x03"
QUIT = "\x1c"
SUSPEND = "\x1a"
END = "\x04"

# Becomes a session leader whose controlling terminal is its stdin, as `docker run -t` has it.
SETSID = ("setsid", "--ctty")

SHELLS = {
    "bash": ("bash", "--norc", "--noprofile", "--noediting", "-i"),
    "dash": ("dash", "-i", "-m"),
}


class Terminal:
    """The master side of a new pseudo-terminal without echo; use it in a ``with`` statement."""

    def __init__(self) -> None:
        """Make it."""
        self.master, self.slave = pty.openpty()
        attributes = termios.tcgetattr(self.slave)
        attributes[3] &= ~termios.ECHO
        termios.tcsetattr(self.slave, termios.TCSANOW, attributes)
        self.attributes = termios.tcgetattr(self.slave)
        self._shown = b""

    def __enter__(self) -> Self:
        """Return the terminal."""
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up."""
        for fd in (self.master, self.slave):
            if fd >= 0:
                os.close(fd)

    def hang_up(self) -> None:
        """Close the master side: the modem has lost its carrier."""
        os.close(self.master)
        self.master = -1

    def type(self, text: str) -> None:
        """Type ``text``, control characters included."""
        os.write(self.master, text.encode())

    def expect(self, *texts: str) -> None:
        """Read until each of ``texts`` has been shown, one after the other."""
        for text in texts:
            self.until(text)

    def until(self, text: str) -> str:
        """Read until ``text`` has been shown; return what was shown before it."""
        deadline = time.monotonic() + harness.DEADLINE_S
        while text.encode() not in self._shown:
            self._read(text, deadline)
        before, _, self._shown = self._shown.partition(text.encode())
        return before.decode()

    def expect_only(self, text: str) -> None:
        """Read the next line, and assert that it is ``text``."""
        deadline = time.monotonic() + harness.DEADLINE_S
        while b"\n" not in self._shown:
            self._read(text, deadline)
        line, _, self._shown = self._shown.partition(b"\n")
        assert line.strip() == text.encode(), (line, self._shown)

    def _read(self, wanted: str, deadline: float) -> None:
        ready, _, _ = select.select([self.master], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            table = harness.process_table(os.getpid())
            raise AssertionError(f"{wanted!r} is not shown, but {self._shown!r}\n{table}")
        self._shown += os.read(self.master, 65536)

    def foreground(self) -> int:
        """Return the foreground process group, as the tests' namespace numbers it."""
        return os.tcgetpgrp(self.master)

    def resize(self, rows: int, columns: int) -> None:
        """Change the window's size."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


@contextlib.contextmanager
def shell(name: str) -> Iterator[tuple[Terminal, Container]]:
    """Run an interactive shell (of `SHELLS`) on a terminal of its own, in a PID namespace.

    It shows no prompt, so that all that is shown was asked for.
    """
    env = {**os.environ, "PS1": "", "PS2": "", "ENV": "", "PYINIT": harness.PYINIT[0]}
    with (
        Terminal() as terminal,
        Container(
            SHELLS[name],
            init=SETSID,
            mode=SUBREAPER,
            env=env,
            stdin=terminal.slave,
            stdout=terminal.slave,
            stderr=terminal.slave,
        ) as container,
    ):
        terminal.type("echo shell-is-ready\n")
        terminal.expect("shell-is-ready\r\n")
        yield terminal, container


@contextlib.contextmanager
def session(
    command: Sequence[str],
    *,
    mode: str = PID1,
    options: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
) -> Iterator[tuple[Terminal, Container]]:
    """Run pyinit as the leader of a session with a terminal of its own."""
    with (
        Terminal() as terminal,
        Container(
            command,
            options=options,
            before=SETSID,
            mode=mode,
            stdin=terminal.slave,
            stdout=terminal.slave,
            stderr=terminal.slave,
            env=env,
        ) as container,
    ):
        yield terminal, container


def state(pid: int) -> str:
    """Return the state of ``pid`` as one letter: T is stopped; see proc(5)."""
    return harness.status_field(pid, "State")[0]


def until_settled(pid: int) -> None:
    """Wait until ``pid`` has taken all signals from its queue, and waits or is stopped.

    Who continues pyinit while it is about to stop meets the moment inside of
    kill(2) in which a SIGCONT is lost; see pyinit/kernel/job.py.
    """

    def settled() -> bool:
        pending, letter = int(harness.status_field(pid, "ShdPnd"), 16), state(pid)
        if letter == "T":
            # It has reaped before it took the SIGCHLD that came in between, and stopped.
            pending &= ~(1 << signal.SIGCHLD - 1)
        return not pending and letter in "ST"

    harness.until(settled, f"{pid} has taken its signals")


def find(container: Container, name: str) -> int:
    """Return the PID of the one process in the container whose name begins with ``name``."""
    found: list[int] = []

    def look() -> bool:
        found[:] = []
        for pid in [container.pid, *container.descendants()]:
            with contextlib.suppress(OSError, KeyError):
                if harness.status_field(pid, "Name").startswith(name):
                    found.append(pid)
        return len(found) == 1

    harness.until(look, f"there is one process named {name}", container.process.pid)
    return found[0]


def until_stopped(terminal: Terminal, container: Container) -> None:
    """Wait until the shell has the terminal, and says that its only job is stopped."""
    harness.until(lambda: terminal.foreground() == container.pid, "the shell has the terminal")

    def look() -> bool:
        # What /proc shows the shell has yet to be told by SIGCHLD.
        terminal.type("jobs; echo that-is-all\n")
        return "Stopped" in terminal.until("that-is-all\r\n")

    harness.until(look, "the shell says that the job is stopped")


def talk(terminal: Terminal, word: str) -> None:
    """Type a line and see that cat(1) shows it."""
    terminal.type(f"{word}\n")
    terminal.expect(f"{word}\r\n")


def finish(terminal: Terminal) -> None:
    """End cat(1), and see that the shell goes on with no job left."""
    terminal.type(END)
    terminal.type("echo jobs-$(jobs | wc -l)\n")
    terminal.expect("jobs-0\r\n")
