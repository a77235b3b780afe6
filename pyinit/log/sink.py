"""A descriptor to which lines are written without waiting.

A log that nobody reads must not stop PID 1: a line that does not fit now is not taken.
"""

import _signal
import posix

# The longest line in bytes: a pipe takes this much whole or not at all; see pipe(7).
PIPE_BUF = 4096
_CUT = b" ..."
_RESET_COLORS = b"\x1b[0m"

_EPERM, _ERANGE = 1, 34  # errno(3)

# What write(2) sends to its caller when it fails with EFBIG and EPIPE: not meant for the command.
_SENT_BY_WRITE = {27: _signal.SIGXFSZ, 32: _signal.SIGPIPE}

# Types in st_mode, see inode(7); the module `stat` would have to be imported.
_S_IFMT = 0o170000
_S_IFIFO = 0o010000
_S_IFSOCK = 0o140000
_PTMX = 0x502  # st_rdev of a pty's master: opened again it is another pty; see pts(4)


class Sink:
    """Descriptor ``fd``, to which lines are written without waiting, unless it is a disk's file.

    Its kind is looked at when this is made: if ``fd`` is closed then, whatever
    is opened next gets its number, and must not be written to.
    """

    __slots__ = (
        "_at_once",
        "_fd",
        "_flags",
        "_is_ready",
        "_own",
        "_type",
        "_unsent",
        "is_open",
        "is_terminal",
    )

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._own = -1  # a descriptor that was opened here
        self._type = 0
        self._flags = 0
        self._at_once = (
            0  # so many bytes fit when poll(2) says that there is room; 0: it is not asked
        )
        self._is_ready = False
        self._unsent = b""
        self.is_open = True
        self.is_terminal = False
        try:
            status = posix.fstat(fd)
        except OSError:
            self.is_open = False
            return
        self._type = status.st_mode & _S_IFMT
        self.is_terminal = status.st_rdev != _PTMX and posix.isatty(fd)
        if status.st_rdev == _PTMX:
            self._at_once = 1

    def close(self) -> None:
        """Write no more, and close what was opened here; ``fd`` stays open."""
        self.is_open = False
        if self._own >= 0:
            posix.close(self._own)
            self._own = -1

    def write(self, line: str) -> bool:
        """Write ``line``, cut to `PIPE_BUF`, and return whether it was taken; raises nothing."""
        if not self.is_open:
            return False
        try:
            # A socket or a terminal may have taken a part of the line before.
            self._unsent = self._unsent[self.send(self._unsent) :] if self._unsent else b""
            if self._unsent:
                return False
            data = self._encode(line)
            taken = self.send(data)
        except OSError:
            return False  # EPIPE, EIO, ENOSPC: nobody reads any more, or there is no room
        self._unsent = data[taken:] if taken else b""
        return taken > 0

    def _encode(self, line: str) -> bytes:
        data = line.encode("utf-8", "backslashreplace")
        if len(data) < PIPE_BUF:
            return data + b"\n"
        end = _CUT + (_RESET_COLORS if self.is_terminal else b"") + b"\n"
        # Not inside of a character.
        return data[: PIPE_BUF - len(end)].decode("utf-8", "ignore").encode() + end

    def _get_ready(self) -> None:
        """Find a way to write without waiting that changes nothing for those who share ``fd``."""
        self._is_ready = True
        if self._type in (_S_IFIFO, _S_IFSOCK):
            self._flags = getattr(posix, "RWF_NOWAIT", 0)
            if not self._flags:
                self._reopen()
        elif self.is_terminal:
            # poll(2) tells that there is room, but not for how much.
            self._reopen()

    def _reopen(self) -> None:
        """Get a description of our own, for O_NONBLOCK is the description's; see open(2)."""
        flags = posix.O_WRONLY | posix.O_NONBLOCK | posix.O_NOCTTY | posix.O_CLOEXEC
        try:
            self._own = posix.open(f"/proc/self/fd/{self._fd}", flags)
            # In an image the /proc that is no kernel's leads anywhere.
            if not _are_same(self._fd, self._own):
                posix.close(self._own)
                self._own = -1
        except OSError:
            pass  # no /proc, a socket, another user's terminal
        if self._own >= 0:
            self._fd = self._own
        else:
            self._at_once = 1 if self.is_terminal else PIPE_BUF

    def send(self, data: bytes) -> int:
        """Write what fits now and return how much that was.  Raises OSError."""
        if not self._is_ready:
            self._get_ready()
        try:
            if self._flags:
                try:
                    return posix.pwritev(self._fd, [data], -1, self._flags)
                except OSError as error:
                    if not _is_unsupported(error):
                        raise
                except NotImplementedError:
                    pass  # built for a C library without pwritev2(3), with the headers of a new one
                # Pipes and sockets before Linux 6.4, or a filter that does not know pwritev2(2).
                self._flags = 0
                self._reopen()
            return self._send_in_pieces(data) if self._at_once else posix.write(self._fd, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            take_signal_of(error)
            raise

    def _send_in_pieces(self, data: bytes) -> int:
        """Write as long as poll(2) says that a piece fits, and return how much was taken."""
        if self._type == _S_IFSOCK:
            return _send_to_socket(self._fd, data)
        taken = 0
        while taken < len(data) and _is_writable(self._fd):
            taken += posix.write(self._fd, data[taken : taken + self._at_once])
        return taken


def _is_unsupported(error: OSError) -> bool:
    """Return whether the file does not take a flag of pwritev2(2), or nobody knows the call.

    Neither the kernel nor a seccomp filter, which answers EPERM where a runtime is older.
    """
    # Up to ERANGE the numbers are the same on every architecture.  To import `errno` takes 0.12 ms,
    # and signals are taken meanwhile: of an error that sends one, that one.
    if error.errno is None or error.errno <= _ERANGE:
        return error.errno == _EPERM
    import errno

    return error.errno in (errno.EOPNOTSUPP, errno.ENOSYS)


def _are_same(fd: int, other: int) -> bool:
    """Return whether two descriptors are of the same file."""
    first, second = posix.fstat(fd), posix.fstat(other)
    return (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)


def take_signal_of(error: OSError) -> None:
    """Take the signal that a failed write(2) has sent to us, which is not for the command."""
    if error.errno in _SENT_BY_WRITE:
        # It waits in the queue of this thread; what others send is in that of the process.
        _signal.sigtimedwait((_SENT_BY_WRITE[error.errno],), 0)


def _send_to_socket(fd: int, data: bytes) -> int:
    """Write to a socket without waiting; return how much was taken.  Raises OSError."""
    import _socket

    connection = _socket.socket(fileno=fd)
    try:
        return connection.send(data, _socket.MSG_DONTWAIT)
    finally:
        connection.detach()


def _is_writable(fd: int) -> bool:
    import select

    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return any(ready & select.POLLOUT for _, ready in poll.poll(0))
