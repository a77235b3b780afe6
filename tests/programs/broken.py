"""broken.py TIMES MODULE.NAME DIRECTORY WORD...: pyinit in which a function fails TIMES times.

MODULE.NAME is a function or, as MODULE.CLASS.NAME, a method of the package.
"""

import _signal

given_mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())

import sys  # noqa: E402

times, path, directory = sys.argv[1:4]
del sys.argv[1:4]
sys.path.insert(0, directory)

module, *names = path.split(".")
__import__(f"pyinit.{module}")
owner = sys.modules[f"pyinit.{module}"]
for name in names[:-1]:
    owner = getattr(owner, name)
original = getattr(owner, names[-1])
left = [int(times)]


def fails(*args: object, **kwargs: object) -> object:
    """Fail, or do what it is for."""
    if left[0] > 0:
        left[0] -= 1
        raise RuntimeError(path)
    return original(*args, **kwargs)


setattr(owner, names[-1], fails)

from pyinit.cli import main  # noqa: E402

main(given_mask)
