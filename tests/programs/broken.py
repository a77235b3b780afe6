"""broken.py TIMES[:ERRNO] MODULE.NAME DIRECTORY WORD...: pyinit whose function fails TIMES times.

MODULE.NAME is a function or, as MODULE.CLASS.NAME, a method of the package, or a function of the
modules posix and _ctypes.  With ERRNO, such as EMFILE, it fails with that OSError, else with
RuntimeError.
"""

import _signal

inherited_mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())

import errno  # noqa: E402
import sys  # noqa: E402

times, path, directory = sys.argv[1:4]
del sys.argv[1:4]
sys.path.insert(0, directory)

times, _, word = times.partition(":")
module, *names = path.split(".")
if module in ("posix", "_ctypes"):
    owner = __import__(module)
else:
    while names[0].islower() and len(names) > 1:  # a folder
        module += f".{names.pop(0)}"
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
        raise OSError(getattr(errno, word), word) if word else RuntimeError(path)
    return original(*args, **kwargs)


setattr(owner, names[-1], fails)

from pyinit.cli import main  # noqa: E402

main(inherited_mask)
