"""loses.py HOW DIRECTORY WORD...: pyinit from DIRECTORY that loses the status of who exits with 7.

With HOW `failure` waitpid(2) reaps it and then fails for want of memory; with `thief` it is
gone before, as where another thread of the program has waited for it, and waitpid(2) finds the
others; the program with that thread has called `run`.
"""

import _signal

inherited_mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())

import posix  # noqa: E402
import sys  # noqa: E402

how, directory = sys.argv[1:3]
del sys.argv[1:3]
sys.path.insert(0, directory)
wait = posix.waitpid


def lose(pid: int, options: int) -> tuple[int, int]:
    """Stand for waitpid(2)."""
    found = wait(pid, options)
    if found[1] != 7 << 8:
        return found
    if how == "failure":
        raise MemoryError
    return wait(pid, options)


posix.waitpid = lose

if how == "failure":
    from pyinit.cli import main

    main(inherited_mask)
_signal.pthread_sigmask(_signal.SIG_SETMASK, inherited_mask)
import pyinit  # noqa: E402

posix._exit(pyinit.run(sys.argv[2:], grace_s=0.1).code)
