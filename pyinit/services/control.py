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

from pyinit import signals
from pyinit.services import loop, machine, model
from pyinit.services.problems import ServicesError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyinit.services.supervisor import Supervisor

    Answer = dict[str, Any]

# A request has so many bytes at most, and its sender so many seconds for it and for the answer.
_LONGEST = 4096
_TIME_S = 5.0
# So many connections at most; others wait in the queue of the socket.
_MOST = 32
# struct ucred: pid, uid, gid; see unix(7).
_UCRED_SIZE = 12

_OK = 0
_NOT_DONE = 1
_UNKNOWN = 3  # a name that there is not
_CHANGES = ("start", "stop", "restart")


class RefusedError(Exception):
    """A request cannot be answered; the text says why, ``code`` is pyinitctl's exit code."""

    def __init__(self, text: str, code: int = _NOT_DONE) -> None:
        super().__init__(text)
        self.code = code


class Control:
    """Answers on the socket ``path`` for ``supervisor``.  Raises ServicesError."""

    def __init__(self, supervisor: "Supervisor", path: str) -> None:
        self.supervisor = supervisor
        self._path = path
        self._connections: set[Connection] = set()
        self._socket = _listen(path)
        self._is_listening = False
        self._listen(wanted=True)
        supervisor.on_change = self._look

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

    def forget(self, connection: "Connection") -> None:
        """Have room for another connection."""
        self._connections.discard(connection)
        self._listen(wanted=True)

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
            all(_is_ready(each.state) for each in units)
            or supervisor.group.cause
            or any(each.state in (machine.FAILED, machine.DOWN) for each in units)
        ):
            self._answer(_status(supervisor, names))

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
            verb, names, number = _parse(self._data, self._control.supervisor)
            if verb == "wait":
                self._loop.disarm(self)
                self.waits_for = names
                self.look()
                return
            answer = _do(self._control.supervisor, verb, names, number)
        except RefusedError as error:
            answer = {"error": str(error), "code": error.code}
        self._answer(answer)

    def _answer(self, answer: "Answer") -> None:
        self.waits_for = None
        self._data = json.dumps(answer).encode() + b"\n"
        self._loop.arm(self, _TIME_S, self.close)
        self._loop.unwatch(self._socket.fileno())
        self._loop.watch(self._socket.fileno(), loop.WRITE, self._write)

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


def _parse(data: bytes, supervisor: "Supervisor") -> tuple[str, list[str], int]:
    """Return verb, names and signal of a request.  Raises RefusedError."""
    try:
        asked = json.loads(data)
        verb, names, number = asked["verb"], asked.get("names", []), asked.get("signal", 0)
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError):
        raise RefusedError("this is no request") from None
    if not isinstance(names, list) or type(number) is not int:
        raise RefusedError("this is no request")
    known = supervisor.services.by_name
    for name in names:
        if not isinstance(name, str) or name not in known:
            raise RefusedError(f"there is no service '{name}'", _UNKNOWN)
    return str(verb), names or list(known), number


def _do(supervisor: "Supervisor", verb: str, names: list[str], number: int) -> "Answer":
    """Do what is asked for, and return the answer.  Raises RefusedError."""
    if verb == "logs":
        lines = {name: supervisor.outputs.last_lines(name) for name in names}
        return {"code": _OK, "lines": lines}
    if verb in _CHANGES:
        if supervisor.group.cause:
            raise RefusedError("the container is stopping")
        for name in names:
            supervisor.request(name, verb)
        return _status(supervisor, names) | {"code": _OK}
    if verb in ("signal", "reload"):
        for name in names:
            _signal(supervisor, name, number if verb == "signal" else 0)
        return _status(supervisor, names) | {"code": _OK}
    if verb == "status":
        return _status(supervisor, names)
    raise RefusedError(f"'{verb}' is not known")


def _signal(supervisor: "Supervisor", name: str, number: int) -> None:
    number = number or supervisor.services.by_name[name].reload_signal
    if not number:
        raise RefusedError(f"service '{name}' has no 'reload-signal'")
    if supervisor.group.units[name].state not in machine.LIVING:
        raise RefusedError(f"service '{name}' does not run")
    try:
        supervisor.signal(name, number)
    except (OSError, ValueError, OverflowError):
        raise RefusedError(f"{number} is not a signal") from None


def _is_ready(state: str) -> bool:
    return state in machine.RELEASED or state == machine.IDLE


def _status(supervisor: "Supervisor", names: list[str]) -> "Answer":
    """Return where services stand; the code is 0 if all of them are ready."""
    now = supervisor.loop.now()
    rows = []
    for name in names:
        unit = supervisor.group.units[name]
        row: Answer = {"name": name, "state": unit.state, "ready": _is_ready(unit.state)}
        if unit.service.type != model.SERVICE:
            row["type"] = unit.service.type
        if unit.state in machine.LIVING:
            row["pid"] = supervisor.runs[name].pid
        if unit.state == machine.UP:
            row["up_s"] = round(now - unit.up_since, 3)
        if unit.code is not None:
            row["exit_code"] = unit.code
        if unit.signal:
            row["signal"] = signals.name(unit.signal)
        if unit.restarts:
            row["restarts"] = unit.restarts
        rows.append(row)
    code = _OK if all(row["ready"] for row in rows) else _NOT_DONE
    return {"code": code, "stopping": supervisor.group.cause, "services": rows}


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
        made.listen(8)
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
        raise FileExistsError(errno.EEXIST, "it is there already, and is not a socket")
    probe = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    probe.settimeout(0)
    try:
        code = probe.connect_ex(path)
    finally:
        probe.close()
    if code != errno.ECONNREFUSED:
        raise OSError(errno.EADDRINUSE, "someone else listens there")
    posix.unlink(path)


def _is_ours(peer: "_socket.socket") -> bool:
    try:
        data = peer.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, _UCRED_SIZE)
    except OSError:
        return False
    uid = int.from_bytes(data[4:8], sys.byteorder)
    return uid in (0, posix.geteuid())
