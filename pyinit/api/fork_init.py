"""A program that is its own init: `fork_init`, which costs such a program as little as it can."""

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn, Unpack

    from pyinit.api.types import Options
    from pyinit.boot import Init
    from pyinit.settings import Settings


def fork_init(*, always: bool = False, **options: "Unpack[Options]") -> None:
    """Fork when this process is PID 1: the parent becomes the init for good, the child returns.

    The first line of a program that may find itself PID 1, before it starts
    threads or opens anything: the program goes on in the child, in a process group
    of its own and with the terminal, and the init exits with its status, as
    ``pyinit -- program`` would.  Handlers of atexit and buffers of files are the child's alone.
    Nothing happens when this process is not PID 1, unless ``always``: then the
    parent becomes a child subreaper, but not in a worker of multiprocessing.
    ``options`` are those of `Options` that do not change what a command gets; times
    are in seconds.

    Raises ValueError and TypeError for options, RuntimeError when there are threads, or
    children that an init which is not PID 1 would reap and end, `StartError` when
    ``parent_death_signal`` cannot be set, and OSError; see fork(2), pid_namespaces(7).
    """
    is_init = posix.getpid() == 1
    if not options and not is_init and not always:
        return
    # The init loads what the settings are, where it can go without until the program runs.
    settings = _settings_of(options) if options or not is_init else None
    if is_init or (always and not _is_worker()):
        _check_process(is_init=is_init)
        if is_init and not options and not _may_have_terminal():
            _fork_at_once()
        else:
            _fork_init(settings or _settings_of(options))


def _is_worker() -> bool:
    """Return whether we are a process of multiprocessing, or are about to become one.

    The start methods spawn and forkserver run the program's main module once more in each worker:
    it is the child of a program that has an init.
    """
    import sys

    process = sys.modules.get("multiprocessing.process")
    if process is None:
        return False
    # The first is set while the main module runs, the other one from then on.
    is_inheriting = getattr(process.current_process(), "_inheriting", False)
    return is_inheriting or process.parent_process() is not None


def _settings_of(options: "Options") -> "Settings":
    """Return the settings that ``options`` ask for.  Raises ValueError, TypeError."""
    import sys

    from pyinit.settings import Settings

    settings = Settings(sys.orig_argv)
    if options:
        from pyinit.api import keywords

        # A program does to itself what is about a command.
        for name in keywords.OF_A_COMMAND:
            if name in options:
                raise ValueError(
                    f"{name} changes what a command gets, and fork_init() starts none: "
                    "expected the program to do it itself"
                )
        keywords.apply(settings, options, fork_init, keywords.OF_A_COMMAND)
    return settings


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


def _may_have_terminal() -> bool:
    """Return whether the terminal's foreground may be ours to give; see `pyinit.boot`."""
    flags = posix.O_RDWR | posix.O_NONBLOCK | posix.O_NOCTTY | posix.O_CLOEXEC
    try:
        posix.close(posix.open("/dev/tty", flags))
    except (FileNotFoundError, PermissionError):
        return True  # a /dev without it: the standard descriptors may tell
    except OSError:
        return False  # ENXIO: there is no controlling terminal
    return True


def _fork_at_once() -> None:
    """Fork where nothing can be refused; the init is loaded while the program goes on.

    Return in the child only.  Raises OSError.
    """
    from pyinit.api import held

    before = held.SavedProcessState(None)
    try:
        held.keep_statuses()
        pid = posix.fork()
    except BaseException:
        before.give_back()
        raise
    if pid:
        code = 125
        try:
            held.let_go_first()
            from pyinit import boot

            _be_init(pid, boot.Init(_settings_of({}), before.mask), None)
        except BaseException as error:
            code = held.attend(pid, error)
        finally:
            posix._exit(code)
    isolate_child(None)
    before.give_signals_back()


def _fork_init(settings: "Settings") -> None:
    """Fork; return in the child only.  Raises OSError, StartError."""
    from pyinit import boot
    from pyinit.api import held

    before = held.SavedProcessState(settings)
    init = boot.Init(settings, before.mask)
    terminal = None
    try:
        _prepare(init)
        terminal = boot.terminal_for(settings)
        parent = posix.getpid()
        pid = posix.fork()
    except BaseException:
        if terminal is not None:
            boot.close(terminal)
        _let_go(init)
        before.give_back()
        raise
    if pid:
        _be_init(pid, init, terminal)
    isolate_child(terminal)
    if terminal is not None:
        boot.close(terminal)
    _let_go(init)
    if init.linux is not None:
        from pyinit import fork

        fork.die_with(parent, init.linux)
    before.give_signals_back()


def _prepare(init: "Init") -> None:
    """Do what comes before the fork, and load what comes after it.

    Raises ValueError for places that cannot be written to, StartError.
    """
    from pyinit import boot
    from pyinit.api import held

    if init.settings.writes_elsewhere():
        from pyinit.api import keywords

        keywords.prepare(init)
    else:
        init.prepare()
    if init.linux is not None:
        from pyinit import fork  # noqa: F401
    held.keep_statuses()
    if init.settings.keeps_record():
        init.kills = boot.kills_before()


def _let_go(init: "Init") -> None:
    """Close what is the init's alone."""
    if init.outlets is not None:
        init.outlets.close()


def isolate_child(terminal: int | None) -> None:
    """Lead a process group of our own, with the terminal, as a command under pyinit does."""
    try:
        posix.setpgid(0, 0)
        if terminal is not None:
            posix.tcsetpgrp(terminal, posix.getpgrp())
    except OSError:
        pass  # the terminal went away: the program runs without its foreground


def _be_init(pid: int, init: "Init", terminal: int | None) -> "NoReturn":
    """Be the init of the forked program ``pid``, and exit with its status."""
    from pyinit import boot, environment

    if not environment.is_single_threaded():
        from pyinit.process import restart

        init.findings = restart.attend(restart.Findings())
    try:
        posix.setpgid(pid, pid)  # as it does itself: a signal for the group may come first
    except OSError:
        pass  # EACCES: it has started another program already; ESRCH
    if terminal is not None:
        boot.close(terminal)
        init.had_terminal = True
    init.pid = pid
    code = 125
    try:
        code = init.supervise()
    finally:
        posix._exit(code)  # nothing of the program runs in here, whatever is raised
