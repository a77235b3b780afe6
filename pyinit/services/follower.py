"""One who follows the lines of services at the control socket, as ``tail -f`` does."""

import _socket

from pyinit.services import loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pyinit.services.loop import Loop
    from pyinit.services.output import Stream

    # Streams, and what is made of the lines of each.
    Streams = list[tuple[Stream, Callable[[bytes], bytes]]]

# So much is held for one who does not read; what comes then is left out for them.
_MOST = 1 << 18
_LEFT_OUT = b"(lines are left out: they came faster than they were read)\n"


class Follower:
    """Sends ``answer``, the last lines of ``streams``, and all that come, until it hangs up.

    The services and others wait for nothing: who reads too slowly misses lines.  ``forget`` is
    called with it at its end.
    """

    waits_for = None  # as of a connection that waits for no service

    def __init__(
        self,
        loop_: "Loop",
        peer: "_socket.socket",
        answer: bytes,
        streams: "Streams",
        forget: "Callable[[Follower], None]",
    ) -> None:
        self._loop = loop_
        self._socket = peer
        self._data = answer
        self._forget = forget
        self._misses_lines = False
        self._streams: list[tuple[Stream, Callable[[bytes], None]]] = []
        for stream, render in streams:
            self._data += b"".join(map(render, stream.last_blocks()))
            self._follow(stream, render)
        self._send()

    def close(self) -> None:
        """Hang up."""
        for stream, take in self._streams:
            stream.followers.remove(take)
        self._streams = []
        if self._socket.fileno() >= 0:
            self._loop.unwatch(self._socket.fileno())
            self._socket.close()
        self._forget(self)

    def _follow(self, stream: "Stream", render: "Callable[[bytes], bytes]") -> None:
        def take(lines: bytes) -> None:
            self._add(render(lines))

        stream.followers.append(take)
        self._streams.append((stream, take))

    def _add(self, lines: bytes) -> None:
        if len(self._data) > _MOST:
            self._misses_lines = True
            return
        if self._misses_lines:
            self._misses_lines = False
            lines = _LEFT_OUT + lines
        self._data += lines
        self._send()

    def _send(self) -> None:
        try:
            taken = self._socket.send(self._data, _socket.MSG_NOSIGNAL)
        except BlockingIOError:
            taken = 0
        except OSError:
            self.close()  # it has hung up
            return
        self._data = self._data[taken:]
        if self._data:
            self._loop.watch(self._socket.fileno(), loop.WRITE, self._send)
        else:
            self._loop.watch(self._socket.fileno(), loop.READ, self._read)

    def _read(self) -> None:
        """Nothing is asked any more: it hangs up."""
        try:
            self._socket.recv(1)
        except BlockingIOError:
            return
        except OSError:
            pass
        self.close()
