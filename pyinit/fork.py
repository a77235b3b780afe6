"""The careful way to start the main child: fork(2), what the child has to do for itself, and exec.

Loaded when there is something to be done between the two that posix_spawn(3)
cannot do, or when that failed and the reason is wanted.
"""

import _signal
import posix

from pyinit import environment, execve, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from pyinit.command.context import ExecContext

    Explain = Callable[[bytes, int, bytes], tuple[int, str]]

# Those below 35 are the same on every architecture of Linux (errno(3)), and to import
# the module costs 0.12 ms.
_ENOENT = 2
_ENOEXEC = 8
_EACCES = 13
_ENODEV = 19
_ENOTDIR = 20
_EINVAL = 22

_PIPE_BUF = 4096

# Between two looks at whether a process has become the command: first, at most, and
# altogether before a signal is more.  In seconds.
_FIRST_WAIT_S = 0.0002
_LAST_WAIT_S = 0.02
_PATIENCE_S = 0.05
_RELAYED = _signal.valid_signals() - {_signal.SIGCHLD}

# What the child says when exec failed, and its parent is to find out why; else it says the
# exit code and the message.
_EXEC = b"exec"


class StartError(Exception):
    """The command was not started; ``code`` is the exit code that says so.

    ``errno`` is that of the system call that failed.
    """

    __module__ = "pyinit"

    def __init__(self, code: int, message: str, errno: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.errno = errno

    def __reduce__(self) -> "tuple[type[StartError], tuple[int, str, int | None]]":
        """Say how to make it anew, for pickle and so for other processes."""
        return type(self), (self.code, str(self), self.errno)


class ChildSetup:
    """What the forked process has to do before it becomes the command.

    ``mask`` is its signal mask, ``ignored`` are the signals it ignores;
    ``terminal`` gets its group as the foreground; with ``linux``, the module,
    SIGKILL will reach it when this process ends.  ``place`` is one of those of
    `pyinit.settings`; ``context`` is applied as the last but these.
    """

    __slots__ = ("context", "ignored", "linux", "mask", "place", "terminal")

    def __init__(
        self,
        mask: set[int],
        ignored: tuple[int, ...],
        terminal: int | None,
        linux: "ModuleType | None",
        *,
        place: str = settings.GROUP,
        context: "ExecContext | None" = None,
    ) -> None:
        self.mask = mask
        self.ignored = ignored
        self.terminal = terminal
        self.linux = linux
        self.place = place
        self.context = context


class Started:
    """A process that becomes the command, or says why it does not.

    ``pid`` is its PID.
    """

    __slots__ = ("_name", "_reader", "pid")

    def __init__(self, pid: int, reader: int, name: bytes) -> None:
        self.pid = pid
        self._reader = reader
        self._name = name

    def fileno(self) -> int:
        """Return the descriptor that is readable when `failure` has an answer."""
        return self._reader

    def failure(self, *, waits: bool = True) -> StartError | None:
        """Wait until it has become the command, or return why it could not.

        To be called once; not to wait is for a process that has ended.  One that hangs on the
        way is waited for until a signal wants to be relayed.  It counts as started then, and
        where it cannot be read what it says: its end, which is reaped in any case, tells more.
        """
        try:
            said = self._read(waits=waits)
        except (OSError, MemoryError):
            return None  # not closed: SIGPIPE would end a process that says something later on
        _close(self._reader)
        return _failure_of(self._name, said) if said else None

    def _read(self, *, waits: bool) -> bytes:
        """Return what the process says.  Raises BlockingIOError when it has yet to say it."""
        import time  # every interpreter has it built in

        waited_s = 0.0
        wait_s = _FIRST_WAIT_S
        while True:
            try:
                # In one piece; its end is closed by exec, and nothing to read is success.
                return posix.read(self._reader, _PIPE_BUF)
            except BlockingIOError:
                if not waits or (waited_s >= _PATIENCE_S and _signal.sigpending() & _RELAYED):
                    raise
            time.sleep(wait_s)
            waited_s += wait_s
            wait_s = min(2 * wait_s, _LAST_WAIT_S)


def start(command: list[str], setup: ChildSetup) -> int:
    """Start ``command``; return its PID once it is that command.

    Raises `StartError`.
    """
    started = begin(command, setup)
    failure = started.failure()
    if failure is None:
        return started.pid
    try:
        posix.waitpid(started.pid, 0)
    except OSError:
        pass  # ECHILD: somebody else has reaped it, as with an ignored SIGCHLD
    raise failure


def begin(command: list[str], setup: ChildSetup) -> Started:
    """Fork a process that becomes ``command``, and do not wait for that.

    Raises `StartError`.
    """
    if environment.fork_would_wait():
        raise StartError(125, "cannot fork: /proc/self/stat is not the kernel's", _EINVAL)
    argv = execve.as_given(command)
    # Without context nothing but exec itself can hang, as it can in posix_spawn(3).
    flags = posix.O_CLOEXEC | (posix.O_NONBLOCK if setup.context is not None else 0)
    try:
        reader, writer = posix.pipe2(flags)
    except OSError as error:
        raise StartError(125, f"cannot make a pipe: {error.strerror}", error.errno) from None
    explain: Explain | None = None
    if setup.context is not None:
        # Only the child has the user, the directory and the PATH by which it was looked for.
        from pyinit.command import diagnosis

        explain = diagnosis.explain
    started = Started(0, reader, argv[0])
    parent = posix.getpid()
    try:
        started.pid = posix.fork()
    except OSError as error:
        _close(reader)
        _close(writer)
        raise StartError(125, f"cannot fork: {error.strerror}", error.errno) from None
    if started.pid == 0:
        _exec_child(argv, setup, parent, writer, explain)
    _close(writer)
    return started


def _close(fd: int) -> None:
    try:
        posix.close(fd)
    except OSError:
        pass  # its number is free all the same (close(2)), and the command may run


def _failure_of(name: bytes, said: bytes) -> StartError:
    """Return the error for what the child has written: errno, kind, message or path."""
    try:
        number, kind, rest = said.split(b" ", 2)
        errno = int(number)
        if kind != _EXEC:
            return StartError(int(kind), environment.decode(rest), errno)
    except ValueError:
        return StartError(125, "the new process ended before it could execute the command")
    try:
        from pyinit.command import diagnosis

        return StartError(*diagnosis.explain(name, errno, rest), errno)
    except (ImportError, OSError):
        code = _code_of((errno, kind, rest))
        return StartError(code, f"'{environment.decode(name)}': {posix.strerror(errno)}", errno)


def _code_of(failure: tuple[int, bytes, bytes]) -> int:
    """Return the exit code for what failed, where the reason is not looked for."""
    errno, kind, _ = failure
    if kind != _EXEC:
        return int(kind)
    return 127 if errno in (_ENOENT, _ENOTDIR) else 126


def _exec_child(
    argv: list[bytes], setup: ChildSetup, parent: int, writer: int, explain: "Explain | None"
) -> None:
    """Turn the forked process into the command; never return."""
    failure = (_EINVAL, _EXEC, argv[0])
    try:
        problem = _change(setup, parent)
        if problem is not None:
            failure = problem
            return
        # After a change of user, which takes the signal away again (prctl(2)).
        if setup.linux is not None:
            die_with(parent, setup.linux)
        _restore_signals(setup)
        errno, path = execvp(argv)
        failure = (errno, _EXEC, path)
        if explain is not None:
            code, text = explain(argv[0], errno, path)
            failure = (errno, b"%d" % code, environment.encode(text))
    finally:
        # In one piece, and without waiting for whoever reads it: see pipe(7).
        posix.write(writer, (b"%d %b %b" % failure)[:_PIPE_BUF])
        # Who has started us may have stopped waiting for what we say.
        posix._exit(_code_of(failure))


def _change(setup: ChildSetup, parent: int) -> tuple[int, bytes, bytes] | None:
    """Make this process what the command is to be; return what failed, or None."""
    step = "start a session"
    context = setup.context
    try:
        isolate_child(setup.place, setup.terminal)
        if context is not None:
            context.apply(parent)
    except (OSError, ValueError) as error:
        errno = (error.errno if isinstance(error, OSError) else None) or _EINVAL
        step = context.step if context is not None and context.step else step
        return errno, b"125", environment.encode(f"cannot {step}: {posix.strerror(errno)}")
    return None


def isolate_child(place: str, terminal: int | None) -> None:
    """Lead a process group or a session, with the terminal.  Raises OSError for the session."""
    if place == settings.SESSION:
        posix.setsid()
        if terminal is not None:
            from pyinit.kernel import (
                terminal as module,  # which gave the descriptor, so it is loaded
            )

            module.control(terminal)
        return
    try:
        if place == settings.GROUP:
            posix.setpgid(0, 0)
        if terminal is not None:
            posix.tcsetpgrp(terminal, posix.getpgrp())
    except OSError:
        pass  # the terminal went away: the command runs without its foreground


def die_with(parent: int, linux: "ModuleType") -> None:
    """Have this process killed when ``parent``, which forked it, ends."""
    try:
        linux.set_parent_death_signal(_signal.SIGKILL)
    except OSError:
        return  # a filter (seccomp(2)) forbids it: no reason not to start
    if posix.getppid() != parent:
        posix._exit(128 + _signal.SIGKILL)  # it ended before the signal was set


def _restore_signals(setup: ChildSetup) -> None:
    for number in environment.RESET:
        _signal.signal(number, _signal.SIG_DFL)
    for number in setup.ignored:
        _signal.signal(number, _signal.SIG_IGN)
    for number in _signal.valid_signals():
        # Python's for SIGINT, or one of the program around us: it would run here, for a signal that
        # comes between the mask and exec, and swallow it.
        if _signal.getsignal(number) not in (_signal.SIG_DFL, _signal.SIG_IGN):
            _signal.signal(number, _signal.SIG_DFL)
    # Not SIG_SETMASK, which would unblock 32 and 33: glibc takes them out of every set.
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, _signal.valid_signals() - setup.mask)


