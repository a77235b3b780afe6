"""A command under an init of its own: waiting for it, signals for it, its end."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import threading
import time
import warnings
from typing import TYPE_CHECKING, Any, Self

from pyinit.api.deprecated import renamed
from pyinit.api.keywords import signal_of
from pyinit.api.types import Exit, exit_of
from pyinit.container import abandoned, wire
from pyinit.container.conversation import Conversation
from pyinit.container.errors import TimeoutExpired
from pyinit.container.waiting import await_end
from pyinit.kernel import pidfds
from pyinit.kernel.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from typing import IO

    from pyinit.api.types import Signal
    from pyinit.container.starter import StartedInit
    from pyinit.container.waiting import Child

# From KILL to the end of those who were killed, in seconds; who is in D state is not waited for.
_KILL_BOUND_S = 10.0
_KILL_POLL_S = 0.01


class Process:
    """A command under an init of its own, which is a child of this process.

    Much of it is as in `subprocess.Popen`.  ``args`` is the command.  ``pid`` is the init's number,
    as it is seen here, and ``pidfd`` a descriptor that becomes readable when it ends
    (pidfd_open(2)), for selectors and event loops.  ``stdin``, ``stdout`` and ``stderr`` are files
    where `subprocess.PIPE` was asked for, ``terminal`` the descriptor of the terminal's other side
    where one was.  In a ``with`` statement it is killed at the end.  A coroutine can ``await`` it
    for its `Exit`.  After `close` all that needs the process raises ValueError.
    """

    __module__ = "pyinit"
    _kind = "process"

    def __init__(self, started: StartedInit) -> None:
        self.args = started.args
        self.pid = started.pid
        self.pidfd = started.pidfd
        self.stdin: IO[Any] | None = started.stdin
        self.stdout: IO[Any] | None = started.stdout
        self.stderr: IO[Any] | None = started.stderr
        self.terminal = started.terminal
        self.channel = started.channel  # on which the init tells what happens, for pyinitctl
        # Called, in any thread, for each process that comes to be among those of `running_inside`.
        self.on_inside: list[Callable[[Any], None]] = []
        self._may_outlive_us = started.is_detached
        self._exit: Exit | None = None
        self._lock = threading.RLock()  # a handler of a signal may come back to it
        self._conversation: Conversation | None = None

    def __repr__(self) -> str:
        """Return what it is and how it stands."""
        state = self._exit or ("running" if self.pidfd >= 0 else "closed")
        return f"<pyinit.{type(self).__name__} pid={self.pid} {state} args={self.args!r}>"

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Kill it, and close what belongs to it."""
        if self.pidfd < 0:
            return
        try:
            self.end()
        finally:
            self.close()

    def end(self) -> None:
        """Kill it, whoever waits for it.  Raises TimeoutError as `kill`."""
        try:
            self.kill()
        except ChildProcessError:
            pass  # somebody else has waited for it: it has ended, which is what is wanted

    def __del__(self) -> None:
        """Warn of one that runs and was not closed; it is not touched."""
        if getattr(self, "pidfd", -1) < 0:
            return
        try:
            is_running = self.poll() is None
        except OSError:
            is_running = False  # somebody else has waited for it
        if is_running:
            abandoned.add(self.pidfd)
            if not self._may_outlive_us:
                text = f"{self._kind} {self.pid} is still running"
                warnings.warn(text, ResourceWarning, source=self, stacklevel=2)
        self.close()

    def __await__(self) -> Generator[Any, None, Exit]:
        """Wait for the end in an event loop of asyncio, without a thread."""
        from pyinit.container import in_loop

        return in_loop.wait(self).__await__()

    @property
    def returncode(self) -> int | None:
        """Return the end as `subprocess.Popen` has it, -N after signal N; None until it is known.

        It is known after `poll`, `wait` and `communicate`.
        """
        return None if self._exit is None else self._exit.returncode

    def poll(self) -> Exit | None:
        """Return how it ended, or None while it has not."""
        try:
            return self.wait(0)
        except TimeoutError:
            return None

    @renamed(timeout_s="timeout")
    def wait(self, timeout: float | None = None) -> Exit:
        """Wait until the command and all that it left behind have ended; return its end.

        Raises `TimeoutExpired` after ``timeout`` seconds, and ChildProcessError when
        somebody else has waited for our child; see waitid(2).
        """
        if self._exit is not None:
            return self._exit
        if not await_end(self, None if timeout is None else time.monotonic() + timeout):
            assert timeout is not None
            raise self._late(timeout)
        return self.reap()

    def _late(self, timeout: float, output: Any = None, stderr: Any = None) -> TimeoutExpired:
        return TimeoutExpired(self.args, timeout, output, stderr, f"{self._kind} {self.pid}")

    def running_inside(self) -> Sequence[Child]:
        """Return the children of ours that have to be waited for before this one can end."""
        return []

    def reap(self) -> Exit:
        """Return the end of one whose pidfd is readable; see waitid(2)."""
        if self._exit is None:
            self.reap_by(self.open_pidfd(), 0)
        assert self._exit is not None
        return self._exit

    def reap_by(self, pidfd: int, flags: int = os.WNOHANG) -> bool:
        """Reap it by a descriptor of it, whose lifetime is the caller's; return whether it has."""
        with self._lock:
            if self._exit is None:
                info = os.waitid(pidfds.P_PIDFD, pidfd, os.WEXITED | flags)
                if info is not None:
                    self._exit = _exit_of(info, self.channel.last() if self.pidfd >= 0 else 0)
        return self._exit is not None

    def communicate(
        self,
        input: str | bytes | None = None,  # noqa: A002 - as there
        timeout: float | None = None,
    ) -> tuple[Any, Any]:
        """Write ``input``, read stdout and stderr to their end, and wait; return what was read.

        None stands for what is no pipe.  Raises `TimeoutExpired` after ``timeout`` seconds: then
        nothing is lost, and it can be called again, without ``input``.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        self.open_pidfd()
        if self._conversation is None:
            self._conversation = Conversation(self.stdin, self.stdout, self.stderr, input)
        elif input is not None:
            raise ValueError("input was given to the first call, which has timed out")
        is_over = self._conversation.go_on(deadline)
        if not is_over or (self._exit is None and not await_end(self, deadline)):
            assert timeout is not None
            raise self._late(timeout, *self._conversation.said_so_far())
        self.reap()
        return self._conversation.said()

    def said(self) -> tuple[Any, Any]:
        """Return what `communicate` has read, as it is in `TimeoutExpired`."""
        return (None, None) if self._conversation is None else self._conversation.said_so_far()

    @renamed(number="signal")
    def send_signal(self, signal: Signal) -> None:
        """Send a signal, a number or a name such as "TERM", to the init, which relays it.

        See pidfd_send_signal(2).  Raises ProcessLookupError when it has ended.
        """
        number = signal_of(signal)
        pidfd = self.open_pidfd()
        if self._exit is not None:
            raise self.ended()
        _send(pidfd, number)

    def terminate(self) -> None:
        """Send SIGTERM; do nothing when it has ended."""
        if self.poll() is None:
            self._try_signal(signal.SIGTERM)

    @renamed(timeout_s="timeout", number="signal")
    def stop(self, timeout: float = 10.0, signal: Signal = "TERM") -> Exit:
        """Send ``signal``, and kill what has not ended ``timeout`` seconds later."""
        number = signal_of(signal)
        if self.poll() is None:
            self._try_signal(number)
        try:
            return self.wait(timeout)
        except TimeoutError:
            return self.kill()

    def kill(self) -> Exit:
        """Kill the command and everything that it has started; return its end.

        Raises TimeoutError when the kernel cannot end it, as in D state.
        """
        clock = Clock()
        while self.poll() is None:
            if clock.now() > _KILL_BOUND_S:
                raise TimeoutError(f"{self._kind} {self.pid} has been killed and has not ended")
            self._kill_all()
            again = clock.now() + _KILL_POLL_S
            try:
                self.wait(_KILL_POLL_S)
            except TimeoutError:
                self._try_signal(signal.SIGCONT)  # it may be stopped
                clock.reach(again)
        return self.wait()

    def _kill_all(self) -> None:
        """Have the init, a subreaper, kill the command and all its other descendants, and end.

        From here one could be missed: its parent may end while the tree is looked at.
        """
        self._try_signal(wire.END_ALL)

    def _try_signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):  # it has ended, which is what is wanted
            _send(self.open_pidfd(), number)

    def close(self) -> None:
        """Close the descriptors and files; the process is not touched."""
        for file in (self.stdin, self.stdout, self.stderr):
            if file is not None:
                with contextlib.suppress(BrokenPipeError):  # nobody reads what was still to come
                    file.close()
        with self._lock:
            if self.pidfd >= 0:
                os.close(self.pidfd)
                self.pidfd = -1
            self.channel.close()
        if self.terminal is not None:
            os.close(self.terminal)
            self.terminal = None

    def open_pidfd(self) -> int:
        """Return ``pidfd``.  Raises ValueError after `close`."""
        if self.pidfd < 0:
            raise ValueError(f"{self._kind} {self.pid} is closed")
        return self.pidfd

    def dup_pidfd(self) -> int:
        """Return a pidfd of it that is the caller's.  Raises ValueError after `close`."""
        return os.dup(self.open_pidfd())

    def ended(self) -> ProcessLookupError:
        """Return the error that says that it has."""
        return ProcessLookupError(errno.ESRCH, f"{self._kind} {self.pid} has ended: {self._exit}")

    def resize(self, columns: int, rows: int) -> None:
        """Set the size of the terminal; TIOCSWINSZ in ioctl_tty(2).  Raises ValueError, OSError."""
        self.open_pidfd()
        if self.terminal is None:
            raise ValueError("there is no terminal: expected terminal=True")
        _resize(self.terminal, columns, rows)


def _exit_of(info: os.waitid_result, told: int) -> Exit:
    """Return the end that waitid(2) and the init have told of."""
    if info.si_code == os.CLD_EXITED:
        return exit_of(info.si_status, told)
    return exit_of(128 + info.si_status, info.si_status)


def _resize(terminal: int, columns: int, rows: int) -> None:
    import fcntl
    import struct
    import termios

    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def _send(pidfd: int, number: int) -> None:
    """Send a signal.  Raises ProcessLookupError when the process has ended."""
    pidfds.pidfd_send_signal(pidfd, number)
