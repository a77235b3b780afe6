"""Starting an init by way of `pyinit.container.stage`: what is sent to it, and what it answers."""

from __future__ import annotations

import errno
import marshal
import os
import queue
import select
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pyinit
from pyinit import signals
from pyinit.container import wire
from pyinit.fork import StartError
from pyinit.kernel import devpts
from pyinit.namespaces.found import NamespaceError, namespaces_of, open_process

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import IO

    from pyinit.namespaces.found import Namespace
    from pyinit.namespaces.idmaps import Maps

    File = int | IO[Any] | None

# What the process between us and the init runs: nothing of it is taken from the current
# directory or the environment (-I), and no package but this one is looked for (-S).
_PROGRAM = (
    "import _signal;_signal.pthread_sigmask(0,_signal.valid_signals());"
    "import sys;sys.path.append({home!r});"
    "from pyinit.container import stage;stage.main({fd},{order_fd})"
)


_INT_SIZE = 4  # of a descriptor in SCM_RIGHTS

# More packets than can wait in a socket: each counts for 512 bytes or more of its buffer, which
# is at most twice net.core.wmem_max, 416 KiB by default (socket(7)).
_MOST_WAITING = 1000

# From the end of what the init says to that of the init, in seconds.
_END_BOUND_S = 10.0


class Files:
    """What becomes 0, 1 and 2 of the init, and what is passed on besides."""

    def __init__(
        self,
        stdin: File,
        stdout: File,
        stderr: File,
        pass_fds: Sequence[int],
        *,
        terminal: bool,
    ) -> None:
        self.pass_fds = tuple(pass_fds)
        self.terminal: int | None = None
        self._inner: int | None = None
        if terminal:
            if (stdin, stdout, stderr) != (None, None, None):
                raise ValueError("terminal=True is stdin, stdout and stderr: expected none of them")
            self.terminal, self._inner = os.openpty()
            _give_our_size(self.terminal)
            stdin = stdout = stderr = self._inner
        self.standard = (stdin, stdout, stderr)

    def take(self, terminal: Sequence[int]) -> None:
        """Have the one ``terminal`` instead of that which was made here.

        Raises NamespaceError for none, as the kernel drops what there is no number for
        (unix(7)), and for what is no master of a terminal.
        """
        if not terminal:
            raise NamespaceError("recvmsg(SCM_RIGHTS)", errno.EMFILE, "no descriptor is free")
        fd = terminal[0]
        if self.terminal is None or not devpts.is_ptmx(os.fstat(fd)):
            os.close(fd)
            raise NamespaceError("recvmsg(SCM_RIGHTS)", errno.ENOTTY, "that is no terminal of ours")
        os.close(self.terminal)
        self.terminal = fd

    def close_inner(self) -> None:
        """Close the command's side of the terminal, for whoever has it now."""
        if self._inner is not None:
            os.close(self._inner)
            self._inner = None

    def close(self) -> None:
        """Close what was opened here."""
        self.close_inner()
        if self.terminal is not None:
            os.close(self.terminal)
            self.terminal = None


def _give_our_size(terminal: int) -> None:
    """Make a new terminal as large as ours, if we have one, before a command can ask."""
    import termios

    for fd in (0, 1, 2):
        try:
            columns, rows = os.get_terminal_size(fd)
            termios.tcsetwinsize(terminal, (rows, columns))
        except OSError:
            continue
        return


