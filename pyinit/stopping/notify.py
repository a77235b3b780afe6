"""Messages to the service manager by the socket in NOTIFY_SOCKET; see sd_notify(3)."""

import _socket

from pyinit import environment, events

READY = b"READY=1"
STOPPING = b"STOPPING=1"


def send(message: bytes, log: events.Log) -> None:
    """Send ``message``, if there is a NOTIFY_SOCKET; a failure is only logged.

    Nothing is waited for: a manager that does not read misses it.
    """
    address = environment.current().get(b"NOTIFY_SOCKET", b"")
    if not address:
        return
    try:
        _send(message, address)
    except OSError as error:
        log.emit(
            events.WARNING,
            "not_notified",
            message=message.decode(),
            socket=address.decode("utf-8", "surrogateescape"),
            reason=error.strerror or str(error),  # a path that is too long is Python's own error
        )


def _send(message: bytes, address: bytes) -> None:
    """Send a datagram.  Raises OSError."""
    if address[:1] not in (b"/", b"@"):
        raise OSError(None, "neither a path nor an abstract socket (unix(7))")
    if address[:1] == b"@":
        address = b"\0" + address[1:]
    kind = _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC | _socket.SOCK_NONBLOCK
    connection = _socket.socket(_socket.AF_UNIX, kind)
    try:
        connection.sendto(message, address)
    finally:
        connection.close()
