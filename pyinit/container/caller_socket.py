"""What the stage and the init have of the caller: a socket, and an error that is told there."""

import _socket
import posix
import sys

from pyinit.container import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class StageError(Exception):
    """A system call failed, whose name, errno and reason the caller is told."""

    def __init__(self, call: str, error: OSError, reason: str = "") -> None:
        super().__init__(call)
        self.call = call
        self.errno = error.errno or 0
        self.reason = reason or error.strerror or ""


class CallerSocket:
    """Our end of the socket to the caller."""

    def __init__(self, fd: int) -> None:
        posix.set_inheritable(fd, False)  # noqa: FBT003 - it takes no keyword
        self._fd = fd
        self._socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, fd)

    def say(self, *words: str | int | None) -> None:
        """Send words; a caller that is gone hears nothing."""
        self._send(wire.encode(*words))

    def give_terminal(self, fd: int) -> bool:
        """Send a descriptor (SCM_RIGHTS in unix(7)); return whether that worked."""
        rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, fd.to_bytes(4, sys.byteorder))
        return self._send(wire.encode("terminal"), [rights])

    def tell_of_stop(self, *stop: int) -> None:
        """Say how the command has stopped; see `Supervisor.delegate_job_control`."""
        self.say("stopped", *stop)

    def _send(self, data: bytes, rights: "Sequence[tuple[int, int, bytes]]" = ()) -> bool:
        # The command can fill the socket, and nobody may be reading: not to be heard does no
        # harm, but to wait would.
        flags = _socket.MSG_DONTWAIT | _socket.MSG_NOSIGNAL
        try:
            self._socket.sendmsg([data], rights, flags)
        except OSError:
            return False
        return True

    def listen(self) -> bool:
        """Wait for the caller's word; return whether it is there."""
        return posix.read(self._fd, 1) == b"+"

    def is_alone(self) -> bool:
        """Return whether the caller has gone."""
        import select

        poll = select.poll()
        poll.register(self._fd, 0)
        return bool(poll.poll(0))
