"""Why a command could not be started, in words; loaded only when that happened."""

import _stat as stat
import errno
import posix

from pyinit import environment, execve

# The kernel itself reads no more of a file than 256 bytes to tell what it is.
_READ_AHEAD = 4096

# Up to the end of e_machine, whose values are below; see elf(5).
_ELF_HEAD = 20
_MACHINES = {
    3: "i386",
    8: "mips",
    20: "ppc",
    21: "ppc64",
    22: "s390x",
    40: "arm",
    62: "x86_64",
    183: "aarch64",
    243: "riscv",
    258: "loongarch",
}


def explain(name: bytes, code: int, path: bytes) -> tuple[int, str]:
    """Return the exit code, 126 or 127 as in env(1), and the message for ``name``.

    ``code`` is the errno at which execvp(3) gave up, ``path`` the file that it
    was about, or empty where none of that name could be executed.
    """
    if not path:
        path = next(filter(_lexists, execve.candidates(name)), b"")
    if not path or (code in (errno.ENOENT, errno.ENOTDIR) and not _lexists(path)):
        return 127, f"{_quoted(name)}: not found{_where(name)}{_blanks(name)}"
    return 126, f"{_quoted(path)}: cannot be started: {_reason(path, code)}"


def _quoted(path: bytes) -> str:
    return f"'{environment.decode(path)}'"


def _lexists(path: bytes) -> bool:
    try:
        posix.lstat(path)
    except OSError:
        return False
    return True


def _dangles(path: bytes) -> bool:
    """Return whether ``path`` is a symbolic link to something that does not exist."""
    try:
        if not stat.S_ISLNK(posix.lstat(path).st_mode):
            return False
        posix.stat(path)
    except OSError:
        return True
    return False


def _where(name: bytes) -> str:
    if not name:
        return ": the command is an empty word"
    if b"/" in name:
        return ""
    path = environment.current().get(b"PATH")
    if path is None:
        return f" in {environment.decode(execve.DEFAULT_PATH)}, for PATH is not set"
    return f" in PATH={environment.decode(path)}"


def _blanks(name: bytes) -> str:
    """Return a hint if the program and its arguments are one word, as in CMD ["sleep 5"]."""
    words = name.split()
    if len(words) < 2 or not any(map(_lexists, execve.candidates(words[0]))):
        return ""
    return (
        ": program and arguments are one word: expected "
        f"{' '.join(_quoted(word) for word in words)}, or sh -c {_quoted(name)}"
    )


def _reason(path: bytes, code: int) -> str:
    if code in (errno.ENOENT, errno.ENOTDIR):
        return _missing(path)
    if code == errno.EACCES:
        return _denied(path)
    if code == errno.ENOEXEC:
        return _not_a_program(path)
    return posix.strerror(code)


def _missing(path: bytes) -> str:
    """Say what is missing where the file itself is there: a link's target or an interpreter."""
    if _dangles(path):
        return f"it is a symbolic link to {_quoted(posix.readlink(path))}, which does not exist"
    head = _head(path)
    line = head.partition(b"\n")[0]
    if line.startswith(b"#!"):
        hint = " (the line ends in a carriage return)" if line.endswith(b"\r") else ""
        return f"its interpreter {_quoted(_interpreter(line))} does not exist{hint}"
    if head.startswith(b"\x7fELF"):
        return (
            "the program interpreter (ld.so) it was linked for does not exist: "
            "a binary of another libc?"
        )
    return posix.strerror(errno.ENOENT)


def _denied(path: bytes) -> str:
    """Say what execve(2) calls EACCES: it has many reasons for that."""
    denied = posix.strerror(errno.EACCES)
    try:
        info = posix.stat(path)
    except OSError:
        return f"{denied}: a directory on the way to it cannot be searched"
    line = _head(path).partition(b"\n")[0] if stat.S_ISREG(info.st_mode) else b""
    if stat.S_ISDIR(info.st_mode):
        return "it is a directory"
    if not stat.S_ISREG(info.st_mode):
        why = "it is not a regular file"
    elif not info.st_mode & (stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH):
        why = "it has no execute bit"
    elif posix.statvfs(path).f_flag & posix.ST_NOEXEC:
        why = "it is on a file system that is mounted noexec"
    # For real ids, which are the effective ones here: a filter may not know faccessat2(2).
    elif not posix.access(path, posix.X_OK):
        mode = stat.S_IMODE(info.st_mode)
        why = f"mode {mode:04o} of user {info.st_uid}, but this is user {posix.geteuid()}"
    elif line.startswith(b"#!"):
        why = f"its interpreter {_quoted(_interpreter(line))} cannot be executed"
    else:
        return denied
    return f"{denied}: {why}"


def _not_a_program(path: bytes) -> str:
    text = posix.strerror(errno.ENOEXEC)
    head = _head(path)
    if head.startswith(b"\x7fELF") and len(head) >= _ELF_HEAD:
        order = "big" if head[5] == 2 else "little"
        number = int.from_bytes(head[18:20], order)  # type: ignore[arg-type]
        machine = _MACHINES.get(number, f"number {number}")
        return (
            f"{text}: a binary for the machine {machine}, and this one is {posix.uname().machine}"
        )
    if b"\0" in head.partition(b"\n")[0]:
        return f"{text}: neither a binary for this machine nor a script"
    return f"{text}: it has no '#!' line, and /bin/sh cannot be started either"


def _head(path: bytes) -> bytes:
    try:
        fd = posix.open(path, environment.READ_ONLY)
    except OSError:
        return b""  # executable, but not readable for us
    try:
        return posix.read(fd, _READ_AHEAD)
    except OSError:
        return b""  # another file has come in its place
    finally:
        posix.close(fd)


def _interpreter(line: bytes) -> bytes:
    # Without a carriage return at its end, which the kernel takes for a part of the name.
    words = line[2:].split(None, 1)
    return words[0] if words else b""
