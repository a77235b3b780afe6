"""Our standard input and output, as keyboard and screen of the command's terminal.

Nothing here waits, neither for a command that does not read nor for whoever reads our
output: signals and the deadline are to be heeded meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import struct
import termios
import tty
from typing import TYPE_CHECKING, Self

from pyinit.kernel import terminal

if TYPE_CHECKING:
    from pyinit.container.process import Process

# What a pipe takes whole once poll(2) has said that it takes anything; see pipe(7).
_PIPE_BUF = select.PIPE_BUF
# More than a terminal holds.  A process that outlives the command could write for ever.
_MOST_AFTER_END = 1 << 20


class _Copy:
    """Bytes from one descriptor to another, as fast as both go along."""

    def __init__(self, source: int, target: int) -> None:
        self.source = source
        self.target = target
        self.is_open = True
        self.waiting = b""

    def wants(self) -> tuple[int, int] | None:
        """Return the descriptor and the event to go on with, or None."""
        if self.waiting:
            return self.target, select.POLLOUT
        return (self.source, select.POLLIN) if self.is_open else None

    def read(self) -> bytes:
        """Read once; what comes is to be written.  Nothing is the end of the source."""
        try:
            self.waiting = os.read(self.source, _PIPE_BUF)
        except BlockingIOError:
            return b""
        except OSError:
            self.waiting = b""  # EIO: of a terminal, nobody has its other side open
        self.is_open = bool(self.waiting)
        return self.waiting

    def write(self) -> None:
        """Write once.  Raises OSError when nobody reads any more."""
        with contextlib.suppress(BlockingIOError):
            self.waiting = self.waiting[os.write(self.target, self.waiting[:_PIPE_BUF]) :]


class Console:
    """What is typed goes to the command's terminal, what it writes is shown.

    In a ``with`` statement our own terminal, if we have one, is in raw mode: keys such as
    ^C are the command's.
    """

    def __init__(self, process: Process) -> None:
        assert process.terminal is not None
        self._process = process
        # Nobody shares this description.
        os.set_blocking(process.terminal, False)
        self._keys = _Copy(0, process.terminal)
        self._shown = _Copy(process.terminal, 1)
        self._line_is_whole = True
        self._left = _MOST_AFTER_END
        self._before: list[int | list[bytes | int]] | None = None
        self._is_raw = False
        self._is_away = False

    def __enter__(self) -> Self:
        """Pass keys on as they are, and the size too."""
        self.resume()
        return self

    def __exit__(self, *_: object) -> None:
        """Make our terminal again what it was."""
        self.restore()
        if self._shown.target != 1:
            os.close(self._shown.target)

    def has_keyboard(self) -> bool:
        """Return whether a terminal is what keys come from."""
        return self._before is not None

    def restore(self) -> None:
        """Make our terminal again what it was, unless it is somebody else's now."""
        if self._before is not None and terminal.is_ours(0):
            with contextlib.suppress(termios.error):
                termios.tcsetattr(0, termios.TCSANOW, self._before)
            self._is_raw = False

    def leave(self) -> None:
        """Read no keys until `resume`: we are in the background, and are to end there."""
        self._is_away = True

    def resume(self) -> None:
        """Put our terminal in raw mode; in the background that stops us, as it does any program.

        To be called again when we were stopped, for the shell has had the terminal
        meanwhile, and the window may have another size.
        """
        self._is_away = False
        if not self._is_raw and os.isatty(0):
            with contextlib.suppress(termios.error):
                self._before = termios.tcgetattr(0)
        if self._before is not None:
            self._set_raw()
        self.resize()

    def _set_raw(self) -> None:
        mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTTOU})
        try:
            tty.setraw(0, termios.TCSANOW)
            self._is_raw = True
        except termios.error:
            pass  # EIO: it was hung up, or we are in the background with nobody to continue us
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def resize(self) -> None:
        """Give the command's terminal the size of ours, if we have one."""
        for fd in (0, 1, 2):
            try:
                rows, columns = _size(fd)
            except OSError:
                continue
            self._process.resize(columns, rows)
            return

    def wants(self) -> dict[int, int]:
        """Return what to poll: descriptors and events."""
        found: dict[int, int] = {}
        keys = None if self._is_away else self._keys.wants()
        for each in (keys, self._shown.wants()):
            if each is not None:
                found[each[0]] = found.get(each[0], 0) | each[1]
        return found

    def copy(self, ready: dict[int, int]) -> None:
        """Go on as far as ``ready`` allows, which came of the poll."""
        failed = select.POLLHUP | select.POLLERR | select.POLLNVAL
        for copy, step in ((self._keys, self._type), (self._shown, self._show)):
            wanted = copy.wants()
            if wanted is not None and ready.get(wanted[0], 0) & (wanted[1] | failed):
                step()

    def _type(self) -> None:
        if self._keys.waiting:
            try:
                self._keys.write()
            except OSError:
                self._keys.waiting = b""  # nobody has the command's terminal any more
        elif data := self._keys.read():
            self._line_is_whole = data.endswith(b"\n")
        elif not self._keys.is_open:
            self._keys.waiting = self._end_of_input()

    def _end_of_input(self) -> bytes:
        """Return what ends the input of a terminal that is read by lines; VEOF in termios(3)."""
        try:
            attributes = termios.tcgetattr(self._keys.target)
        except termios.error:
            return b""
        if not attributes[3] & termios.ICANON:
            return b""
        # The first one only ends a line that has begun.
        return bytes(attributes[6][termios.VEOF]) * (1 if self._line_is_whole else 2)

    def _show(self) -> None:
        if not self._shown.waiting:
            self._shown.read()
            return
        try:
            self._shown.write()
        except OSError:
            # Whoever read it is gone: for the command that is what a hang-up is.
            self._shown.waiting = b""
            self._shown.target = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGHUP)

    def has_more(self) -> bool:
        """Return whether there is still to be shown what was written before the command's end."""
        if not self._shown.waiting and self._shown.is_open and self._left > 0:
            self._left -= len(self._shown.read())
        self._keys.is_open, self._keys.waiting = False, b""
        return bool(self._shown.waiting)


def fill_standard() -> None:
    """Open what is closed of 0, 1 and 2: else the new terminal would take its number."""
    for fd in (0, 1, 2):
        if not _is_open(fd):
            os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def _size(fd: int) -> tuple[int, int]:
    """Return rows and columns; TIOCGWINSZ in ioctl_tty(2).  Raises OSError."""
    import fcntl

    rows, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(fd, termios.TIOCGWINSZ, bytes(8)))
    return rows, columns
