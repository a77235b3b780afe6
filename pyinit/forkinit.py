"""A program that is its own init: `fork_init`, which costs such a program as little as it can."""

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import NoReturn, Unpack

    from pyinit.embed import Options
    from pyinit.held import Held
    from pyinit.settings import Settings

_ENXIO = 6  # errno(3); to import the module costs 0.12 ms

# What is about the command: a program does it to itself.
_OF_A_COMMAND = (
    "chdir",
    "env",
    "no_new_privs",
    "pause",
    "session",
    "umask",
    "unset_env",
    "user",
)


def fork_init(*, always: bool = False, **options: "Unpack[Options]") -> None:
    """Fork when this process is PID 1: the parent becomes the init for good, the child returns.

    The first line of a program that may find itself PID 1, before it starts
    threads or opens anything: the program goes on in the child, in a process group
    of its own and with the terminal, and the init exits with its status, as
    ``pyinit -- program`` would.  Handlers of atexit and buffers of files are the child's alone.
    Nothing happens when this process is not PID 1, unless ``always``: then the
    parent becomes a child subreaper.  ``options`` are those of `Options` that
    do not change what a command gets; times are in seconds.

    Raises ValueError and TypeError for options, RuntimeError when there are threads, or
    children that an init which is not PID 1 would reap and end, `StartError` when
    ``parent_death_signal`` cannot be set, and OSError; see fork(2), pid_namespaces(7).
    """
    is_init = posix.getpid() == 1
    if not options and not is_init and not always:
        return
    asked = _settings_of(options)
    if is_init or always:
        _check_process(is_init=is_init)
        _fork_init(asked)


def _settings_of(options: "Options") -> "Settings":
    """Return the settings that ``options`` ask for.  Raises ValueError, TypeError."""
    import sys

    from pyinit.settings import Settings

    asked = Settings(sys.orig_argv)
    if options:
        from pyinit import keywords

        for name in _OF_A_COMMAND:
            if name in options:
                raise ValueError(
                    f"{name} changes what a command gets, and fork_init() starts none: "
                    "expected the program to do it itself"
                )
        keywords.apply(asked, options)
    return asked


def _check_process(*, is_init: bool) -> None:
    import _thread

    if _thread._count():
        raise RuntimeError(
            "this process has other threads already, of which fork(2) copies none: "
            "call fork_init() first"
        )
    if not is_init:
        from pyinit import scope

        if scope.has_children():
            raise RuntimeError(
                "this process has children already, which an init would reap and end: "
                "call fork_init() first"
            )


def _fork_init(asked: "Settings") -> None:
    """Fork; return in the child only.  Raises OSError, StartError."""
    import _signal

    from pyinit import held

    log_fd = _prepare_outlets(asked)
    linux = problem = terminal = None
    before = held.Held(asked)
    try:
        if asked.parent_death_signal or posix.getpid() != 1:
            linux, problem = _prepare(asked)
        if _signal.getsignal(_signal.SIGCHLD) == _signal.SIG_IGN:
            _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)  # wait(2): else no status is kept
        terminal = _terminal_for(asked)
        if asked.keeps_record():
            from pyinit import launch

            asked.kills = launch.kills_before()
        parent = posix.getpid()
        pid = posix.fork()
    except BaseException:
        for fd in (terminal, log_fd):
            if fd is not None:
                posix.close(fd)
        before.give_back()
        raise
    if pid:
        _be_init(pid, asked, before, problem, terminal)
    _take_place(terminal)
    if log_fd is not None:
        posix.close(log_fd)
    if linux is not None:
        from pyinit import fork

        fork.die_with(parent, linux)
    before.give_signals_back()


def _prepare_outlets(asked: "Settings") -> int | None:
    """Look at the files; return the init's log, if it was opened.  Raises ValueError."""
    if not asked.writes_elsewhere():
        return None
    from pyinit import outlets

    return outlets.prepare_in_program(asked)


def _prepare(asked: "Settings") -> "tuple[ModuleType | None, str | None]":
    """Ask the kernel for what is not there by itself; return what `cli.be_responsible` does."""
    from pyinit import cli

    if asked.parent_death_signal:
        cli.die_with_parent(asked.parent_death_signal)
    return (None, None) if posix.getpid() == 1 else cli.be_responsible(asked)


def _terminal_for(asked: "Settings") -> int | None:
    """Return a descriptor of the terminal that the program gets, or None."""
    try:
        posix.close(posix.open("/dev/tty", posix.O_RDWR | posix.O_NOCTTY | posix.O_CLOEXEC))
    except OSError as error:
        if error.errno == _ENXIO:
            return None  # the usual case in a container: there is none, and nothing to load for it
    from pyinit import cli

    return cli.terminal_for(asked)


def _take_place(terminal: int | None) -> None:
    """Lead a process group of our own, with the terminal, as a command under pyinit does."""
    try:
        posix.setpgid(0, 0)
        if terminal is not None:
            posix.tcsetpgrp(terminal, posix.getpgrp())
    except OSError:
        pass  # the terminal went away: the program runs without its foreground
    if terminal is not None:
        posix.close(terminal)


def _be_init(
    pid: int, asked: "Settings", before: "Held", problem: str | None, terminal: int | None
) -> "NoReturn":
    """Be the init of the forked program ``pid``, and exit with its status."""
    from pyinit import cli, environment

    if not environment.is_single_threaded():
        from pyinit import restart

        asked.findings = restart.attend(restart.Findings())
    try:
        posix.setpgid(pid, pid)  # as it does itself: a signal for the group may come first
    except OSError:
        pass  # EACCES: it has started another program already; ESRCH
    had_terminal = terminal is not None
    if terminal is not None:
        posix.close(terminal)
    posix._exit(cli.be_init_of(pid, asked, before.mask, problem, had_terminal=had_terminal))
