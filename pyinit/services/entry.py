"""The way in: the init forks early, and its main child becomes the supervisor.

The init loads this module and nothing else of the folder: it parses no file, and what the
supervisor needs is loaded in the child.
"""

import _signal
import posix
import sys

from pyinit import environment, fork, signals
from pyinit.settings import GROUP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import NoReturn

    from pyinit.command.context import ExecContext
    from pyinit.settings import Settings

# What ps(1) shows; the kernel keeps 15 bytes.
NAME = "pyinit-services"


def start(settings: "Settings", setup: fork.ChildSetup) -> int:
    """Fork the supervisor of ``settings.services``, and return its PID.

    It does to itself what ``setup`` say, as a command would.   Raises `fork.StartError`.
    """
    if environment.fork_would_wait():
        raise fork.StartError(125, "cannot fork: /proc/self/stat is not a file of the kernel's")
    parent = posix.getpid()
    reader, writer = _connect(settings, parent)
    try:
        pid = posix.fork()
    except OSError as error:
        raise fork.StartError(125, f"cannot fork: {error.strerror}", error.errno) from None
    if pid == 0:
        settings.services_fd = writer
        _close(reader)
        _be_supervisor(settings, setup, parent)
    settings.services_fd = reader
    _close(writer)
    if setup.place == GROUP:
        try:
            posix.setpgid(pid, pid)  # as it does itself: a signal for the group may come first
        except OSError:
            pass  # ESRCH: it has ended
    settings.command = [NAME, settings.services, *settings.command]
    return pid


def _connect(settings: "Settings", parent: int) -> tuple[int, int]:
    """Return where the init hears of services, and where the supervisor tells; -1 for nowhere."""
    if not settings.keeps_record():
        return -1, -1
    try:
        from pyinit.report import services

        return services.connect(parent)
    except (ImportError, OSError):
        return -1, -1  # no descriptor is left: the files go without


def _close(fd: int) -> None:
    if fd >= 0:
        posix.close(fd)


def _be_supervisor(settings: "Settings", setup: fork.ChildSetup, parent: int) -> "NoReturn":
    """Become the supervisor in the forked process, and exit with the container's code."""
    code = 125
    try:
        sys.modules["pyinit"]._serve("services")
        _change(settings, setup.context, setup, parent)
        from pyinit.services import main

        code = main.run(settings, setup, stop_signals(settings))
    except BaseException as error:
        _tell(error)
    finally:
        posix._exit(code)  # nothing of the init runs in here, whatever is raised


def _tell(error: BaseException) -> None:
    """Say what has failed, by what is loaded: a module that is not may be what it is."""
    reason = getattr(error, "strerror", None) or repr(error)
    text = f"pyinit: the supervisor of services has failed: {reason}\n"
    try:
        posix.write(2, text.encode("utf-8", "backslashreplace"))
    except OSError:
        pass


def _change(
    settings: "Settings", context: "ExecContext | None", setup: fork.ChildSetup, parent: int
) -> None:
    """Do what a command's process does before its exec.  Raises OSError."""
    fork.isolate_child(setup.place, setup.terminal)
    if context is not None:
        context.apply(parent)
    if setup.linux is not None:
        _stop_with(parent, settings, setup.linux)
    try:
        fd = posix.open("/proc/self/comm", posix.O_WRONLY | posix.O_CLOEXEC)
        posix.write(fd, NAME.encode())
        posix.close(fd)
    except OSError:
        pass  # no /proc


def stop_signals(settings: "Settings") -> frozenset[int]:
    """Return the signals that tell the supervisor to stop, as the init passes them on."""
    given = signals.STOP_SIGNALS if settings.stop_signals is None else settings.stop_signals
    return given | frozenset(settings.rewrite.get(number, number) for number in given) - {0}


def _stop_with(parent: int, settings: "Settings", linux: "ModuleType") -> None:
    """Have the services stopped when the init ends, which is not PID 1; a command is killed then.

    The supervisor's own end would leave them to somebody else.
    """
    known = stop_signals(settings)
    number = _signal.SIGTERM if _signal.SIGTERM in known else min(known)
    try:
        linux.set_parent_death_signal(number)
    except OSError:
        return  # a filter (seccomp(2)) forbids it
    if posix.getppid() != parent:
        posix.kill(posix.getpid(), number)  # it ended before the signal was set
