"""What is written before a command, or instead of one: help, version, a greeting."""

import _signal
import posix

from pyinit import __version__, fallback
from pyinit.settings import Settings


def answer(settings: Settings, mask: set[int]) -> int:
    """Write what is asked for, help or version, and return the exit code.

    As any program would: with the signal mask that was given, so that one that
    waits for a reader can be ended.
    """
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, mask)
    fd = 1
    if settings.alias:
        from pyinit.compat import peers

        text, fd = peers.answer(settings)
    elif settings.help:
        from pyinit.options import help as help_text

        text = help_text.render()
    else:
        text = f"pyinit {__version__}\n"
    data = text.encode()
    try:
        while data:
            data = data[posix.write(fd, data) :]
    except OSError as error:
        fallback.tell(f"cannot write to standard output: {error.strerror}")
        return 125
    return 0


def greet(settings: Settings) -> None:
    """Write what the program whose name we bear writes before it starts its command."""
    from pyinit.compat import peers

    is_reaper = settings.subreaper or posix.getpid() == 1
    if not is_reaper and not settings.quiet:
        try:
            from pyinit import linux

            # It outlives an execve(2): whoever ran us may have asked for it.
            is_reaper = linux.is_child_subreaper()
        except (ImportError, OSError):
            pass  # a Python built without libffi, a filter: then it is unlikely
    for line in peers.greeting(settings, is_reaper=is_reaper):
        fallback.tell(line, "")
