"""``python -m pyinit``: the command, for when its script is not on PATH."""

import _signal

# First act: a signal that arrives while the rest is imported waits in the
# queue instead of being discarded (pid_namespaces(7): default dispositions
# do not reach an init, but a blocked signal is queued for it).
inherited_mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())

import sys  # noqa: E402

if "pyinit" in sys._xoptions:
    # Started once more, see pyinit/process/restart.py: without site, the package is where it was.
    sys.path += sys._xoptions["pyinit"].rpartition(";")[2].split(":")
elif __name__ == "__main__" and not sys.flags.safe_path:
    # What lies where we are is for others to import.
    del sys.path[0]

try:
    from pyinit.cli import main
except BaseException as error:
    import posix

    # One line and our own code, instead of a traceback and the 1 of a command.
    posix.write(2, f"pyinit: cannot be loaded: {error!r}\n".encode(errors="backslashreplace"))
    posix._exit(125)

if __name__ == "__main__":
    main(inherited_mask)
