"""The words and the environment that pyinit was given, without what Python did to them."""

import _signal
import posix
import sys

# Types in st_mode, see inode(7); the module `stat` would have to be imported.
_S_IFMT = 0o170000
_S_IFREG = 0o100000

_EFBIG = 27  # errno(3); to import the module costs 0.12 ms

# Python ignores these from its own start on, and the child would inherit that.
# Whether they were ignored before cannot be known afterwards.
RESET = (_signal.SIGPIPE, _signal.SIGXFSZ)

# What PEP 538 puts into LC_CTYPE in the C locale, also under -I.
COERCED = (b"C.UTF-8", b"C.utf8", b"UTF-8")

# The variables by which Python finds or runs other code, or runs ours in another way; see
# python(1).  Others, such as PYTHONUNBUFFERED, say nothing to an init.
STEERING = frozenset(
    (
        b"PYTHONDEBUG",
        b"PYTHONDEVMODE",
        b"PYTHONHOME",
        b"PYTHONINSPECT",
        b"PYTHONMALLOC",
        b"PYTHONMALLOCSTATS",
        b"PYTHONPATH",
        b"PYTHONPERFSUPPORT",
        b"PYTHONPLATLIBDIR",
        b"PYTHONPROFILEIMPORTTIME",
        b"PYTHONPYCACHEPREFIX",
        b"PYTHONTRACEMALLOC",
        b"PYTHONUSERBASE",
        b"PYTHONVERBOSE",
        b"PYTHONWARNINGS",
        b"PYTHON_GIL",
        b"PYTHON_JIT",
        b"PYTHON_PERF_JIT_SUPPORT",
        b"PYTHON_PRESITE",
    )
)

# The -X option with which pyinit has started itself once more; `pyinit.process.restart`.
RESTARTED = "pyinit"


def restore() -> dict[bytes, bytes] | None:
    """Make C's environ again what execve(2) was given, and return it as a dict.

    None when no dict can say it: entries that stand twice or have no ``=``, or
    nobody to ask what was given.  C's environ, which execv(3) passes on, is
    exact in each case.
    """
    environ = current()
    entries = _given(environ)
    if entries is None:
        return None
    _undo_coercion(environ, entries)
    return environ if [b"%b=%b" % pair for pair in environ.items()] == entries else None


def current() -> dict[bytes, bytes]:
    """Return Python's own copy of the environment, without ``os`` around it."""
    return posix.environ


def is_ours_alone() -> bool:
    """Return whether nothing but pyinit has run in this process, as far as a glance tells.

    Not after a restart, with a second thread, or where a variable of Python's or the
    directory of another user has had a say.
    """
    return RESTARTED not in sys._xoptions and not steering() and is_single_threaded()


def is_single_threaded() -> bool:
    """Return whether /proc says that we have one thread; see also `pyinit.process.threads`."""
    try:
        # A directory has 2 links, and one more for each directory in it, which is a thread.
        return posix.stat("/proc/self/task").st_nlink <= 3
    except OSError:
        return False


def steering() -> list[bytes]:
    """Return the variables that this interpreter has heeded, and that matter to an init."""
    flags = sys.flags
    found: list[bytes] = []
    if not flags.ignore_environment:
        environ = current()
        found = [name for name in STEERING.intersection(environ) if environ[name]]
    if not flags.no_user_site and not found and _foreign_user_site():
        found = [b"HOME"]
    return found


def _foreign_user_site() -> bool:
    """Return whether another user's site-packages, below HOME, are among the directories."""
    site = sys.modules.get("site")
    if site is None or not site.ENABLE_USER_SITE or site.USER_SITE not in sys.path:
        return False
    try:
        return posix.stat(site.USER_SITE).st_uid not in (0, posix.geteuid())
    except OSError:
        return False  # it was there when site looked for it


def encode(word: str) -> bytes:
    """Return the bytes of a word of the command line."""
    return word.encode(sys.getfilesystemencoding(), "surrogateescape")


def decode(data: bytes) -> str:
    """Return the word of those bytes, as Python makes words of the command line."""
    return data.decode(sys.getfilesystemencoding(), "surrogateescape")


def _given(environ: dict[bytes, bytes]) -> list[bytes] | None:
    try:
        return read_all("/proc/self/environ").split(b"\0")[:-1]
    except OSError:
        if environ.get(b"LC_CTYPE") not in COERCED:
            return None
    from pyinit import linux

    return linux.initial_strings()[len(sys.orig_argv) :]


def _undo_coercion(environ: dict[bytes, bytes], entries: list[bytes]) -> None:
    """Give LC_CTYPE its first value back: setenv(3), which Python called, changed only that."""
    given = next((entry[9:] for entry in entries if entry.startswith(b"LC_CTYPE=")), None)
    if environ.get(b"LC_CTYPE") == given:
        return
    if given is None:
        posix.unsetenv(b"LC_CTYPE")
        del environ[b"LC_CTYPE"]
    else:
        posix.putenv(b"LC_CTYPE", given)
        environ[b"LC_CTYPE"] = given


# A file of /proc and the like may be another one in an image: a FIFO, for whose writer open(2)
# would wait, or a terminal.
READ_ONLY = posix.O_RDONLY | posix.O_NONBLOCK | posix.O_NOCTTY | posix.O_CLOEXEC
# Or a link to /dev/zero.  In bytes; /proc/PID/environ, the largest of them, has 6 MiB at most.
_MOST = 1 << 24


def read_all(path: str, directory: int | None = None) -> bytes:
    """Return what the file holds, a path below ``directory`` if that is a descriptor.

    Raises OSError, also for one that has no end.
    """
    fd = posix.open(path, READ_ONLY, dir_fd=directory)
    try:
        return read_to_end(fd)
    finally:
        posix.close(fd)


def fork_would_wait() -> bool:
    """Return whether fork(2) by Python would wait for what somebody has mounted over /proc.

    From 3.12 on Python opens /proc/self/stat after each fork, to warn of threads: a FIFO there
    is waited for.
    """
    try:
        return posix.stat("/proc/self/stat").st_mode & _S_IFMT != _S_IFREG
    except OSError:
        return False  # there is none


def read_to_end(fd: int) -> bytes:
    """Return what can be read from ``fd`` up to its end, 16 MiB at most.  Raises OSError."""
    blocks = []
    length = 0
    while block := posix.read(fd, 16384):
        blocks.append(block)
        length += len(block)
        if length > _MOST:
            raise OSError(_EFBIG, "it has no end")
    return b"".join(blocks)
