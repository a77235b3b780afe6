"""The command ``pyinit``: argv to exit status."""

import _signal
import posix
import sys

from pyinit import __version__, environment, settings, spawn

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
    except Exception as error:
        code = fail(error)
    # Finalizing the interpreter would cost 2 ms, and there is nothing to finalize.
    posix._exit(code)


def run(arguments: list[str], given_mask: set[int]) -> int:
    """Return the exit code.  Raises UsageError or StartError, when nothing was started."""
    given = environment.restore()
    asked = settings.plain(arguments, environment.current())
    if asked is None:
        from pyinit import options

        asked = options.parse(arguments, environment.current())
        if asked.help or asked.version:
            text = options.render_help() if asked.help else f"pyinit {__version__}\n"
            return answer(text, given_mask)
    linux, problem = None, None
    if posix.getpid() != 1:
        linux, problem = be_responsible(subreaper=asked.subreaper)
    terminal = foreground_terminal()
    pid = spawn.spawn(asked.command, given_mask, given, terminal, linux)
    if terminal is not None:
        posix.close(terminal)

    try:
        return supervise(pid, asked, problem, had_terminal=terminal is not None)
    except BaseException as error:
        return keep_on(pid, error)


def supervise(
    pid: int, asked: settings.Settings, problem: str | None, *, had_terminal: bool
) -> int:
    """Return the main child's exit code, once it and all that it left behind have ended."""
    from pyinit import events, supervisor  # the child starts up meanwhile

    log = events.Log(log_level(asked))
    if problem:
        log.emit(events.WARNING, "not_a_subreaper", reason=problem)
    log.emit(events.INFO, "child_started", pid=pid, command=asked.command)
    return supervisor.Supervisor(pid, asked, log, had_terminal=had_terminal).run()


def keep_on(pid: int, error: BaseException) -> int:
    """Relay and reap with the least there is, when the supervisor could not be loaded.

    The command runs already, and the container is not ours to end.  Return the
    main child's exit code; the kernel ends the rest of a namespace.
    """
    try:
        from pyinit import events

        events.tell(f"internal error, only relaying and reaping from here on: {error!r}")
    except Exception:
        pass  # the same disk that does not hold the supervisor
    signals = _signal.valid_signals() - {_signal.SIGILL, _signal.SIGTRAP, _signal.SIGABRT}
    signals -= {_signal.SIGBUS, _signal.SIGFPE, _signal.SIGSEGV, _signal.SIGSYS}
    number = _signal.SIGCHLD  # one may have been taken before the failure
    while True:
        try:
            if number != _signal.SIGCHLD:
                posix.kill(pid, number)
            while number == _signal.SIGCHLD:
                ended, status = posix.waitpid(-1, posix.WNOHANG)
                if ended == pid:
                    return 128 + (status & 0x7F) if status & 0x7F else status >> 8
                if ended == 0:
                    break
        except ChildProcessError:
            return 125  # the main child's status was taken, and lost with the failure
        except OSError:
            pass  # EPERM: nothing that ends an init
        number = _signal.sigwaitinfo(signals).si_signo


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
    except (FileNotFoundError, PermissionError):
        pass  # a /dev without it: the standard descriptors may tell
    except OSError:
        return None  # ENXIO, the usual case in a container: there is no controlling terminal
    from pyinit import terminal

    return terminal.take_foreground()


def log_level(asked: settings.Settings) -> int:
    """Return the level of events that are said: errors for -q, else warnings and what -v adds."""
    return 0 if asked.quiet else 1 + asked.verbose


def answer(text: str, mask: set[int]) -> int:
    """Write ``text`` to stdout and return the exit code.

    As any program would: with the signal mask that was given, so that one that
    waits for a reader can be ended.
    """
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, mask)
    data = text.encode()
    while data:
        data = data[posix.write(1, data) :]
    return 0


def fail(error: Exception) -> int:
    """Say why pyinit ends without having started anything, and return its exit code."""
    from pyinit import events, fork, options

    if isinstance(error, fork.StartError):
        events.tell(str(error))
        return error.code
    if isinstance(error, options.UsageError):
        events.tell(str(error))
    elif isinstance(error, OSError):
        events.tell(f"cannot write to standard output: {error.strerror}")
    else:
        events.tell(f"internal error: {error!r}")
    return 125
