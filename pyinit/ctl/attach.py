"""A command in the foreground: signals go to it, its exit code is ours, its terminal is shown."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import struct
import termios
import time
import tty
from typing import TYPE_CHECKING, Self

from pyinit import sigset, terminal
from pyinit.ctl.common import CommandError
from pyinit.fork import StartError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyinit.container import Process

# As in env(1) and docker: the command was not reached.
FAILED = 125
KILL = int(signal.SIGKILL)

_OURS = {signal.SIGCHLD, signal.SIGWINCH}


class Blocked:
    """Blocks all signals, which are taken by `run`; gives the mask from before."""

    def __enter__(self) -> frozenset[int]:
        """Block them."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        self._before = frozenset(map(int, before))
        return self._before

    def __exit__(self, *_: object) -> None:
        """Make the mask what it was."""
        signal.pthread_sigmask(signal.SIG_SETMASK, self._before)


def run(
    start: Callable[[], Process],
    *,
    terminal: bool,
    timeout_s: float | None = None,
    timed_out: int = FAILED,
) -> int:
    """Start a process and stay until it has ended; return the exit code.

    All signals have to be blocked.  After ``timeout_s`` seconds it gets TERM, and the exit
    code is ``timed_out``.  Raises CommandError.
    """
    try:
        process = start()
    except StartError as error:
        raise CommandError(str(error), error.code) from None
    except OSError as error:
        raise CommandError(error.strerror or str(error), FAILED) from None
    except (ValueError, RuntimeError) as error:
        raise CommandError(str(error), FAILED) from None
    with process, _Shown(process) if terminal else contextlib.nullcontext():
        loop = _Loop(process, timeout_s)
        loop.run()
        if not terminal:
            _take_terminal_back()
        return timed_out if loop.is_late else process.wait().code


class _Loop:
    """Waits for signals, the terminal, the deadline and the end at once."""

    def __init__(self, process: Process, timeout_s: float | None) -> None:
        self._process = process
        self._deadline = None if timeout_s is None else time.monotonic() + timeout_s
        self.is_late = False
        self._poll = select.poll()
        self._poll.register(process.pidfd, select.POLLIN)
        if process.terminal is not None:
            self._poll.register(process.terminal, select.POLLIN)
            self._poll.register(0, select.POLLIN)

    def run(self) -> None:
        """Return when the process has ended and what it wrote has been shown."""
        with _wakeup() as signals:
            self._poll.register(signals, select.POLLIN)
            ended = False
            while not ended or self._has_output():
                ready = dict(self._poll.poll(self._timeout_ms()))
                self._check_deadline()
                if signals in ready:
                    self._relay(os.read(signals, 4096))
                if 0 in ready and self._process.terminal is not None:
                    self._copy_input()
                if self._process.terminal in ready:
                    self._copy_output()
                ended = ended or self._process.pidfd in ready
                if ended:
                    self._forget(self._process.pidfd)

    def _forget(self, fd: int) -> None:
        with contextlib.suppress(KeyError):
            self._poll.unregister(fd)

    def _has_output(self) -> bool:
        fd = self._process.terminal
        return fd is not None and bool(select.select([fd], [], [], 0)[0]) and self._copy_output()

    def _timeout_ms(self) -> float | None:
        if self._deadline is None or self.is_late:
            return None
        return max(0.0, self._deadline - time.monotonic()) * 1000

    def _check_deadline(self) -> None:
        if self._deadline is None or self.is_late or time.monotonic() < self._deadline:
            return
        self.is_late = True
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)

    def _relay(self, numbers: bytes) -> None:
        for number in numbers:
            if number == signal.SIGWINCH and self._process.terminal is not None:
                resize(self._process)
            elif number not in _OURS:
                with contextlib.suppress(ProcessLookupError):
                    self._process.send_signal(number)

    def _copy_input(self) -> None:
        data = os.read(0, 4096)
        if data:
            os.write(self._process.terminal or 0, data)
        else:
            self._forget(0)

    def _copy_output(self) -> bool:
        """Show what the command wrote; return whether there may be more."""
        fd = self._process.terminal
        try:
            data = os.read(fd, 65536) if fd is not None else b""
        except OSError:
            data = b""  # EIO: nobody has the other side open any more
        if not data and fd is not None:
            self._forget(fd)
        while data:
            data = data[os.write(1, data) :]
        return False


@contextlib.contextmanager
def _wakeup() -> Iterator[int]:
    """Let signals be numbers that can be read from a pipe; signal.set_wakeup_fd()."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    previous = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    taken = sigset.RELAYED | _OURS
    handlers = {number: signal.signal(number, _nothing) for number in taken}
    mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, taken)
    try:
        yield reader
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.set_wakeup_fd(previous)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        os.close(reader)
        os.close(writer)


def _nothing(number: int, frame: object) -> None:
    """Stand for a signal whose number has been written to the pipe."""


class _Shown:
    """Our terminal, in raw mode while the command has another one."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._before: list[int | list[bytes | int]] | None = None

    def __enter__(self) -> Self:
        """Pass keys on as they are, and the size too."""
        if os.isatty(0):
            self._before = termios.tcgetattr(0)
            tty.setraw(0, termios.TCSADRAIN)
        resize(self._process)
        return self

    def __exit__(self, *_: object) -> None:
        """Make it again what it was."""
        if self._before is not None:
            termios.tcsetattr(0, termios.TCSADRAIN, self._before)


def resize(process: Process) -> None:
    """Give the command's terminal the size of ours, if we have one."""
    for fd in (0, 1, 2):
        try:
            size = fcntl.ioctl(fd, termios.TIOCGWINSZ, bytes(8))
        except OSError:
            continue
        rows, columns, _, _ = struct.unpack("HHHH", size)
        process.resize(columns, rows)
        return


def _take_terminal_back() -> None:
    """Have the foreground again, which the command had, for whoever goes on in our group."""
    terminal.take_back(0)
