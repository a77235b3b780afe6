"""Starting an init by way of `pyinit.container.stage`: what is sent to it, and what it answers."""

from __future__ import annotations

import marshal
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pyinit
from pyinit import linux, signals
from pyinit.api import keywords
from pyinit.container import abandoned, parent_thread
from pyinit.container.init_socket import InitSocket
from pyinit.fork import StartError
from pyinit.kernel import pidfds
from pyinit.namespaces.found import NamespaceError, namespaces_of, open_process

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyinit.container.files import CommandFiles
    from pyinit.namespaces.found import Namespace
    from pyinit.namespaces.idmaps import Maps

# What the process between us and the init runs: nothing of it is taken from the current
# directory or the environment (-I), and no package but this one is looked for (-S).
_PROGRAM = (
    "import _signal;_signal.pthread_sigmask(0,_signal.valid_signals());"
    "import sys;sys.path.append({home!r});"
    "from pyinit.container import stage;stage.main({fd},{order_fd})"
)

# From the end of what the init says to that of the init, in seconds.
_END_BOUND_S = 10.0


class StartedInit:
    """An init that runs, and what belongs to it."""

    def __init__(self, pid: int, pidfd: int, channel: InitSocket) -> None:
        self.pid = pid
        self.pidfd = pidfd
        self.channel = channel
        self.args: list[str] = []
        self.is_detached = False
        self.stdin: IO[Any] | None = None
        self.stdout: IO[Any] | None = None
        self.stderr: IO[Any] | None = None
        self.terminal: int | None = None
        self.namespaces: dict[str, Namespace] = {}


def start(
    order: dict[str, Any],
    files: CommandFiles,
    environment: Mapping[str, str] | None,
    maps: Maps | None,
) -> StartedInit:
    """Have the order carried out by a stage; return once the command runs."""
    abandoned.reap()
    ours, theirs = _sockets(files)
    channel = InitSocket(ours)
    stage = None
    try:
        stage = _open_stage(order, theirs, files, environment)
        theirs.close()
        files.close_inner()
        started = _follow(stage, channel, files, maps, is_new=not order["enter"])
    except BaseException:
        _abandon(stage, files, channel)
        raise
    finally:
        theirs.close()
    started.stdin, started.stdout, started.stderr = stage.stdin, stage.stdout, stage.stderr
    started.terminal = files.terminal
    started.args, started.is_detached = order["argv"], order["detach"]
    return started


def _sockets(files: CommandFiles) -> tuple[socket.socket, socket.socket]:
    if signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:
        files.close()
        raise RuntimeError("SIGCHLD is ignored, so the kernel would keep no status; see wait(2)")
    try:
        return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    except OSError:
        files.close()
        raise


def _abandon(stage: subprocess.Popen[Any] | None, files: CommandFiles, channel: InitSocket) -> None:
    """Leave nothing behind of a start that failed."""
    channel.close()
    files.close()
    if stage is not None:
        stage.kill()
        stage.wait()
        for file in (stage.stdin, stage.stdout, stage.stderr):
            if file is not None:
                file.close()


def _open_stage(
    order: dict[str, Any],
    theirs: socket.socket,
    files: CommandFiles,
    environment: Mapping[str, str] | None,
) -> subprocess.Popen[Any]:
    order_fd = linux.memfd_create("order")
    try:
        os.write(order_fd, marshal.dumps(order))
        os.lseek(order_fd, 0, os.SEEK_SET)
        home = str(Path(pyinit.__file__).resolve().parent.parent)
        program = _PROGRAM.format(home=home, fd=theirs.fileno(), order_fd=order_fd)
        stdin, stdout, stderr = files.standard
        return parent_thread.call_there(
            lambda: _popen(
                [sys.executable, "-IS", "-c", program],
                **files.form,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                pass_fds=(theirs.fileno(), order_fd, *files.pass_fds),
                env=None if environment is None else dict(environment),
            )
        )
    finally:
        os.close(order_fd)