class Channel:
    """Our end of the socket to stage and init; see `pyinit.container.wire`."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._fds: list[int] = []
        self._killed_by = 0
        self.is_lost = False

    def receive(self) -> tuple[Any, ...]:
        """Return the next packet, or an empty tuple when there is none to come.

        Either all others have closed their end, or, and then it is lost, a packet has come
        that none of ours would send.
        """
        self._drop()
        if self.is_lost:
            return ()
        size = socket.CMSG_LEN(_INT_SIZE)
        try:
            data, rights, _, _ = self._socket.recvmsg(wire.MOST, size, socket.MSG_CMSG_CLOEXEC)
        except ConnectionResetError:
            return ()  # they ended before they had read all that we sent; see unix(7)
        self._fds = [int.from_bytes(each[:_INT_SIZE], sys.byteorder) for _, _, each in rights]
        try:
            return wire.decode(data) if data else ()
        except ValueError:
            self.is_lost = True
            return ()

    def descriptors(self) -> list[int]:
        """Return those that came with the last packet; else the next look closes them."""
        fds, self._fds = self._fds, []
        return fds

    def _drop(self) -> None:
        for fd in self.descriptors():
            os.close(fd)

    def allow(self) -> None:
        """Say that it may go on."""
        try:
            self._socket.send(b"+")
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has ended, as is seen at the next look

    def fileno(self) -> int:
        """Return the descriptor, for poll(2)."""
        return self._socket.fileno()

    def hear(self) -> tuple[Any, ...]:
        """Receive what the init of a command that runs tells; raise BlockingIOError for nothing."""
        self._socket.settimeout(0)
        message = self.receive()
        if message[:1] == ("ended",):
            self._killed_by = message[1]
        return message

    def last(self) -> int:
        """Return the signal that killed the command, as far as its init has told.

        To be asked when the init has ended: what it has said is among the packets that wait.
        """
        try:
            for _ in range(_MOST_WAITING):
                if not self.hear():
                    break
        except BlockingIOError:
            pass
        return self._killed_by

    def close(self) -> None:
        """Close our end."""
        self._drop()
        self._socket.close()


class Started:
    """An init that runs, and what belongs to it."""

    def __init__(self, pid: int, pidfd: int, channel: Channel) -> None:
        self.pid = pid
        self.pidfd = pidfd
        self.channel = channel
        self.stdin: IO[bytes] | None = None
        self.stdout: IO[bytes] | None = None
        self.stderr: IO[bytes] | None = None
        self.terminal: int | None = None
        self.namespaces: dict[str, Namespace] = {}


def start(
    order: dict[str, Any],
    files: Files,
    environment: Mapping[str, str] | None,
    maps: Maps | None,
) -> Started:
    """Have the order carried out by a stage; return once the command runs."""
    ours, theirs = _sockets(files)
    channel = Channel(ours)
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
    return started


def _sockets(files: Files) -> tuple[socket.socket, socket.socket]:
    if signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:
        files.close()
        raise RuntimeError("SIGCHLD is ignored, so the kernel would keep no status; see wait(2)")
    try:
        return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    except OSError:
        files.close()
        raise


def _abandon(stage: subprocess.Popen[bytes] | None, files: Files, channel: Channel) -> None:
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
    files: Files,
    environment: Mapping[str, str] | None,
) -> subprocess.Popen[bytes]:
    order_fd = os.memfd_create("order", os.MFD_CLOEXEC)
    try:
        os.write(order_fd, marshal.dumps(order))
        os.lseek(order_fd, 0, os.SEEK_SET)
        home = str(Path(pyinit.__file__).resolve().parent.parent)
        program = _PROGRAM.format(home=home, fd=theirs.fileno(), order_fd=order_fd)
        stdin, stdout, stderr = files.standard
        return _in_lasting_thread(
            lambda: _popen(
                [sys.executable, "-IS", "-c", program],
                bufsize=0,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                pass_fds=(theirs.fileno(), order_fd, *files.pass_fds),
                env=None if environment is None else dict(environment),
            )
        )
    finally:
        os.close(order_fd)


def _popen(argv: list[str], **how: Any) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(argv, **how)
    except OSError as error:
        call = "execve" if error.filename else "fork"
        raise NamespaceError(call, error.errno or 0, str(error)) from None


def _follow(
    stage: subprocess.Popen[bytes],
    channel: Channel,
    files: Files,
    maps: Maps | None,
    *,
    is_new: bool,
) -> Started:
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
        signal.pidfd_send_signal(started.pidfd, signal.SIGKILL)
        os.waitid(os.P_PIDFD, started.pidfd, os.WEXITED)
        os.close(started.pidfd)
        raise
    return started


def _hear_stage(stage: subprocess.Popen[bytes], channel: Channel, maps: Maps | None) -> Started:
    """Hear what the stage says, until there is an init.  Raises NamespaceError, StartError."""
    pidfd = open_process(stage.pid)
    try:
        while True:
            word, *rest = _next(channel, pidfd) or ("gone",)
            if word == "map" and maps is not None:
                maps.write(stage.pid)
                channel.allow()
            elif word == "init":
                return Started(rest[0], _open_child(rest[0]), channel)
            elif word == "failed":
                raise NamespaceError(*rest)
            elif word == "gone" and not channel.is_lost:
                raise _ended_early(max(0, -stage.wait()))
            else:
                raise _lost()
    finally:
        os.close(pidfd)


def _hear_init(started: Started, files: Files) -> None:
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
            raise StartError(*rest)
        elif word == "gone" and not channel.is_lost:
            raise _ended_early(_signal_of_end(started.pidfd))
        else:
            raise _lost()


def _next(channel: Channel, pidfd: int) -> tuple[Any, ...]:
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
    info = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOWAIT)
    return info.si_status if info is not None and info.si_code != os.CLD_EXITED else 0


def _ended_early(number: int) -> StartError:
    """Return what tells of a stage or an init that has ended without a word, by that signal."""
    if number:
        by = signals.name(number)
        return StartError(128 + number, f"the init was killed by {by} while the command started")
    return StartError(125, "the init has ended before it could start the command")


def _lost() -> StartError:
    """Return what tells of a word that none of ours says, or says now."""
    return StartError(125, "what came instead of the init's word is none of its words")


_requests: queue.SimpleQueue[tuple[Callable[[], Any], queue.SimpleQueue[Any]]] | None = None
_requests_pid = 0
_requests_lock = threading.Lock()


def _in_lasting_thread(call: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    """Return what ``call`` returns in a thread that lives as long as this process.

    The kernel takes the thread that forked a child for its parent: with PR_SET_PDEATHSIG
    (prctl(2)) the child would be killed at the end of any other thread.
    """
    global _requests, _requests_pid
    with _requests_lock:
        if _requests is None or _requests_pid != os.getpid():
            new: queue.SimpleQueue[Any] = queue.SimpleQueue()
            try:
                threading.Thread(
                    target=_serve, args=(new,), name="pyinit-parent", daemon=True
                ).start()
            except RuntimeError as problem:
                # The interpreter does not say the errno; see clone(2).
                raise NamespaceError("clone(CLONE_THREAD)", errno.EAGAIN, str(problem)) from None
            _requests, _requests_pid = new, os.getpid()
    answer: queue.SimpleQueue[Any] = queue.SimpleQueue()
    _requests.put((call, answer))
    value, error = answer.get()
    if error is not None:
        raise error
    return cast("subprocess.Popen[bytes]", value)


def _serve(requests: queue.SimpleQueue[tuple[Callable[[], Any], queue.SimpleQueue[Any]]]) -> None:
    # Signals are for the program's own threads.
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    while True:
        call, answer = requests.get()
        try:
            answer.put((call(), None))
        except BaseException as error:
            answer.put((None, error))