def execvp(argv: list[bytes]) -> tuple[int, bytes]:
    """Become ``argv`` as execvp(3) does, or return the errno that says why not, and the path.

    The path is empty when no directory of PATH had such a file.
    """
    if b"/" in argv[0]:
        return _execv(argv[0], argv), argv[0]  # nothing is searched: the first errno is the answer
    failure = (_ENOENT, b"")
    for path in execve.candidates(argv[0]):
        code = _execv(path, argv)
        if not _goes_on(code):
            return code, path
        if code == _EACCES and failure[0] != code:
            failure = (code, path)
    return failure


def _goes_on(code: int) -> bool:
    """Return whether execvp(3) tries the next directory of PATH after this errno."""
    if code in (_EACCES, _ENOENT, _ENOTDIR, _ENODEV):
        return True
    import errno

    return code in (errno.ESTALE, errno.ETIMEDOUT)


def _execv(path: bytes, argv: list[bytes]) -> int:
    try:
        posix.execv(path, argv)
    except OSError as error:
        if error.errno != _ENOEXEC:
            return error.errno or _EINVAL
    if _is_text(path):
        try:
            posix.execv("/bin/sh", [b"/bin/sh", path, *argv[1:]])
        except OSError:
            pass  # there is no shell: what matters is why one was needed
    return _ENOEXEC


def _is_text(path: bytes) -> bool:
    """Return whether a shell could read ``path``: it has no NUL in its first line.

    execvp(3) does not ask, and a shell such as dash then runs a binary of
    another machine as if it were a script.  A shell's own search refuses such
    a file with 126 (POSIX, Shell Command Language, Command Search and Execution).
    """
    try:
        fd = posix.open(path, environment.READ_ONLY)
    except OSError:
        return True  # what /bin/sh says of it is as good as what we could
    head = posix.read(fd, 256)
    posix.close(fd)
    return b"\0" not in head.partition(b"\n")[0]
