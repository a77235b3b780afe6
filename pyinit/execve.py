"""What execve(2) is given: the words, the environment, and the paths at which the file may be."""

import posix
import sys

from pyinit import environment

# confstr(_CS_PATH): where execvp(3) looks without a PATH.
DEFAULT_PATH = b"/bin:/usr/bin"
# A directory of PATH that is longer is passed over by execvp(3).
_PATH_MAX = 4096


def change(name: str, value: str | None) -> None:
    """Set a variable in C's environ and in Python's copy of it, or remove it from both.

    An entry that stood twice stands once then.
    """
    key = environment.encode(name)
    posix.unsetenv(key)
    posix.environ.pop(key, None)
    if value is not None:
        posix.putenv(key, environment.encode(value))
        posix.environ[key] = environment.encode(value)


def as_given(words: list[str]) -> list[bytes]:
    """Return the bytes of ``words``, the last ones of the command line.

    In UTF-8 every word of bytes survives decoding and encoding (PEP 383).
    In other character sets two of them can decode to the same, so there the
    kernel is asked what was given.
    """
    if sys.getfilesystemencoding() != "utf-8" and sys.argv[-len(words) :] == words:
        try:
            given = environment.read_all("/proc/self/cmdline").split(b"\0")[:-1]
        except OSError:
            from pyinit import linux

            given = linux.initial_strings()[: len(sys.orig_argv)]
        return given[-len(words) :]
    return [environment.encode(word) for word in words]


def candidates(name: bytes) -> list[bytes]:
    """Return the paths at which execvp(3) looks for ``name``."""
    if not name:
        return []
    if b"/" in name:
        return [name]
    words = environment.current().get(b"PATH", DEFAULT_PATH).split(b":")
    return [b"%b/%b" % (word, name) if word else name for word in words if len(word) < _PATH_MAX]
