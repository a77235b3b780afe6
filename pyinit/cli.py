"""The command ``pyinit``: argv to exit status."""

import _signal
import posix
import sys

from pyinit import __version__, environment, launch, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import NoReturn

    from pyinit import events, supervisor


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
    findings = None
    if not environment.is_ours_alone():
        from pyinit import restart

        given_mask, given, findings = restart.settle(given_mask, given)
    asked = understand(arguments)
    asked.findings = findings
    if asked.help or asked.version or asked.license:
        return answer(asked, given_mask)
    if asked.writes_elsewhere():
        from pyinit import outlets

        outlets.prepare(asked)
    linux, problem = None, None
    if asked.parent_death_signal:
        die_with_parent(asked.parent_death_signal)
    if posix.getpid() != 1:
        linux, problem = be_responsible(asked)
    if asked.pause:
        return pause(asked, given_mask, problem)
    if asked.alias:
        greet(asked)
    terminal = terminal_for(asked)
    try:
        pid = launch.launch(asked, given_mask, given, terminal, linux)
    except Exception as error:
        raise told_of(asked, error) from None
    if terminal is not None:
        posix.close(terminal)
    handed_over = terminal is not None and asked.place == settings.GROUP
    return be_init_of(pid, asked, given_mask, problem, had_terminal=handed_over)


def told_of(asked: settings.Settings, error: Exception) -> Exception:
    """Write where it is asked for that the command could not be started; return what to raise."""
    if asked.tells_of_failure():
        tell_of_failure(asked, error)
    if not asked.alias:
        return error
    from pyinit import peers

    return peers.translate(asked, error)


def be_init_of(
    pid: int,
    asked: settings.Settings,
    mask: set[int],
    problem: str | None,
    *,
    had_terminal: bool,
) -> int:
    """Return the exit code of the main child ``pid``, once it and all that it left have ended."""
    try:
        return supervisor_of(pid, asked, mask, problem, had_terminal=had_terminal).run()
    except BaseException as error:
        return keep_on(pid, error)


def understand(arguments: list[str]) -> settings.Settings:
    """Return what is asked for, in the words of pyinit or of the program whose name we bear.

    Raises UsageError.
    """
    name = sys.argv[0].rpartition("/")[2]
    environ = environment.current()
    if name not in settings.NAMES:
        asked = settings.plain(arguments, environ)
        if asked is not None:
            return asked
        from pyinit import options

        name, arguments = options.alias(arguments)
        if not name:
            return options.parse(arguments, environ)
    from pyinit import peers

    return peers.parse(name, arguments, environ)


def supervisor_of(
    pid: int,
    asked: settings.Settings,
    mask: set[int],
    problem: str | None,
    *,
    had_terminal: bool,
) -> "supervisor.Supervisor":
    """Return who supervises the main child ``pid``, which has just been started."""
    from pyinit import events, supervisor  # the child starts up meanwhile

    # Loading what the log needs takes longer than all that happens until then.
    when = events.now() if asked.verbose > 0 else None
    log = open_log(asked, problem, when)
    log.emit(events.INFO, "child_started", when, pid=pid, command=asked.command)
    if asked.user:
        warn_of_no_relay(pid, asked.user, log)
    if asked.notify:
        from pyinit import notify

        notify.send(notify.READY, log)
    return supervisor.Supervisor(pid, asked, log, mask, had_terminal=had_terminal)


def pause(asked: settings.Settings, mask: set[int], problem: str | None) -> int:
    """Be the init of nobody's command; return the exit code, which is 0."""
    from pyinit import events, notify
    from pyinit import pause as module

    log = open_log(asked, problem)
    init = module.Pause(asked, log, mask)
    log.emit(events.INFO, "pausing")
    if asked.notify:
        notify.send(notify.READY, log)
    return init.run()


def open_log(
    asked: settings.Settings, problem: str | None, when: "events.When | None" = None
) -> "events.Log":
    """Return the log, which tells first what ``problem`` there was on the way to it."""
    from pyinit import events

    level = 0 if asked.quiet else events.WARNING + asked.verbose
    fd = asked.log_to if isinstance(asked.log_to, int) else 2
    log = events.Log(level, fd, asked.alias, asked.log_format)
    if asked.keeps_record():
        log.guard(lambda: keep_record(asked, log))
    if log.level >= events.INFO:
        pid = posix.getpid()
        role = "init" if pid == 1 else "subreaper" if asked.subreaper else "parent"
        log.emit(events.INFO, "init_started", when, version=__version__, pid=pid, role=role)
    if asked.findings is not None:
        asked.findings.tell(log)
    if problem:
        log.emit(events.WARNING, "not_a_subreaper", reason=problem)
    return log


def keep_record(asked: settings.Settings, log: "events.Log") -> None:
    """Have everything noted for the report."""
    from pyinit import record

    log.keep(record.Record(asked, log))


