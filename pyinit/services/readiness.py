"""How the supervisor learns that a service is ready.

Each watcher is made before the service is started, told when the service has become its program,
and closed when nobody waits for it any more: at the end of the start, whatever that is.  What a
service can do to a watcher (write without end, send without end) costs so much a moment and no
more.
"""

import _signal
import _socket
import errno
import posix
import sys

from pyinit.services import loop, model

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pyinit.services.loop import Loop
    from pyinit.services.model import Ready

# A look at a port or by a command: the first one after, each later one twice that, up to; seconds.
_FIRST_LOOK_S = 0.02
_LAST_LOOK_S = 0.5

# So many messages or blocks are read at once, and more after a pause.
_MOST_AT_ONCE = 16
_PAUSE_S = 0.05
_BLOCK = 4096

# struct ucred: pid, uid, gid; see unix(7).
_UCRED_SIZE = 12


class Watcher:
    """A service that is ready once it has been started."""

    def __init__(self, loop_: "Loop", ready: "Callable[[], None]") -> None:
        self._loop = loop_
        self._ready = ready

    def executed(self) -> None:
        """Take note that the service has become its program."""
        self._ready()

    def close(self) -> None:
        """Watch no more."""


class ByDescriptor(Watcher):
    """It writes a newline to a descriptor; see s6's notification-fd.

    ``writer`` is the service's end.
    """

    def __init__(self, loop_: "Loop", ready: "Callable[[], None]") -> None:
        super().__init__(loop_, ready)
        self._reader, self.writer = posix.pipe2(posix.O_CLOEXEC | posix.O_NONBLOCK)
        posix.set_blocking(self.writer, True)
        loop_.watch(self._reader, loop.READ, self._read)

    def executed(self) -> None:
        """Let go of the service's end: it has it."""
        self._close_writer()

    def _read(self) -> None:
        data = posix.read(self._reader, _BLOCK)
        if b"\n" in data:
            self._ready()
        elif not data:
            self._loop.unwatch(self._reader)  # closed without a newline: start-timeout decides
        else:
            self._loop.unwatch(self._reader)
            then = self._resume
            self._loop.arm(self, _PAUSE_S, then)

    def _resume(self) -> None:
        self._loop.watch(self._reader, loop.READ, self._read)

    def _close_writer(self) -> None:
        if self.writer >= 0:
            posix.close(self.writer)
            self.writer = -1

    def close(self) -> None:
        """Close both ends; what is written later on gives the service EPIPE."""
        self._loop.disarm(self)
        self._loop.unwatch(self._reader)
        posix.close(self._reader)
        self._close_writer()


class ByMessage(Watcher):
    """It sends READY=1 to the socket in NOTIFY_SOCKET; see sd_notify(3).

    The socket has a name that the kernel makes up and no file, as nothing has to be writable.
    Others of the same network namespace can send to it, so the kernel is asked who did.
    ``uid`` is the service's user, ``main_pid`` is told of MAINPID.
    """

    def __init__(
        self,
        loop_: "Loop",
        ready: "Callable[[], None]",
        uid: int,
        main_pid: "Callable[[int], None]",
    ) -> None:
        super().__init__(loop_, ready)
        self._uid = uid
        self._main_pid = main_pid
        kind = _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC | _socket.SOCK_NONBLOCK
        self._socket = _socket.socket(_socket.AF_UNIX, kind)
        self._socket.setsockopt(_socket.SOL_SOCKET, _socket.SO_PASSCRED, 1)
        self._socket.bind(b"")  # autobind, see unix(7)
        name = self._socket.getsockname()
        self.address = "@" + bytes(name[1:]).decode()
        loop_.watch(self._socket.fileno(), loop.READ, self._read)

    def executed(self) -> None:
        """Wait for its word."""

    def _read(self) -> None:
        for _ in range(_MOST_AT_ONCE):
            try:
                data, extra, _, _ = self._socket.recvmsg(_BLOCK, _socket.CMSG_SPACE(_UCRED_SIZE))
            except BlockingIOError:
                return
            except OSError:
                continue
            if self._is_theirs(extra) and self._take(data):
                return
        self._loop.unwatch(self._socket.fileno())
        self._loop.arm(self, _PAUSE_S, self._resume)

    def _resume(self) -> None:
        self._loop.watch(self._socket.fileno(), loop.READ, self._read)

    def _is_theirs(self, extra: "list[tuple[int, int, bytes]]") -> bool:
        """Return whether the sender is of our PID namespace, and the service's user or root."""
        for level, kind, data in extra:
            if (level, kind) == (_socket.SOL_SOCKET, _socket.SCM_CREDENTIALS):
                pid, uid = (
                    int.from_bytes(data[at : at + 4], sys.byteorder, signed=True) for at in (0, 4)
                )
                return pid > 0 and uid in (self._uid, 0)
        return False

    def _take(self, data: bytes) -> bool:
        lines = data.split(b"\n")
        for line in lines:
            name, _, value = line.partition(b"=")
            if name == b"MAINPID" and value.isdigit() and len(value) < 8:
                self._main_pid(int(value))
        if b"READY=1" not in lines:
            return False
        self._ready()
        return True

    def close(self) -> None:
        """Close the socket: what is sent later on gives the sender ECONNREFUSED."""
        self._loop.disarm(self)
        self._loop.unwatch(self._socket.fileno())
        self._socket.close()


