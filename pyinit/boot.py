"""How an init is put together: its process made ready, the command started, supervised, outlived.

One place for all who need one: the command line, `pyinit.run`, `pyinit.fork_init` and the
stage of `pyinit.spawn`.  Once the command runs, the container is not ours to end: a failure
is said, and `pyinit.fallback` goes on.
"""

import _signal
import posix
import sys
import time  # every interpreter has it built in

from pyinit import environment, fallback, moment
from pyinit.settings import GROUP, SESSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from pyinit import events
    from pyinit.kernel.kills import Kills
    from pyinit.process.restart import Findings
    from pyinit.report.outlets import Outlets
    from pyinit.settings import Settings


class Init:
    """The init of one command, as ``settings`` have it; its methods are called in their order.

    ``mask`` is the signal mask from before all signals were blocked, and the command's.
    ``pid`` is the main child's, ``status`` is its wait status (wait(2)) in the end.  With
    ``on_stop`` see `Child.delegate_job_control`.  ``kills`` counts OOM kills from before the
    start on, where that is asked for; ``outlets`` are the places that are written to, and
    ``findings`` what was found in this process before.  With ``has_process`` the process is the
    init's alone, as it is not where a program calls `pyinit.run`.
    """

    def __init__(self, settings: "Settings", mask: set[int]) -> None:
        self.settings = settings
        self.mask = mask
        self.has_process = True
        self.pid = 0
        self.status = 0
        self.has_ended = False  # the main child has, before there was anybody to supervise it
        # A signal that was taken before there was anybody to supervise it, and the last of each
        # number that was relayed.
        self.first: _signal.struct_siginfo | None = None
        self.relayed: dict[int, _signal.struct_siginfo] = {}
        self.had_terminal = False  # the command was given the terminal's foreground
        self.linux: ModuleType | None = None  # has the command die with us, if that is wanted
        self.on_stop: Callable[[int, bool, int], None] | None = None
        self.kills: Kills | None = None
        self.outlets: Outlets | None = None
        self.findings: Findings | None = None
        self.started: events.When | None = None  # when the command was
        self.writer: events.Writer | None = None  # where it had to be there before that
        self.own_writer: events.Writer | None = None  # instead of what settings say
        self.problem: str | None = None  # why orphans do not come to us

    def prepare(self) -> None:
        """Find what is written to, and ask the kernel for what is not there by itself.

        Raises UsageError, which names the option, and StartError.
        """
        if self.settings.writes_elsewhere():
            from pyinit.report import outlets

            self.outlets = outlets.prepare(self.settings)
        if self.settings.parent_death_signal:
            from pyinit import asked

            number = self.settings.parent_death_signal
            self.settings.parent = asked.die_with_parent(number)
        if posix.getpid() != 1:
            self._prepare_subreaper()

    def _prepare_subreaper(self) -> None:
        """Prepare what PID 1 has from the kernel: orphans come to us, the child dies with us."""
        settings = self.settings
        if not settings.subreaper and not settings.dies_with_us:
            return
        try:
            from pyinit import linux
        except ImportError as error:
            self.problem = str(error)  # a Python built without libffi
            return
        try:
            if settings.subreaper:
                linux.set_child_subreaper()
        except OSError as error:
            self.problem = error.strerror
        if settings.dies_with_us:
            self.linux = linux

    def start(self, environ: dict[bytes, bytes] | None = None) -> None:
        """Start the command with ``environ``, or the environment of C if None.

        Raises `pyinit.fork.StartError`, or UsageError for a user that there is not, after it
        was written where that is asked for.
        """
        terminal = None
        try:
            terminal = terminal_for(self.settings)
            if self.settings.keeps_record():
                sys.modules["pyinit"]._serve("log")
                self.kills = kills_before()
            if self.settings.verbose > 0:
                self._prepare_terminal_log()
            self.started = time.time(), time.monotonic()
            self.pid = launch(self.settings, self.mask, environ, terminal, self.linux)
        except Exception as error:
            self._tell_of_failure(error)
            raise
        finally:
            if terminal is not None:
                close(terminal)
        self.had_terminal = terminal is not None and self.settings.place == GROUP

    def _prepare_terminal_log(self) -> None:
        """Load what writes the log of a terminal: its first lines come before a shell's prompt."""
        settings = self.settings
        fd = settings.log_to
        is_asked = not settings.quiet and not settings.alias
        if is_asked and isinstance(fd, int) and posix.isatty(fd):
            try:
                from pyinit import asked

                self.writer = asked.open_writer(settings)
            except Exception:
                pass  # it is tried again for the first event

    def _tell_of_failure(self, error: Exception) -> None:
        """Write where that is asked for that the command could not be started.  Raises nothing."""
        try:
            if self.settings.tells_of_failure():
                from pyinit import assembly

                assembly.tell_of_failure(self, error)
        except Exception as other:
            fallback.tell(f"internal error: {other!r}")  # the first error is the one to be raised

    def pause(self) -> int:
        """Be the init of nobody's command; return the exit code, which is 0."""
        from pyinit import assembly

        supervisor = assembly.paused(self)
        if self.has_process:
            moment.settle(self.settings)
        return supervisor.run()

    def supervise(self) -> int:
        """Return the exit code of the main child, once it and all that it left have ended.

        Raises nothing.
        """
        supervisor = None
        try:
            if self.has_process:
                moment.settle(self.settings)
            if self.has_ended_alone():
                return self.status >> 8
            from pyinit import assembly

            supervisor = assembly.started(self)
            code = supervisor.run()
        except BaseException as error:
            simple = fallback.Fallback(self.pid, self.settings, self.status)
            if supervisor is None and self.has_ended:
                code = simple.finish(error, 0)
            elif supervisor is None or supervisor.main.alive:
                code = simple.run(error)
            else:
                simple.status = supervisor.main.status
                code = simple.finish(error, supervisor.lifecycle.stops)
            self.status = simple.status
        else:
            self.status = supervisor.main.status
        return code

    def has_ended_alone(self) -> bool:
        """Return whether the command has exited at once and left nobody, and nothing is to be said.

        Then nobody has to supervise it.
        """
        is_told_of = self.had_terminal or self.problem is not None or self.findings is not None
        if is_told_of or not self.settings.is_plain:
            return False
        status = moment.exit_status(self.pid)
        if status is None:
            return False
        self.status, self.has_ended = status, True
        return moment.is_nobody_left(is_init=posix.getpid() == 1)


