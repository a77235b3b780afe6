"""A program that is its own init, from its first signal on; or at once, see `pyinit.fork_init`.

That is with options, on a terminal, and as a subreaper.
"""

import _signal
import posix
import sys

from pyinit import boot, environment
from pyinit.api import held
from pyinit.settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pyinit import events


def init_of(pid: int, mask: set[int], when: "events.When") -> boot.Init:
    """Return the init, asked for nothing, of the program ``pid`` that was forked at ``when``."""
    init = boot.Init(Settings(sys.orig_argv), mask)
    init.pid, init.started = pid, when
    return init


def wake(init: boot.Init, first: _signal.struct_siginfo, load: "Callable[[str], None]") -> int:
    """Be the init of a program from the signal ``first`` on; return the exit code.

    ``load`` loads a module without waiting for ever.
    """
    if first.si_signo == _signal.SIGCHLD:
        posix.kill(posix.getpid(), _signal.SIGCHLD)  # for whoever looks for a child's end
        init.settings.is_plain = True
        if init.has_ended_alone():
            return init.status >> 8
        init.settings.is_plain = False  # that is known
    else:
        init.first = first
    load("pyinit.assembly")
    return init.supervise()


def is_worker() -> bool:
    """Return whether we are a process of multiprocessing, or are about to become one.

    The start methods spawn and forkserver run the program's main module once more in each worker:
    it is the child of a program that has an init.
    """
    process = sys.modules.get("multiprocessing.process")
    if process is None:
        return False
    # The first is set while the main module runs, the other one from then on.
    is_inheriting = getattr(process.current_process(), "_inheriting", False)
    return is_inheriting or process.parent_process() is not None


def fork_with(settings: Settings | None) -> None:
    """Fork; return in the child only.  Nothing is asked for without ``settings``.

    Raises RuntimeError for children that an init which is not PID 1 would take for its own,
    OSError, StartError.
    """
    parent = posix.getpid()
    if parent != 1:
        _check_children()
    settings = settings or Settings(sys.orig_argv)
    before = held.SavedProcessState(settings)
    init = boot.Init(settings, before.mask)
    terminal = None
    try:
        _prepare(init)
        terminal = boot.terminal_for(settings)
        pid = posix.fork()
    except BaseException:
        if terminal is not None:
            boot.close(terminal)
        _let_go(init)
        before.give_back()
        raise
    if pid:
        code = 125
        try:
            init.pid = pid
            _lead_group(pid, None)  # as it does: a signal for the group may come first
            code = supervise(init, terminal)
        finally:
            posix._exit(code)  # nothing of the program runs in here, whatever is raised
    _lead_group(0, terminal)
    if terminal is not None:
        boot.close(terminal)
    _let_go(init)
    if init.linux is not None:
        from pyinit import fork

        fork.die_with(parent, init.linux)
    before.give_signals_back()


def _check_children() -> None:
    from pyinit import scope

    if scope.has_children():
        raise RuntimeError(
            "this process has children already, which an init would reap and end: "
            "call fork_init() first"
        )


def _prepare(init: boot.Init) -> None:
    """Do what comes before the fork, and load what comes after it.

    Raises ValueError for places that cannot be written to, StartError.
    """
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


def _let_go(init: boot.Init) -> None:
    """Close what is the init's alone."""
    if init.outlets is not None:
        init.outlets.close()


def _lead_group(pid: int, terminal: int | None) -> None:
    """Have the program lead a process group, with the terminal, as a command under pyinit does."""
    try:
        posix.setpgid(pid, pid)
        if terminal is not None:
            posix.tcsetpgrp(terminal, posix.getpgrp())
    except OSError:
        pass  # EACCES, ESRCH: it is on its way already; or the terminal went away


def supervise(init: boot.Init, terminal: int | None) -> int:
    """Be the init of a forked program from its start on; return the exit code."""
    if not environment.is_single_threaded():
        from pyinit.process import restart

        init.findings = restart.attend(restart.Findings())
    if terminal is not None:
        boot.close(terminal)
        init.had_terminal = True
    return init.supervise()
