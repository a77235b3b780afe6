"""rule.py CODE: runs CODE, a rule of the kernel's, with short names for system calls.

A process of its own with one thread, so that it may leave and enter namespaces and fork.
"""

import errno
import os
import signal
import sys
import traceback
from collections.abc import Callable

from pyinit import linux
from pyinit.linux import set_dumpable
from pyinit.namespaces.kinds import KINDS


def unshare(*kinds: str) -> None:
    """Leave namespaces for new ones."""
    for kind in kinds:
        linux.unshare(KINDS[kind][0])


def setns(fd: int) -> None:
    """Enter a namespace by its file."""
    linux.setns(fd, 0)


def fork(do: Callable[[], object]) -> int:
    """Have a new child do something; return its PID."""
    pid = os.fork()
    if pid:
        return pid
    try:
        do()
    except BaseException:
        traceback.print_exc()
        os._exit(99)
    os._exit(0)


def code(pid: int) -> int:
    """Wait for a child; return its exit code, or the signal that killed it as a negative."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def error(call: Callable[..., object], *arguments: object) -> str:
    """Return the name of the errno with which a call fails, or "done"."""
    try:
        call(*arguments)
    except OSError as failure:
        return errno.errorcode[failure.errno or 0]
    return "done"


def tell(*words: object) -> None:
    """Write a line at once: a child may end by os._exit()."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def namespace(kind: str, pid: object = "self") -> str:
    """Return the namespace that a process is in."""
    return os.readlink(f"/proc/{pid}/ns/{kind}")


class Gate:
    """A pipe: who waits at it goes on when it is opened, or when its owner has ended."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()

    def wait(self) -> None:
        """Wait until it is opened."""
        os.close(self.writer)
        os.read(self.reader, 1)

    def open(self) -> None:
        """Let one that waits go on."""
        os.write(self.writer, b"+")


NAMES = (Gate, code, error, fork, namespace, os, set_dumpable, setns, signal, tell, unshare)

if __name__ == "__main__":
    exec(sys.argv[1], {each.__name__: each for each in NAMES})
