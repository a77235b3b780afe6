"""The caller's end of the socket to stage and init; see `pyinit.container.wire`."""

from __future__ import annotations

import os
import socket
import sys
from typing import Any

from pyinit.container import wire

_INT_SIZE = 4  # of a descriptor in SCM_RIGHTS

# More packets than can wait in a socket: each counts for 512 bytes or more of its buffer, which
# is at most twice net.core.wmem_max, 416 KiB by default (socket(7)).
_MOST_WAITING = 1000


class InitSocket:
    """What stage and init say is taken by its form, and nothing of it is waited for twice."""

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
