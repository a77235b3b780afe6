"""The init of a container: found by the number of a process in it, and stopped."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from typing import TYPE_CHECKING

from pyinit.container import freezer
from pyinit.ctl import common
from pyinit.ctl.common import CommandError
from pyinit.kernel import pidfds, polls
from pyinit.namespaces import members

if TYPE_CHECKING:
    from collections.abc import Iterator

WHOSE = (
    "PID is any process of the container, as it is numbered here; the command acts on the whole "
    "PID namespace of that process."
)

# From KILL to the end; who is in D state is not waited for.
_KILL_BOUND_S = 10.0


@contextlib.contextmanager
def told(pid: int) -> Iterator[None]:
    """Turn an OSError into the CommandError that says it."""
    try:
        yield
    except OSError as error:
        raise CommandError(f"process {pid}: {error.strerror or error}") from None


def init_of(pid: int) -> int:
    """Return the init of the PID namespace of ``pid``.  Raises CommandError, OSError."""
    try:
        own = os.stat("/proc/self/ns/pid").st_ino
        if os.stat(f"/proc/{pid}/ns/pid").st_ino == own:
            raise CommandError(
                f"process {pid} is in our own PID namespace: expected one of a container"
            )
    except FileNotFoundError:
        raise CommandError(f"there is no process {pid}") from None
    for outer, numbers, level in members.numbered(pid):
        if numbers[level] == 1 and len(numbers) == level + 1:
            return outer
    raise CommandError(f"the init of process {pid} cannot be seen from here")


def stop(init: int, timeout_s: float) -> str:
    """Send TERM to ``init``, and KILL when it takes longer than ``timeout_s``; return what came.

    Raises CommandError, OSError.
    """
    pidfd = common.open_process(init)
    try:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        pidfds.pidfd_send_signal(pidfd, signal.SIGTERM)
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended
            freezer.thaw(init)  # a frozen one acts on nothing
        if polls.wait(poll, timeout_s):
            return f"process {init} ended after TERM"
        pidfds.pidfd_send_signal(pidfd, signal.SIGKILL)
        if not polls.wait(poll, _KILL_BOUND_S):
            raise CommandError(f"process {init} has been killed, and has not ended")
        return f"process {init} had to be killed {timeout_s:g} s after TERM"
    finally:
        os.close(pidfd)
