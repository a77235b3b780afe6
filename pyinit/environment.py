"""The environment that pyinit was given, without what Python did to it."""

import posix
import sys

# What PEP 538 puts into LC_CTYPE in the C locale, also under -I.
COERCED = (b"C.UTF-8", b"C.utf8", b"UTF-8")


def restore() -> dict[bytes, bytes] | None:
    """Make C's environ again what execve(2) was given, and return it as a dict.

    None when no dict can say it: entries that stand twice or have no ``=``, or
    nobody to ask what was given.  C's environ, which execv(3) passes on, is
    exact in each case.
    """
    environ = current()
    block = _given(environ)
    if block is None:
        return None
    entries = block.split(b"\0")[:-1]
    _undo_coercion(environ, entries)
    return environ if [b"%b=%b" % pair for pair in environ.items()] == entries else None


def current() -> dict[bytes, bytes]:
    """Return Python's own copy of the environment, without ``os`` around it."""
    return posix.environ


def _given(environ: dict[bytes, bytes]) -> bytes | None:
    try:
        return read_all("/proc/self/environ")
    except OSError:
        if environ.get(b"LC_CTYPE") not in COERCED:
            return None
    from pyinit import linux

    return linux.initial_environ(len(sys.orig_argv))


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


def read_all(path: str) -> bytes:
    """Return what the file holds.  Raises OSError."""
    fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        blocks = []
        while block := posix.read(fd, 65536):
            blocks.append(block)
        return b"".join(blocks)
    finally:
        posix.close(fd)
