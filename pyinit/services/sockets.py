"""Readiness that takes a socket to learn of: a message, and a port.

Apart from `pyinit.services.readiness`, as few services need it.
"""

import _socket
import errno
import sys

from pyinit.services import loop
from pyinit.services.readiness import BLOCK, MOST_AT_ONCE, PAUSE_S, ByLooks, Watcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pyinit.services.loop import Loop

# struct ucred: pid, uid, gid; see unix(7).
_UCRED_SIZE = 12


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

    def catch_up(self) -> None:
        """Read what came before the end: it may name the process that is the service from now."""
        self._read()

    def _read(self) -> None:
        for _ in range(MOST_AT_ONCE):
            try:
                data, extra, _, _ = self._socket.recvmsg(BLOCK, _socket.CMSG_SPACE(_UCRED_SIZE))
            except BlockingIOError:
                return
            except OSError:
                continue
            if self._is_theirs(extra) and self._take(data):
                return
        self._loop.unwatch(self._socket.fileno())
        self._loop.arm(self, PAUSE_S, self._resume)

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
