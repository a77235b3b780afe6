"""The command ``pyinit``: argv to exit status."""

import errno
import posix
import sys

from pyinit import __version__, environment, options, spawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import NoReturn


def main(given_mask: set[int]) -> "NoReturn":
    """Be the init: read the options, start the command, supervise it, exit with its status.

    ``given_mask`` is the signal mask from before everything was blocked.
    """
    try:
        code = run(sys.argv[1:], given_mask)
    except options.UsageError as error:
        code = fail(125, str(error))
    except spawn.SpawnError as error:
        code = fail(error.code, str(error))
    # Finalizing the interpreter would cost 2 ms, and there is nothing to finalize.
    posix._exit(code)


def run(arguments: list[str], given_mask: set[int]) -> int:
    """Return the exit code.  Raises UsageError or SpawnError, when nothing was started."""
    given = environment.restore()
    asked = options.parse(arguments, environment.current())
    if asked.help or asked.version:
        return answer(options.render_help() if asked.help else f"pyinit {__version__}\n")
    heritage = spawn.Heritage(given_mask, given)
    linux, problem = None, None
    if posix.getpid() != 1:
        linux, problem = be_responsible(subreaper=asked.subreaper)
    terminal = foreground_terminal()
    pid = spawn.spawn(asked.command, heritage, terminal, linux)
    if terminal is not None:
        posix.close(terminal)

    from pyinit import events, supervisor  # the child starts up meanwhile

    log = events.Log(log_level(asked))
    if problem:
        log.emit(events.WARNING, "not_a_subreaper", reason=problem)
    log.emit(events.INFO, "child_started", pid=pid, command=asked.command)
    return supervisor.Supervisor(
        pid,
        log,
        grace_s=asked.grace_s,
        group=asked.group,
        had_terminal=terminal is not None,
        reaps_aloud=asked.warn_on_reap,
    ).run()


def be_responsible(*, subreaper: bool) -> "tuple[ModuleType | None, str | None]":
    """Prepare what the kernel does by itself for PID 1: orphans come to us, the child dies with us.

    Return the module that can do it, and what could not be done, or None.
    """
    try:
        from pyinit import linux
    except ImportError as error:
        return None, str(error)  # a Python built without libffi
    try:
        if subreaper:
            linux.set_child_subreaper()
    except OSError as error:
        return linux, error.strerror
    return linux, None


def foreground_terminal() -> int | None:
    """Return a descriptor of the controlling terminal when its foreground is ours, else None."""
    try:
        posix.close(posix.open("/dev/tty", posix.O_RDWR | posix.O_NOCTTY | posix.O_CLOEXEC))
    except OSError as error:
        if error.errno == errno.ENXIO:
            return None  # the usual case in a container: there is no controlling terminal
    from pyinit import terminal

    return terminal.take_foreground()


def log_level(asked: options.Options) -> int:
    """Return the level of events that are said: errors for -q, else warnings and what -v adds."""
    return 0 if asked.quiet else 1 + asked.verbose


def answer(text: str) -> int:
    """Write ``text`` to stdout and return the exit code."""
    data = text.encode()
    try:
        while data:
            data = data[posix.write(1, data) :]
    except OSError as error:
        return fail(125, f"cannot write to standard output: {error.strerror}")
    return 0


def fail(code: int, message: str) -> int:
    """Say why pyinit ends without having started anything, and return its exit code."""
    from pyinit import events

    events.tell(message)
    return code
