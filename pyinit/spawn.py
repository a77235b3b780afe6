"""The main child: it gets exactly what pyinit was given, in a process group of its own."""

import _signal
import errno
import posix
import sys

from pyinit import environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

# Python ignores these from its own start on, and the child would inherit that.
# Whether they were ignored before cannot be known afterwards.
RESET = (_signal.SIGPIPE, _signal.SIGXFSZ)

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


class SpawnError(Exception):
    """The command was not started; ``code`` is the exit code that says so."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Heritage:
    """What the child is to get: made once, before anything of it is changed.

    ``mask`` is the signal mask at entry.
    """

    __slots__ = ("environ", "ignores_sigchld", "mask")

    def __init__(self, mask: set[int], environ: dict[bytes, bytes] | None) -> None:
        self.mask = mask
        self.environ = environ
        self.ignores_sigchld = _signal.getsignal(_signal.SIGCHLD) == _signal.SIG_IGN
        if self.ignores_sigchld:
            # An ignored SIGCHLD makes the kernel drop every wait status; see wait(2).
            _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)


def spawn(
    argv: list[str], heritage: Heritage, terminal: int | None, linux: "ModuleType | None"
) -> int:
    """Start ``argv`` as the leader of a new process group; return its PID.

    ``terminal`` is handed over to it.  With ``linux``, the module, it gets
    SIGKILL when this process ends (prctl(2), PR_SET_PDEATHSIG).  Raises
    `SpawnError`.
    """
    plain = terminal is None and linux is None and not heritage.ignores_sigchld
    if plain and heritage.environ is not None:
        try:
            # vfork(2) inside: half a millisecond less than fork(2), and no copied pages.
            return posix.posix_spawnp(
                argv[0],
                argv,
                heritage.environ,
                setpgroup=0,
                setsigmask=heritage.mask,
                setsigdef=RESET,
            )
        except (OSError, ValueError):
            pass  # forking finds out which step failed, and knows the way to /bin/sh
    return _fork(argv, heritage, terminal, linux)


def _fork(
    argv: list[str], heritage: Heritage, terminal: int | None, linux: "ModuleType | None"
) -> int:
    try:
        reader, writer = posix.pipe2(posix.O_CLOEXEC)
    except OSError as error:
        raise SpawnError(125, f"cannot make a pipe: {error.strerror}") from None
    parent = posix.getpid()
    try:
        pid = posix.fork()
    except OSError as error:
        posix.close(reader)
        posix.close(writer)
        raise SpawnError(125, f"cannot fork: {error.strerror}") from None
    if pid == 0:
        _become(argv, heritage, terminal, linux, parent, writer)
    posix.close(writer)
    failure = posix.read(reader, 4096)
    posix.close(reader)
    if failure:
        posix.waitpid(pid, 0)
        from pyinit import diagnosis

        raise SpawnError(*diagnosis.explain(argv[0], int(failure)))
    return pid


def _become(
    argv: list[str],
    heritage: Heritage,
    terminal: int | None,
    linux: "ModuleType | None",
    parent: int,
    writer: int,
) -> None:
    """Turn the forked process into the command; never return."""
    code = errno.EINVAL
    try:
        posix.setpgid(0, 0)
        if terminal is not None:
            posix.tcsetpgrp(terminal, posix.getpid())
    except OSError:
        pass  # the terminal went away: the command runs without its foreground
    try:
        if linux is not None:
            linux.set_parent_death_signal(_signal.SIGKILL)
            if posix.getppid() != parent:
                posix._exit(128 + _signal.SIGKILL)  # it ended before the signal was set
        _restore_signals(heritage)
        code = execvp(argv)
    finally:
        posix.write(writer, b"%d" % code)
        posix._exit(125)


def _restore_signals(heritage: Heritage) -> None:
    for number in RESET:
        _signal.signal(number, _signal.SIG_DFL)
    if heritage.ignores_sigchld:
        _signal.signal(_signal.SIGCHLD, _signal.SIG_IGN)
    if _signal.getsignal(_signal.SIGINT) != _signal.SIG_IGN:
        # Python's handler would swallow one that comes between the mask and exec.
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, heritage.mask)


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
