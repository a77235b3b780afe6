"""A command under an init of its own: waiting for it, signals for it, its end."""

from __future__ import annotations

import errno
import os
import select
import signal
import threading
import time
from typing import TYPE_CHECKING, Any, Self

from pyinit.api.types import Exit
from pyinit.kernel.clock import Clock

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Generator

    from pyinit.container import starter

# From KILL to the end of those who were killed, in seconds; who is in D state is not waited for.
_KILL_BOUND_S = 10.0
_KILL_POLL_S = 0.01


class Process:
    """A command under an init of its own, which is a child of this process.

    ``pid`` is the init's number, as it is seen here, and ``pidfd`` a descriptor that becomes
    readable when it ends (pidfd_open(2)), for selectors and event loops.  ``stdin``, ``stdout`` and
    ``stderr`` are binary files where `subprocess.PIPE` was asked for, ``terminal`` the
    descriptor of the terminal's other side where one was.  In a ``with`` statement it is
    killed at the end.  A coroutine can ``await`` it for its `Exit`.
    """

    __module__ = "pyinit"

    def __init__(self, started: starter.StartedInit) -> None:
        self.pid = started.pid
        self.pidfd = started.pidfd
        self.stdin = started.stdin
        self.stdout = started.stdout
        self.stderr = started.stderr
        self.terminal = started.terminal
        self.channel = started.channel  # on which the init tells what happens, for pyinitctl
        self._exit: Exit | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        """Return what it is and how it stands."""
        state = f"{self._exit}" if self._exit else "running"
        return f"<{type(self).__name__} pid={self.pid} {state}>"

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Kill it, and close what belongs to it."""
        try:
            self.kill()
        except ChildProcessError:
            pass  # somebody else has waited for it: it has ended, which is what is wanted
        finally:
            self.close()

    def __await__(self) -> Generator[Any, None, Exit]:
        """Wait for the end in an event loop of asyncio, without a thread."""
        return self._wait_in_loop().__await__()

    async def _wait_in_loop(self) -> Exit:
        import asyncio

        if self._exit is None:
            loop = asyncio.get_running_loop()
            waits = [loop.create_task(each._wait_in_loop()) for each in self._running_inside()]
            ended = loop.create_future()
            # A descriptor of its own: several may wait.
            fd = os.dup(self.pidfd)
            loop.add_reader(fd, lambda: _settle(ended))
            try:
                await ended
            finally:
                loop.remove_reader(fd)
                os.close(fd)
                for wait in waits:
                    wait.cancel()
        return self.wait()

    def poll(self) -> Exit | None:
        """Return how it ended, or None while it has not."""
        try:
            return self.wait(0)
        except TimeoutError:
            return None

    def wait(self, timeout_s: float | None = None) -> Exit:
        """Wait until the command and all that it left behind have ended; return its end.

        Raises TimeoutError after ``timeout_s`` seconds, and ChildProcessError when
        somebody else has waited for our child; see waitid(2).
        """
        if self._exit is not None:
            return self._exit
        if not self._await_end(None if timeout_s is None else time.monotonic() + timeout_s):
            raise TimeoutError(f"process {self.pid} has not ended within {timeout_s} seconds")
        with self._lock:
            if self._exit is None:
                self._exit = self._reap()
        return self._exit

    def _await_end(self, deadline: float | None) -> bool:
        """Wait until it has ended or the deadline is over; return whether it has."""
        while True:
            poll = select.poll()
            poll.register(self.pidfd, select.POLLIN)
            others = self._running_inside()
            for each in others:
                poll.register(each.pidfd, select.POLLIN)
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            ready = dict(poll.poll(None if left is None else left * 1000))
            for each in others:
                if each.pidfd in ready:
                    each.poll()
            if self.pidfd in ready:
                return True
            if not ready:
                return False

    def _running_inside(self) -> list[Process]:
        """Return the children of ours that have to be waited for before this one can end."""
        return []

    def _reap(self) -> Exit:
        info = os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED)
        assert info is not None  # only None with WNOHANG
        told = self.channel.last()
        if info.si_code == os.CLD_EXITED:
            return Exit(info.si_status, told)
        return Exit(128 + info.si_status, info.si_status)

    def send_signal(self, number: int) -> None:
        """Send a signal to the init, which relays it; pidfd_send_signal(2).

        Raises ProcessLookupError when it has ended.
        """
        if self._exit is not None:
            raise ProcessLookupError(errno.ESRCH, f"process {self.pid} has ended")
        signal.pidfd_send_signal(self.pidfd, number)

    def stop(self, timeout_s: float = 10.0, number: int = signal.SIGTERM) -> Exit:
        """Send signal ``number``, and kill what has not ended ``timeout_s`` seconds later."""
        self._try_signal(number)
        try:
            return self.wait(timeout_s)
        except TimeoutError:
            return self.kill()

    def kill(self) -> Exit:
        """Kill the command and everything that it has started; return its end.

        Raises TimeoutError when the kernel cannot end it, as in D state.
        """
        clock = Clock()
        while self.poll() is None:
            if clock.now() > _KILL_BOUND_S:
                raise TimeoutError(f"process {self.pid} has been killed and has not ended")
            self._kill_all()
            again = clock.now() + _KILL_POLL_S
            try:
                self.wait(_KILL_POLL_S)
            except TimeoutError:
                clock.reach(again)
        return self.wait()

    def _kill_all(self) -> None:
        """Kill the descendants of the init, a subreaper, which ends when it has none."""
        import psutil

        # It would ask the others to end as soon as the command has.
        self._try_signal(signal.SIGSTOP)
        try:
            for process in psutil.Process(self.pid).children(recursive=True):
                try:
                    process.kill()
                except psutil.Error:
                    continue  # it has ended, or is under a user whom we may not signal
        except psutil.NoSuchProcess:
            pass
        finally:
            self._try_signal(signal.SIGCONT)

    def _try_signal(self, number: int) -> None:
        try:
            self.send_signal(number)
        except ProcessLookupError:
            pass  # it has ended, which is what is wanted

    def close(self) -> None:
        """Close the descriptors and files; the process is not touched."""
        for file in (self.stdin, self.stdout, self.stderr):
            if file is not None:
                try:
                    file.close()
                except BrokenPipeError:
                    pass  # nobody reads what was still to be written
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1
        if self.terminal is not None:
            os.close(self.terminal)
            self.terminal = None
        self.channel.close()

    def resize(self, columns: int, rows: int) -> None:
        """Set the size of the terminal; TIOCSWINSZ in ioctl_tty(2).  Raises ValueError, OSError."""
        if self.terminal is None:
            raise ValueError("there is no terminal: expected terminal=True")
        import fcntl
        import struct
        import termios

        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, size)


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
