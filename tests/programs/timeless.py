"""timeless.py WHAT DIRECTORY WORD...: pyinit from DIRECTORY, among clocks and waits that mislead.

With WHAT `clock` CLOCK_MONOTONIC stands still, as under a library that is preloaded
(libfaketime).  With `clocks` so it does, and times(2) is refused.  With `wait:NUMBER` a wait for
signals that runs out gives a siginfo with that number, as CPython does when it was interrupted.
"""

import _signal

inherited_mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())

import posix  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402

what, directory = sys.argv[1:3]
del sys.argv[1:3]
sys.path.insert(0, directory)
wait = _signal.sigtimedwait


def refuse() -> posix.times_result:
    """Stand for times(2) under a filter of system calls."""
    raise PermissionError(1, "Operation not permitted")


def wait_for_garbage(awaited: bytes, timeout_s: float) -> _signal.struct_siginfo | None:
    """Stand for sigtimedwait(2) that is interrupted."""
    info = wait(awaited, timeout_s)
    if info is None and timeout_s:
        number = int(what.partition(":")[2])
        return _signal.struct_siginfo([number, 0, 0, 0, 0, 0, 0])  # type: ignore[call-arg]
    return info


if what.startswith("wait"):
    _signal.sigtimedwait = wait_for_garbage  # type: ignore[assignment]
else:
    time.monotonic = lambda: 1000.0
if what == "clocks":
    posix.times = refuse

from pyinit.cli import main  # noqa: E402

main(inherited_mask)
