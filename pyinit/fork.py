"""The careful way to start the main child: fork(2), what the child has to do for itself, and exec.

Loaded when there is something to be done between the two that posix_spawn(3)
cannot do, or when that failed and the reason is wanted.
"""

import _signal
import errno
import posix
import sys

from pyinit import environment, spawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

# confstr(_CS_PATH): where execvp(3) looks without a PATH.
DEFAULT_PATH = "/bin:/usr/bin"

# What makes execvp(3) go on to the next directory of PATH.
_TRY_NEXT = (
    errno.EACCES,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.ESTALE,
    errno.ENODEV,
    errno.ETIMEDOUT,
)


class StartError(Exception):
    """The command was not started; ``code`` is the exit code that says so."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Orders:
    """What the forked process has to do before it becomes the command.

    ``mask`` is its signal mask, ``ignored`` are the signals it ignores;
    ``terminal`` gets its group as the foreground; with ``linux``, the module,
    SIGKILL will reach it when this process ends.
    """

    __slots__ = ("ignored", "linux", "mask", "terminal")

    def __init__(
        self,
        mask: set[int],
        ignored: tuple[int, ...],
        terminal: int | None,
        linux: "ModuleType | None",
    ) -> None:
        self.mask = mask
        self.ignored = ignored
        self.terminal = terminal
        self.linux = linux


def start(argv: list[str], orders: Orders) -> int:
    """Start ``argv`` as the leader of a new process group; return its PID.

    Raises `StartError`.
    """
    try:
        reader, writer = posix.pipe2(posix.O_CLOEXEC)
    except OSError as error:
        raise StartError(125, f"cannot make a pipe: {error.strerror}") from None
    parent = posix.getpid()
    try:
        pid = posix.fork()
    except OSError as error:
        posix.close(reader)
        posix.close(writer)
        raise StartError(125, f"cannot fork: {error.strerror}") from None
    if pid == 0:
        _become(argv, orders, parent, writer)
    posix.close(writer)
    failure = posix.read(reader, 4096)
    posix.close(reader)
    if failure:
        posix.waitpid(pid, 0)
        from pyinit import diagnosis

        raise StartError(*diagnosis.explain(argv[0], int(failure)))
    return pid


def _become(argv: list[str], orders: Orders, parent: int, writer: int) -> None:
    """Turn the forked process into the command; never return."""
    code = errno.EINVAL
    try:
        posix.setpgid(0, 0)
        if orders.terminal is not None:
            posix.tcsetpgrp(orders.terminal, posix.getpid())
    except OSError:
        pass  # the terminal went away: the command runs without its foreground
    try:
        if orders.linux is not None:
            orders.linux.set_parent_death_signal(_signal.SIGKILL)
            if posix.getppid() != parent:
                posix._exit(128 + _signal.SIGKILL)  # it ended before the signal was set
        _restore_signals(orders)
        code = execvp(argv)
    finally:
        posix.write(writer, b"%d" % code)
        posix._exit(125)


def _restore_signals(orders: Orders) -> None:
    for number in spawn.RESET:
        _signal.signal(number, _signal.SIG_DFL)
    for number in orders.ignored:
        _signal.signal(number, _signal.SIG_IGN)
    if _signal.getsignal(_signal.SIGINT) != _signal.SIG_IGN:
        # Python's handler would swallow one that comes between the mask and exec.
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, orders.mask)


def execvp(argv: list[str]) -> int:
    """Become ``argv`` as execvp(3) does, or return the errno that says why not."""
    worst = errno.ENOENT
    for path in candidates(argv[0]):
        code = _execv(path, argv)
        if code not in _TRY_NEXT:
            return code
        if code == errno.EACCES:
            worst = code
    return worst


def _execv(path: str, argv: list[str]) -> int:
    try:
        posix.execv(path, argv)
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            return error.errno or errno.EINVAL
    try:
        posix.execv("/bin/sh", ["/bin/sh", path, *argv[1:]])
    except OSError:
        return errno.ENOEXEC
    return errno.ENOEXEC


def candidates(name: str) -> list[str]:
    """Return the paths at which execvp(3) looks for ``name``."""
    if not name:
        return []
    if "/" in name:
        return [name]
    path = environment.current().get(b"PATH")
    encoding = sys.getfilesystemencoding()
    words = DEFAULT_PATH if path is None else path.decode(encoding, "surrogateescape")
    return [f"{word}/{name}" if word else name for word in words.split(":")]
