"""A command in the foreground: signals go to it, its exit code is ours, its terminal is shown."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from typing import TYPE_CHECKING

from pyinit import linux
from pyinit.ctl.common import CommandError
from pyinit.ctl.start import console
from pyinit.fork import StartError
from pyinit.kernel import job, polls
from pyinit.kernel import terminal as terminals
from pyinit.kernel.clock import Clock
from pyinit.signals import BACKGROUND_TTY, RELAYED, STOP_SIGNALS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyinit.container.init_socket import InitSocket
    from pyinit.container.process import Process

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
        console.fill_standard()
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
            with console.Console(process) as shown:
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
        self._channel: InitSocket | None = process.channel
        self._is_to_end = False
        self._resumed_from = 0  # the stop of which a SIGCONT has ended ours
        self._clock = Clock()
        self._deadline = timeout_s
        self.is_late = False

    def run(self, shown: console.Console | None) -> None:
        """Return when the process has ended and what it wrote has been shown."""
        with _wakeup(RELAYED if shown is None else _WITH_TERMINAL) as signals:
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
                if not ended and self._channel is not None and self._channel.fileno() in ready:
                    self._hear(self._channel, shown)

    def _wait(self, signals: int, shown: console.Console | None, *, ended: bool) -> dict[int, int]:
        """Return what is ready."""
        poll = select.poll()
        poll.register(signals, select.POLLIN)
        if not ended:
            poll.register(self._process.pidfd, select.POLLIN)
            if self._channel is not None:
                poll.register(self._channel.fileno(), select.POLLIN)
        if shown is not None:
            for fd, events in shown.wants().items():
                poll.register(fd, events)
        if self._deadline is None or self.is_late:
            return dict(poll.poll())
        ready = dict(polls.wait(poll, self._deadline - self._clock.now()))
        if not ready:
            self._clock.reach(self._deadline)
        return ready

    def _check_deadline(self) -> None:
        if self._deadline is None or self.is_late or self._clock.now() < self._deadline:
            return
        self.is_late = True
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)

    def _take(self, numbers: bytes, shown: console.Console | None) -> None:
        """Act on signals that came: what is not about our own terminal is for the command."""
        if not _ENDS.isdisjoint(numbers):
            self._is_to_end = True
        for number in numbers:
            if shown is not None and number == signal.SIGWINCH:
                shown.resize()
                continue
            if shown is not None and number == signal.SIGCONT:
                self._resume(shown)
            with contextlib.suppress(ProcessLookupError):
                if number == signal.SIGCONT and self._resumed_from:
                    self._continue_from(self._resumed_from)
                    self._resumed_from = 0
                else:
                    self._process.send_signal(number)

    def _continue_from(self, stop: int) -> None:
        """Continue the command, unless ``stop`` is over.

        The shell's SIGCONT goes to its job, which an init without a terminal of its own belongs
        to, before we pass ours on, and by then it may have been stopped anew.
        """
        linux.queue_signal(self._process.pid, signal.SIGCONT, stop)

    def _resume(self, shown: console.Console) -> None:
        """Go on after a stop.

        A shell that ends a stopped job continues it in the background: no keys are read there.
        """
        if self._is_to_end and shown.has_keyboard() and not terminals.is_ours(0):
            shown.leave()
        else:
            shown.resume()

    def _hear(self, channel: InitSocket, shown: console.Console | None) -> None:
        """Take what the init tells: of stops we are a part."""
        try:
            message = channel.hear()
        except BlockingIOError:
            return
        if not message:
            self._channel = None  # it is about to end
        elif message[0] == "stopped" and message[1] in _STOPS:
            self._stop_too(message[3], message[1], shown, had_terminal=message[2])

    def _stop_too(
        self, stop: int, number: int, shown: console.Console | None, *, had_terminal: bool
    ) -> None:
        """Stop our own job, as the command has stopped: our shell waits for us, not for it.

        Where nobody could continue us (setpgid(2): an orphaned process group) we are not
        stopped, nor would the command have been in our place: it goes on.
        """
        if shown is not None:
            may_stop = shown.has_keyboard()
            shown.restore()
        else:
            may_stop = terminals.foreground() is not None
            if had_terminal:
                _take_terminal()
        if may_stop and _stop_group():
            self._resumed_from = stop  # the SIGCONT that came is in the pipe
            return
        if shown is not None:
            shown.resume()
        elif not may_stop:
            return  # no job of a shell: whoever stopped it may continue it
        if number == signal.SIGTSTP:
            with contextlib.suppress(ProcessLookupError):
                self._continue_from(stop)


_ENDS = STOP_SIGNALS | {signal.SIGHUP}
# Those of job control.  SIGSTOP is somebody's who wants the command to stand still, and no more.
_STOPS = frozenset((signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU))


def _stop_group() -> bool:
    """Stop us and all others in our group; return whether we were continued."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTSTP, signal.SIGCONT})
    try:
        return job.stop_self(0)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _take_terminal() -> None:
    """Make our group the foreground, which the command's is."""
    fd = terminals.open_controlling()
    if fd is None:
        return
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
    try:
        terminals.hand_over(fd, os.getpgrp())
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.close(fd)


# A read or a change of our terminal from the background has to stop us, and what
# write(2) sends to whom nobody reads any more is not for the command.
_WITH_TERMINAL = RELAYED - BACKGROUND_TTY - {signal.SIGPIPE, signal.SIGXFSZ}


@contextlib.contextmanager
def _wakeup(taken: frozenset[int]) -> Iterator[int]:
    """Let signals be numbers that can be read from a pipe; signal.set_wakeup_fd()."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    previous = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    handlers = {number: signal.signal(number, _nothing) for number in taken}
    mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, taken | BACKGROUND_TTY)
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
