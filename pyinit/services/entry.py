"""The way in: the init forks early, and its main child becomes the supervisor.

The init loads this module and nothing else of the folder: it parses no file, and what the
supervisor needs is loaded in the child.
"""

import _signal
import posix

from pyinit import environment, fork, settings, signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import NoReturn

    from pyinit.command.changes import Changes

# What ps(1) shows; the kernel keeps 15 bytes.
NAME = "pyinit-services"


def start(asked: settings.Settings, setup: fork.ChildSetup) -> int:
    """Fork the supervisor of ``asked.services``, and return its PID.

    It does to itself what ``setup`` say, as a command would.  Raises `fork.StartError`.
    """
    if environment.fork_would_wait():
        raise fork.StartError(125, "cannot fork: /proc/self/stat is no file of the kernel's")
    parent = posix.getpid()
    try:
        pid = posix.fork()
    except OSError as error:
        raise fork.StartError(125, f"cannot fork: {error.strerror}", error.errno) from None
    if pid == 0:
        _be_supervisor(asked, setup, parent)
    if setup.place == settings.GROUP:
        try:
            posix.setpgid(pid, pid)  # as it does itself: a signal for the group may come first
        except OSError:
            pass  # ESRCH: it has ended
    asked.command = [NAME, asked.services, *asked.command]
    return pid


def _be_supervisor(asked: settings.Settings, setup: fork.ChildSetup, parent: int) -> "NoReturn":
    """Become the supervisor in the forked process, and exit with the container's code."""
    code = 125
    try:
        _change(asked, setup.changes, setup, parent)
        from pyinit.services import main

        code = main.run(asked, setup, stop_signals(asked))
    finally:
        posix._exit(code)  # nothing of the init runs in here, whatever is raised


def _change(
    asked: settings.Settings, changes: "Changes | None", setup: fork.ChildSetup, parent: int
) -> None:
    """Do what a command's process does before its exec.  Raises OSError."""
    fork.isolate_child(setup.place, setup.terminal)
    if changes is not None:
        changes.apply(parent)
    if setup.linux is not None:
        _stop_with(parent, asked, setup.linux)
    try:
        fd = posix.open("/proc/self/comm", posix.O_WRONLY | posix.O_CLOEXEC)
        posix.write(fd, NAME.encode())
        posix.close(fd)
    except OSError:
        pass  # no /proc


def stop_signals(asked: settings.Settings) -> frozenset[int]:
    """Return the signals that tell the supervisor to stop, as the init passes them on."""
    given = signals.STOP_SIGNALS if asked.stop_signals is None else asked.stop_signals
    return given | frozenset(asked.rewrite.get(number, number) for number in given) - {0}


def _stop_with(parent: int, asked: settings.Settings, linux: "ModuleType") -> None:
    """Have the services stopped when the init ends, which is not PID 1; a command is killed then.

    The supervisor's own end would leave them to somebody else.
    """
    known = stop_signals(asked)
    number = _signal.SIGTERM if _signal.SIGTERM in known else min(known)
    try:
        linux.set_parent_death_signal(number)
    except OSError:
        return  # a filter (seccomp(2)) forbids it
    if posix.getppid() != parent:
        posix.kill(posix.getpid(), number)  # it ended before the signal was set
