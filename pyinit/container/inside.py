"""What `Container.exec` has started, as the container has it."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyinit.container.process import Process


class Inside:
    """A process in a container, with a descriptor of its own.

    Whoever started the process may close it at any time, in another thread too, and it has to be
    reaped all the same: the kernel keeps the container's init until its number is free; see
    pid_namespaces(7).
    """

    def __init__(self, process: Process) -> None:
        self._process = process
        self._pidfd = process.dup_pidfd()
        self._lock = threading.RLock()  # a handler of a signal may come back to it

    @property
    def pid(self) -> int:
        """Return its number, as it is seen here."""
        return self._process.pid

    @property
    def is_closed(self) -> bool:
        """Return whether its starter has closed it, so that nobody else will reap it."""
        return self._process.pidfd < 0

    def fileno(self) -> int:
        """Return its pidfd, or -1 when there is nothing to wait for any more."""
        return self._pidfd if self._process.returncode is None else -1

    def dup_pidfd(self) -> int:
        """Return a pidfd of it that is the caller's.  Raises ValueError after `close`."""
        with self._lock:
            if self._pidfd < 0:
                raise ValueError(f"process {self.pid} is closed")
            return os.dup(self._pidfd)

    def poll(self) -> bool:
        """Reap it when it has ended; return whether it has."""
        with self._lock:
            if self._pidfd < 0:
                return True
            try:
                if not self._process.reap_by(self._pidfd):
                    return False
            except ChildProcessError:
                pass  # somebody else has waited for it
            self.close()
            return True

    def close(self) -> None:
        """Close the descriptor."""
        with self._lock:
            if self._pidfd >= 0:
                os.close(self._pidfd)
                self._pidfd = -1