def launch(
    settings: "Settings",
    mask: set[int],
    environ: dict[bytes, bytes] | None,
    terminal: int | None,
    linux: "ModuleType | None",
) -> int:
    """Start the command of ``settings``; return its PID.

    It is the leader of a new process group, unless another place is asked for, and
    gets the signal mask ``mask`` and the environment ``environ``, or that of C if
    None.  ``terminal`` is handed over to it.  With ``linux``, the module, it gets
    SIGKILL when this process ends (prctl(2), PR_SET_PDEATHSIG).  Raises
    `pyinit.fork.StartError`, or UsageError for a user that there is not.
    """
    ignored: tuple[int, ...] = ()
    if _signal.getsignal(_signal.SIGCHLD) == _signal.SIG_IGN:
        # With an ignored SIGCHLD the kernel drops every wait status; see wait(2).
        _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
        ignored = (_signal.SIGCHLD,)
    # posix_spawn(3) has the command ignore 32 and 33, where other inits show them as they were.
    simple = not settings.alias and not settings.services and not ignored
    simple = simple and terminal is None and linux is None
    context = None
    environ_now = environment.current()
    if settings.changes_command() or b"LISTEN_PID" in environ_now or b"WATCHDOG_PID" in environ_now:
        from pyinit.command.context import ExecContext

        context = ExecContext(settings)
    simple = simple and context is None and settings.place == GROUP
    # What the C library keeps to itself (glibc 32 and 33, musl 34 too) posix_spawn(3) cannot block.
    simple = simple and mask <= _signal.valid_signals() and sys.getfilesystemencoding() == "utf-8"
    argv = settings.command
    if environ is not None and simple:
        try:
            # vfork(2) inside: half a millisecond less than fork(2), and no copied pages.
            return posix.posix_spawnp(
                argv[0], argv, environ, setpgroup=0, setsigmask=mask, setsigdef=environment.RESET
            )
        except (OSError, ValueError):
            pass  # forking finds out which step failed, and knows the way to /bin/sh
    from pyinit import fork

    setup = fork.ChildSetup(mask, ignored, terminal, linux, place=settings.place, context=context)
    if settings.services:
        from pyinit.services import entry

        return entry.start(settings, setup)
    return fork.start(argv, setup)


def kills_before() -> "Kills | None":
    """Return what counts OOM kills from now on: the command may be killed while it starts."""
    try:
        from pyinit.kernel import kills

        return kills.Kills()
    except Exception:
        return None  # no reason not to start; it is tried again for the first one who is killed


def terminal_for(settings: "Settings") -> int | None:
    """Return a descriptor of the terminal that the command gets, or None.

    It becomes the foreground, or with a session of its own takes the terminal over.
    """
    if settings.place == GROUP:
        return _foreground_terminal(settings)
    if settings.place != SESSION:
        return None
    from pyinit.kernel import terminal

    return terminal.give_up()


def _foreground_terminal(settings: "Settings") -> int | None:
    """Return a descriptor of the controlling terminal when its foreground is ours to give."""
    # An image can have a line there whose carrier open(2) would wait for.
    flags = posix.O_RDWR | posix.O_NONBLOCK | posix.O_NOCTTY | posix.O_CLOEXEC
    try:
        posix.close(posix.open("/dev/tty", flags))
    except (FileNotFoundError, PermissionError):
        pass  # a /dev without it: the standard descriptors may tell
    except OSError:
        return None  # ENXIO, the usual case in a container: there is no controlling terminal
    from pyinit.kernel import terminal

    return None if settings.rewrite and terminal.is_kept(settings) else terminal.take_foreground()


def close(fd: int) -> None:
    """Close a descriptor.  An error is none: its number is free all the same (close(2))."""
    try:
        posix.close(fd)
    except OSError:
        pass
