"""The words and the environment that pyinit was given, without what Python did to them."""

import posix
import sys

# What PEP 538 puts into LC_CTYPE in the C locale, also under -I.
COERCED = (b"C.UTF-8", b"C.utf8", b"UTF-8")

# The longest file is the environment: 6 MiB at most, see execve(2).
_MOST_BYTES = 1 << 24


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


def encode(word: str) -> bytes:
    """Return the bytes of a word of the command line."""
    return word.encode(sys.getfilesystemencoding(), "surrogateescape")


def decode(data: bytes) -> str:
    """Return the word of those bytes, as Python makes words of the command line."""
    return data.decode(sys.getfilesystemencoding(), "surrogateescape")


def change(name: str, value: str | None) -> None:
    """Set a variable in C's environ and in Python's copy of it, or remove it from both.

    An entry that stood twice stands once then.
    """
    key = encode(name)
    posix.unsetenv(key)
    posix.environ.pop(key, None)
    if value is not None:
        posix.putenv(key, encode(value))
        posix.environ[key] = encode(value)


def as_given(words: list[str]) -> list[bytes]:
    """Return the bytes of ``words``, the last ones of the command line.

    In UTF-8 every word of bytes survives decoding and encoding (PEP 383).
    In other character sets two of them can decode to the same, so there the
    kernel is asked what was given.
    """
    if sys.getfilesystemencoding() != "utf-8" and sys.argv[-len(words) :] == words:
        try:
            given = read_all("/proc/self/cmdline").split(b"\0")[:-1]
        except OSError:
            from pyinit import linux

            given = linux.initial_strings()[: len(sys.orig_argv)]
        return given[-len(words) :]
    return [encode(word) for word in words]


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


def read_all(path: str, directory: int | None = None) -> bytes:
    """Return what the file holds, at most `_MOST_BYTES`; below ``directory``, a descriptor, if any.

    A root in the container can put there, by a mount too, a FIFO, which is not waited for, or
    what has no end.  Raises OSError.
    """
    flags = posix.O_RDONLY | posix.O_NONBLOCK | posix.O_CLOEXEC
    fd = posix.open(path, flags, dir_fd=directory)
    try:
        return read_to_end(fd)
    finally:
        posix.close(fd)


def read_to_end(fd: int) -> bytes:
    """Return what can be read from ``fd`` up to its end, at most `_MOST_BYTES`.  Raises OSError."""
    blocks = []
    room = _MOST_BYTES
    while room > 0 and (block := posix.read(fd, 65536)):
        blocks.append(block)
        room -= len(block)
    return b"".join(blocks)