def _popen(argv: list[str], **how: Any) -> subprocess.Popen[Any]:
    try:
        return subprocess.Popen(argv, **how)
    except OSError as error:
        call = "execve" if error.filename else "fork"
        raise NamespaceError(call, error.errno or 0, str(error)) from None


def _follow(
    stage: subprocess.Popen[Any],
    channel: InitSocket,
    files: CommandFiles,
    maps: Maps | None,
    *,
    is_new: bool,
) -> StartedInit:
    """Hear what stage and init say, until the command runs.

    Raises NamespaceError, StartError.
    """
    started = _hear_stage(stage, channel, maps)
    try:
        started.namespaces = _namespaces_of(started.pid) if is_new else {}
        channel.allow()
        stage.wait()
        _hear_init(started, files)
    except BaseException:
        pidfds.pidfd_send_signal(started.pidfd, signal.SIGKILL)
        os.waitid(pidfds.P_PIDFD, started.pidfd, os.WEXITED)
        os.close(started.pidfd)
        raise
    return started


def _hear_stage(
    stage: subprocess.Popen[Any], channel: InitSocket, maps: Maps | None
) -> StartedInit:
    """Hear what the stage says, until there is an init.  Raises NamespaceError, StartError."""
    pidfd = open_process(stage.pid)
    try:
        while True:
            word, *rest = _next(channel, pidfd) or ("gone",)
            if word == "map" and maps is not None:
                maps.write(stage.pid)
                channel.allow()
            elif word == "init":
                return StartedInit(rest[0], _open_child(rest[0]), channel)
            elif word == "failed":
                raise NamespaceError(*rest)
            elif word == "gone" and not channel.is_lost:
                raise _ended_early(max(0, -stage.wait()))
            else:
                raise _lost()
    finally:
        os.close(pidfd)


def _hear_init(started: StartedInit, files: CommandFiles) -> None:
    """Hear what the init says, until the command runs.  Raises NamespaceError, StartError."""
    channel = started.channel
    while True:
        word, *rest = _next(channel, started.pidfd) or ("gone",)
        if word == "started":
            return
        if word == "terminal":
            files.take(channel.descriptors())
        elif word == "failed":
            raise NamespaceError(*rest)
        elif word == "not started":
            code, text, *more = rest
            raise StartError(code, keywords.in_python(text), *more)
        elif word == "gone" and not channel.is_lost:
            raise _ended_early(_signal_of_end(started.pidfd))
        else:
            raise _lost()


def _next(channel: InitSocket, pidfd: int) -> tuple[Any, ...]:
    """Return the next packet; an empty tuple when the process has ended, or as of `receive`.

    Others can have its end of the socket, too, so there may be no end of what is to be read.
    """
    poll = select.poll()
    poll.register(channel.fileno(), select.POLLIN)
    poll.register(pidfd, select.POLLIN)
    ready = [fd for fd, _ in poll.poll()]
    return channel.receive() if channel.fileno() in ready else ()


def _open_child(pid: int) -> int:
    """Return a pidfd of our child.  Raises StartError for somebody else, whom we would kill."""
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        raise _lost() from None
    try:
        return open_process(pid)
    except OSError:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise


def _namespaces_of(pid: int) -> dict[str, Namespace]:
    try:
        return namespaces_of(pid)
    except FileNotFoundError:
        return {}  # there is no /proc that shows our children


def _signal_of_end(pidfd: int) -> int:
    """Return which signal has killed the init that is about to end, or 0.  Raises StartError."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    if not poll.poll(_END_BOUND_S * 1000):
        raise _lost()
    info = os.waitid(pidfds.P_PIDFD, pidfd, os.WEXITED | os.WNOWAIT)
    return info.si_status if info is not None and info.si_code != os.CLD_EXITED else 0


def _ended_early(number: int) -> StartError:
    """Return what tells of a stage or an init that has ended without a word, by that signal."""
    if number:
        by = signals.name(number)
        return StartError(128 + number, f"the init was killed by {by} while the command started")
    return StartError(125, "the init has ended before it could start the command")


def _lost() -> StartError:
    """Return what tells of a word that none of ours says, or says now."""
    return StartError(125, "the init sent an unknown message")
