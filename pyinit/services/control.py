"""The control socket: an operator asks about services, and for something to happen to them.

A connection carries one line of JSON each way.  The kernel says which user is at its other end:
root and the supervisor's own user are answered, others are hung up on.
"""

import _socket
import errno
import json
import posix
import stat
import sys

from pyinit.services import answers, loop
from pyinit.services.answers import RefusedError, Request
from pyinit.services.follower import Follower
from pyinit.services.group import is_ready
from pyinit.services.output import prefixed
from pyinit.services.problems import ServicesError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pyinit.services.answers import Answer
    from pyinit.services.supervisor import Supervisor

# A request has so many bytes at most, and its sender so many seconds for it and for the answer.
_LONGEST = 4096
_TIME_S = 5.0
# So many connections at most; others wait in the queue of the socket, as far as that goes.
_MOST = 32
_QUEUE = 128
# So many of them wait or follow: the others can still ask.
_MOST_LASTING = 24
# struct ucred: pid, uid, gid; see unix(7).
_UCRED_SIZE = 12


class Control:
    """Answers on the socket ``path`` for ``supervisor``, whose init is the process ``init``.

    ``stop`` stops the container.  Raises ServicesError.
    """

    def __init__(
        self, supervisor: "Supervisor", path: str, init: int, stop: "Callable[[], None]"
    ) -> None:
        self.supervisor = supervisor
        self.init = init
        self.is_stopping = False  # by an operator
        self._stop = stop
        self._path = path
        self._connections: set[Connection | Follower] = set()
        self._socket = _listen(path)
        self._is_listening = False
        self._listen(wanted=True)
        supervisor.on_change.append(self._look)

    def close(self) -> None:
        """Remove the socket."""
        for each in list(self._connections):
            each.close()
        self._listen(wanted=False)
        self._socket.close()
        try:
            posix.unlink(self._path)
        except OSError:
            pass  # it is gone, or the file system is read-only by now

    def stop(self) -> None:
        """Stop the container.  Raises RefusedError when it is stopping already."""
        if self.is_stopping or self.supervisor.group.cause:
            raise RefusedError("the container is stopping")
        self.is_stopping = True
        self._stop()

    def follow(self, peer: "_socket.socket", request: Request) -> None:
        """Send the lines of services from now on.  Raises RefusedError."""
        self.check_room()
        outputs = self.supervisor.outputs
        names = request.names or list(self.supervisor.services.by_name)
        width = max(map(len, names))
        streams = []
        for name in names:
            render = prefixed(name, width, None) if len(names) > 1 else bytes
            for number in (1, 2):
                try:
                    stream = outputs.stream(name, number)
                except OSError as error:  # EMFILE: the pipe of one that was never started
                    raise RefusedError(f"service '{name}': {error.strerror}") from None
                if stream is not None and request.stream in (0, number):
                    streams.append((stream, render))
        if not streams:
            raise RefusedError("no lines are kept: expected log = 'prefix' or 'json'")
        follower = Follower(self.supervisor.loop, peer, b"{}\n", streams, self.forget)
        if peer.fileno() >= 0:
            self._connections.add(follower)

    def check_room(self, more: int = 1) -> None:
        """Raise RefusedError if too many wait and follow, with ``more``."""
        lasting = [
            each
            for each in self._connections
            if isinstance(each, Follower) or each.waits_for is not None
        ]
        if len(lasting) + more > _MOST_LASTING:
            raise RefusedError(f"{_MOST_LASTING} wait or follow already")

    def forget(self, connection: "Connection | Follower") -> None:
        """Have room for another connection."""
        self._connections.discard(connection)
        self._listen(wanted=len(self._connections) < _MOST)

    def _listen(self, *, wanted: bool) -> None:
        if wanted and not self._is_listening:
            self.supervisor.loop.watch(self._socket.fileno(), loop.READ, self._accept)
        elif self._is_listening and not wanted:
            self.supervisor.loop.unwatch(self._socket.fileno())
        self._is_listening = wanted

    def _accept(self) -> None:
        try:
            fd, _ = self._socket._accept()  # type: ignore[attr-defined]
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
                # It would be called again at once: look later.
                self._listen(wanted=False)
                self.supervisor.loop.arm(self, _TIME_S, lambda: self._listen(wanted=True))
            return
        peer = _socket.socket(fileno=fd)
        peer.settimeout(0)
        if not _is_ours(peer):
            peer.close()
            return
        self._connections.add(Connection(self, peer))
        if len(self._connections) >= _MOST:
            self._listen(wanted=False)

    def _look(self) -> None:
        """Answer those that wait, once what they wait for has come."""
        for each in [each for each in self._connections if each.waits_for is not None]:
            each.look()


