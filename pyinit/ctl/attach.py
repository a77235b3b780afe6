"""A command in the foreground: signals go to it, its exit code is ours, its terminal is shown."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from typing import TYPE_CHECKING

from pyinit import sigset
from pyinit import terminal as terminals
from pyinit.ctl import screen
from pyinit.ctl.common import CommandError
from pyinit.fork import StartError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyinit.container import Process

# As in env(1) and docker: the command was not reached.
FAILED = 125
KILL = int(signal.SIGKILL)


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
    if terminal:
        screen.fill_standard()
    try:
        process = start()
    except StartError as error:
        raise CommandError(str(error), error.code) from None
    except OSError as error:
        raise CommandError(error.strerror or str(error), FAILED) from None
    except (ValueError, RuntimeError) as error:
        raise CommandError(str(error), FAILED) from None
    with process:
        loop = _Loop(process, timeout_s)
        if terminal:
            with screen.Screen(process) as shown:
                loop.run(shown)
        else:
            loop.run(None)
            # The command had the foreground; whoever goes on in our group is to have it.
            terminals.take_back(0)
        return timed_out if loop.is_late else process.wait().code


class _Loop:
    """Waits for signals, the terminal, the deadline and the end at once."""

    def __init__(self, process: Process, timeout_s: float | None) -> None:
        self._process = process
        self._deadline = None if timeout_s is None else time.monotonic() + timeout_s
        self.is_late = False

    def run(self, shown: screen.Screen | None) -> None:
        """Return when the process has ended and what it wrote has been shown."""
        with _wakeup(sigset.RELAYED if shown is None else _WITH_TERMINAL) as signals:
            ended = False
            while not ended or (shown is not None and shown.has_more()):
                ready = self._wait(signals, shown, ended=ended)
                self._check_deadline()
                if signals in ready:
                    self._take(os.read(signals, 4096), shown)
                    if ended:
                        return  # nobody reads what is still to be shown, and somebody is impatient
                if shown is not None:
                    shown.copy(ready)
                ended = ended or self._process.pidfd in ready

    def _wait(self, signals: int, shown: screen.Screen | None, *, ended: bool) -> dict[int, int]:
        """Return what is ready."""
        poll = select.poll()
        poll.register(signals, select.POLLIN)
        if not ended:
            poll.register(self._process.pidfd, select.POLLIN)
        if shown is not None:
            for fd, events in shown.wants().items():
                poll.register(fd, events)
        return dict(poll.poll(self._timeout_ms()))

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

    def _take(self, numbers: bytes, shown: screen.Screen | None) -> None:
        """Act on signals that came: what is not about our own terminal is for the command."""
        for number in numbers:
            if shown is not None and number == signal.SIGWINCH:
                shown.resize()
                continue
            if shown is not None and number == signal.SIGCONT:
                shown.set_raw()
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)


# A read or a change of our terminal from the background has to stop us, and what
# write(2) sends to whom nobody reads any more is not for the command.
_WITH_TERMINAL = sigset.RELAYED - sigset.BACKGROUND_TTY - {signal.SIGPIPE, signal.SIGXFSZ}


@contextlib.contextmanager
def _wakeup(taken: frozenset[int]) -> Iterator[int]:
    """Let signals be numbers that can be read from a pipe; signal.set_wakeup_fd()."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    previous = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    handlers = {number: signal.signal(number, _nothing) for number in taken}
    mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, taken | sigset.BACKGROUND_TTY)
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
