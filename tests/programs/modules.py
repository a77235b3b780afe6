"""modules.py DIRECTORY WORD...: pyinit that prints at its end, on a line, what it has loaded."""

import _signal

inherited_mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())

import posix  # noqa: E402
import sys  # noqa: E402

before = set(sys.modules)
directory = sys.argv[1]
del sys.argv[1]
sys.path.insert(0, directory)
end = posix._exit


def tell_and_end(code: int) -> None:
    """Stand for _exit(2)."""
    posix.write(1, " ".join(sorted(set(sys.modules) - before)).encode() + b"\n")
    end(code)


posix._exit = tell_and_end  # type: ignore[assignment]

from pyinit.cli import main  # noqa: E402

main(inherited_mask)