class Connection:
    """One request and its answer; ``waits_for`` are names of services, or None."""

    def __init__(self, control: Control, peer: "_socket.socket") -> None:
        self.waits_for: list[str] | None = None
        self._control = control
        self._loop = control.supervisor.loop
        self._socket = peer
        self._data = b""
        self._loop.watch(peer.fileno(), loop.READ, self._read)
        self._loop.arm(self, _TIME_S, self.close)

    def close(self) -> None:
        """Hang up."""
        self._loop.disarm(self)
        if self._socket.fileno() >= 0:
            self._loop.unwatch(self._socket.fileno())
            self._socket.close()
        self._control.forget(self)

    def look(self) -> None:
        """Answer if what it waits for has come, or cannot come any more."""
        supervisor = self._control.supervisor
        names = self.waits_for or []
        units = [supervisor.group.units[name] for name in names]
        if (
            all(map(is_ready, units))
            or supervisor.group.cause
            or any(each.state in answers.NOT_COMING for each in units)
        ):
            self._answer(answers.status(supervisor, names))

    def _read(self) -> None:
        try:
            data = self._socket.recv(_LONGEST)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._data += data
        if not data or self.waits_for is not None or len(self._data) > _LONGEST:
            self.close()
        elif self._data.endswith(b"\n"):
            self._take()

    def _take(self) -> None:
        try:
            request = answers.parse(self._data, self._control.supervisor)
            if request.verb == "wait":
                self._loop.disarm(self)
                self.waits_for = answers.expected(self._control.supervisor, request.names)
                self.look()
                if self.waits_for is not None:
                    self._control.check_room(0)
                return
            if request.verb == "follow":
                self._control.follow(self._socket, request)
                self._loop.disarm(self)
                self._control.forget(self)
                return
            answer = answers.do(self._control, request)
        except RefusedError as error:
            answer = {"error": str(error), "code": error.code}
        self._answer(answer)

    def _answer(self, answer: "Answer") -> None:
        self.waits_for = None
        self._data = json.dumps(answer).encode() + b"\n"
        self._loop.arm(self, _TIME_S, self.close)
        self._loop.unwatch(self._socket.fileno())
        self._loop.watch(self._socket.fileno(), loop.WRITE, self._write)
        self._write()  # at once: the loop may end, with the last service

    def _write(self) -> None:
        try:
            taken = self._socket.send(self._data, _socket.MSG_NOSIGNAL)
        except BlockingIOError:
            return
        except OSError:
            self._data = b""  # it has hung up
        else:
            self._data = self._data[taken:]
        if not self._data:
            self.close()


def _listen(path: str) -> "_socket.socket":
    """Return the socket, of mode 0600; one that nobody listens on is replaced."""
    kind = _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC | _socket.SOCK_NONBLOCK
    try:
        _remove_stale(path)
        made = _socket.socket(_socket.AF_UNIX, kind)
        before = posix.umask(0o177)
        try:
            made.bind(path)
        finally:
            posix.umask(before)
        made.listen(_QUEUE)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ServicesError([f"option '--control': '{path}': {reason}"]) from None
    return made


def _remove_stale(path: str) -> None:
    try:
        status = posix.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode):
        raise FileExistsError(errno.EEXIST, "it exists already, and is not a socket")
    probe = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    probe.settimeout(0)
    try:
        code = probe.connect_ex(path)
    finally:
        probe.close()
    if code != errno.ECONNREFUSED:
        raise OSError(errno.EADDRINUSE, "another process listens there")
    posix.unlink(path)


def _is_ours(peer: "_socket.socket") -> bool:
    try:
        data = peer.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, _UCRED_SIZE)
    except OSError:
        return False
    uid = int.from_bytes(data[4:8], sys.byteorder)
    return uid in (0, posix.geteuid())