class ByLooks(Watcher):
    """It is looked at now and then, until it is ready."""

    def __init__(self, loop_: "Loop", ready: "Callable[[], None]") -> None:
        super().__init__(loop_, ready)
        self._delay_s = _FIRST_LOOK_S

    def executed(self) -> None:
        """Begin to look."""
        self._look_later()

    def _look_later(self) -> None:
        self._loop.arm(self, self._delay_s, self._look)
        self._delay_s = min(2 * self._delay_s, _LAST_LOOK_S)

    def _look(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Look no more."""
        self._loop.disarm(self)


class ByPort(ByLooks):
    """It accepts connections on a port of this host."""

    def __init__(self, loop_: "Loop", ready: "Callable[[], None]", port: int) -> None:
        super().__init__(loop_, ready)
        self._port = port

    def _look(self) -> None:
        addresses = ((_socket.AF_INET, "127.0.0.1"), (_socket.AF_INET6, "::1"))
        if any(self._accepts(family, host) for family, host in addresses):
            self._ready()
        else:
            self._look_later()

    def _accepts(self, family: int, host: str) -> bool:
        """Return whether a connection is made, without a wait: on this host it is at once."""
        kind = _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC | _socket.SOCK_NONBLOCK
        try:
            connection = _socket.socket(family, kind)
        except OSError:
            return False  # no IPv6 here
        try:
            code = connection.connect_ex((host, self._port))
            if code == errno.EINPROGRESS:
                code = connection.connect_ex((host, self._port))  # what has come of it
            return code in (0, errno.EISCONN)
        finally:
            connection.close()


class ByCommand(ByLooks):
    """A command ends with 0.

    ``start`` starts it and returns its PID, or raises OSError; the caller tells `ended`.
    """

    def __init__(
        self, loop_: "Loop", ready: "Callable[[], None]", start: "Callable[[ByCommand], int]"
    ) -> None:
        super().__init__(loop_, ready)
        self._start = start
        self._pid = 0

    def _look(self) -> None:
        try:
            self._pid = self._start(self)
        except OSError:
            self._look_later()  # no memory or process is left for it

    def ended(self, code: int) -> None:
        """Take the exit code of the command, which has been reaped."""
        self._pid = 0
        if code == 0:
            self._ready()
        else:
            self._look_later()

    def close(self) -> None:
        """End a command that runs, and all of its group."""
        super().close()
        if self._pid:
            for pid in (-self._pid, self._pid):
                try:
                    posix.kill(pid, _signal.SIGKILL)
                except OSError:
                    pass  # ESRCH: it has not led its group yet
            self._pid = 0


def watcher(
    asked: "Ready",
    loop_: "Loop",
    ready: "Callable[[], None]",
    *,
    uid: int,
    main_pid: "Callable[[int], None]",
    start: "Callable[[ByCommand], int]",
) -> Watcher:
    """Return who watches for what is ``asked``; raises OSError where no descriptor is left."""
    if asked.kind == model.FD:
        return ByDescriptor(loop_, ready)
    if asked.kind == model.NOTIFY:
        return ByMessage(loop_, ready, uid, main_pid)
    if asked.kind == model.PORT:
        return ByPort(loop_, ready, asked.number)
    if asked.kind == model.COMMAND:
        return ByCommand(loop_, ready, start)
    return Watcher(loop_, ready)