def tell_of_failure(asked: settings.Settings, error: Exception) -> None:
    """Write into the report and so on that the command could not be started."""
    asked.verbose = min(asked.verbose, 0)  # whoever is told of the error is told enough
    log = open_log(asked, None)
    code = getattr(error, "code", 125)
    record = log.record
    if record is not None:
        log.guard(lambda: record.not_started(code, str(error)))


def warn_of_no_relay(pid: int, user: str, log: "events.Log") -> None:
    """Warn when no signal will reach the main child, which runs as another user."""
    try:
        posix.kill(pid, 0)
    except PermissionError:
        from pyinit import events

        log.emit(events.WARNING, "cannot_relay", user=user, reason="pyinit has no CAP_KILL")
    except OSError:
        pass  # it has ended already


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


def be_responsible(asked: settings.Settings) -> "tuple[ModuleType | None, str | None]":
    """Prepare what the kernel does by itself for PID 1: orphans come to us, the child dies with us.

    Return the module that can do the second, and what could not be done, or None.
    """
    if not asked.subreaper and not asked.dies_with_us:
        return None, None
    try:
        from pyinit import linux
    except ImportError as error:
        return None, str(error)  # a Python built without libffi
    try:
        if asked.subreaper:
            linux.set_child_subreaper()
    except OSError as error:
        return linux, error.strerror
    return linux if asked.dies_with_us else None, None


def greet(asked: settings.Settings) -> None:
    """Write what the program whose name we bear writes before it starts its command."""
    from pyinit import events, peers

    is_reaper = asked.subreaper or posix.getpid() == 1
    if not is_reaper and not asked.quiet:
        try:
            from pyinit import linux

            # It outlives an execve(2): whoever ran us may have asked for it.
            is_reaper = linux.is_child_subreaper()
        except (ImportError, OSError):
            pass  # a Python built without libffi, a filter: then it is unlikely
    for line in peers.greeting(asked, is_reaper=is_reaper):
        events.tell(line, "")


def die_with_parent(number: int) -> None:
    """Have signal ``number`` sent to us when our parent ends; PR_SET_PDEATHSIG in prctl(2).

    A parent that ended while it was asked for counts as one that ends now.  As PID 1
    that cannot be seen: the parent is outside, and has the number 0 like every other
    (pid_namespaces(7)).  Raises StartError.
    """
    parent = posix.getppid()
    try:
        from pyinit import linux

        linux.set_parent_death_signal(number)
    except (ImportError, OSError) as error:
        from pyinit import fork

        reason = error.strerror if isinstance(error, OSError) else error
        raise fork.StartError(125, f"cannot set the parent-death signal: {reason}") from None
    if posix.getppid() != parent:
        posix.kill(posix.getpid(), number)


def terminal_for(asked: settings.Settings) -> int | None:
    """Return a descriptor of the terminal that the command gets, or None.

    It becomes the foreground, or with a session of its own takes the terminal over.
    """
    if asked.place == settings.GROUP:
        return foreground_terminal(asked)
    if asked.place != settings.SESSION:
        return None
    from pyinit import terminal

    return terminal.give_up()


def foreground_terminal(asked: settings.Settings) -> int | None:
    """Return a descriptor of the controlling terminal when its foreground is ours to give."""
    try:
        posix.close(posix.open("/dev/tty", posix.O_RDWR | posix.O_NOCTTY | posix.O_CLOEXEC))
    except (FileNotFoundError, PermissionError):
        pass  # a /dev without it: the standard descriptors may tell
    except OSError:
        return None  # ENXIO, the usual case in a container: there is no controlling terminal
    from pyinit import terminal

    return None if asked.rewrite and terminal.is_kept(asked) else terminal.take_foreground()


def answer(asked: settings.Settings, mask: set[int]) -> int:
    """Write what is asked for, help or version, and return the exit code.

    As any program would: with the signal mask that was given, so that one that
    waits for a reader can be ended.
    """
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, mask)
    fd = 1
    if asked.alias:
        from pyinit import peers

        text, fd = peers.answer(asked)
    elif asked.help:
        from pyinit import options

        text = options.render_help()
    else:
        text = f"pyinit {__version__}\n"
    data = text.encode()
    while data:
        data = data[posix.write(fd, data) :]
    return 0


def fail(error: Exception) -> int:
    """Say why pyinit ends without having started anything, and return its exit code."""
    from pyinit import events, fork, values

    if isinstance(error, fork.StartError):
        events.tell(str(error))
        return error.code
    if isinstance(error, values.UsageError):
        events.tell(str(error), error.prefix)
        for line in error.more:
            events.tell(line, "")
        return error.code
    if isinstance(error, OSError):
        events.tell(f"cannot write to standard output: {error.strerror}")
    else:
        events.tell(f"internal error: {error!r}")
    return 125
