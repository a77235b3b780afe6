"""A view that is shown again and again: in place on a terminal, else one below the other."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import sys
import termios
import tty
from typing import TYPE_CHECKING, Self

from pyinit.ctl import common, table
from pyinit.kernel import terminal
from pyinit.kernel.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyinit.ctl.status.view import View

# See console_codes(4), and xterm's for the alternate screen.
_ENTER = "\x1b[?1049h\x1b[?25l"  # the other screen, without a cursor
_LEAVE = "\x1b[?25h\x1b[?1049l"
_HOME = "\x1b[H"
_TO_END_OF_LINE = "\x1b[K"
_TO_END = "\x1b[J"

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def watch(view: View, interval_s: float, *, as_json: bool) -> int:
    """Show ``view`` until its init has ended or a signal ends us; return the exit code.

    0 at the end of the init and after SIGINT, which is how one leaves it.
    """
    pidfd = common.open_process(view.init.pid)
    try:
        with _Signals() as signals:
            shown = _Lines(view) if as_json else _InPlace(view) if _is_screen() else _Blocks(view)
            ended_by = _until_end(view, shown, signals, pidfd, interval_s)
    finally:
        os.close(pidfd)
    if ended_by not in (0, signal.SIGINT):
        os.kill(os.getpid(), ended_by)  # as if it had never been caught
    return 0


def _is_screen() -> bool:
    return sys.stdout.isatty() and (os.environ.get("TERM") or "dumb") != "dumb"


def _until_end(
    view: View, shown: _Lines | _Blocks | _InPlace, signals: _Signals, pidfd: int, interval_s: float
) -> int:
    """Return the signal that has ended us, or 0."""
    clock = Clock()
    with shown:
        while True:
            view.look()
            shown.show()
            due = clock.now() + interval_s
            while (left := due - clock.now()) > 0:
                keyboard = shown.keyboard()
                ready = _ready((pidfd, signals.reader, keyboard), left)
                if not ready:
                    clock.reach(due)
                if pidfd in ready:
                    view.ended = True
                    view.look()
                    shown.finish()
                    return 0
                if keyboard in ready and _is_end(os.read(keyboard, 64), view, shown):
                    return 0
                for number in signals.taken() if signals.reader in ready else b"":
                    if number in _ENDING:
                        return number
                    if number == signal.SIGTSTP:
                        shown.pause()
                    shown.redraw()


def _ready(descriptors: Iterable[int], timeout_s: float) -> set[int]:
    """Wait, and return which of them can be read; one of -1 never can."""
    poll = select.poll()
    for fd in descriptors:
        if fd >= 0:
            poll.register(fd, select.POLLIN)
    return {fd for fd, _ in poll.poll(timeout_s * 1000)}


# What the arrow keys send, in both modes of a terminal; see console_codes(4).
_UP = (b"\x1b[A", b"\x1bOA")
_DOWN = (b"\x1b[B", b"\x1bOB")
_RIGHT = (b"\x1b[C", b"\x1bOC")
_LEFT = (b"\x1b[D", b"\x1bOD")
_SHIFT = 8  # as top(1)
_KEY = re.compile(rb"\x1b[\[O].|.", re.DOTALL)


def _is_end(keys: bytes, view: View, shown: _Lines) -> bool:
    """Act on keys; return whether they end it: q, or a terminal that is gone."""
    for key in _KEY.findall(keys):
        if key in (b"q", b"Q"):
            return True
        if key == b"s":
            view.sort_by_next()
        view.offset = max(0, view.offset + (key in _DOWN) - (key in _UP))
        view.shift = max(0, view.shift + _SHIFT * ((key in _RIGHT) - (key in _LEFT)))
    shown.redraw()
    return not keys


class _Signals:
    """Signals as bytes in a pipe, for a ``with`` statement."""

    _WANTED = (*_ENDING, signal.SIGWINCH, signal.SIGTSTP)

    def __enter__(self) -> Self:
        self.reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        # One that is ignored, as by nohup(1), stays so.
        self._before = {
            each: signal.signal(each, lambda *_: None)
            for each in self._WANTED
            if signal.getsignal(each) != signal.SIG_IGN
        }
        self._wakeup = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._wakeup)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self.reader)
        os.close(self._writer)

    def taken(self) -> bytes:
        """Return those that have come, one byte each."""
        with contextlib.suppress(BlockingIOError):
            return os.read(self.reader, 4096)
        return b""


class _Lines:
    """One JSON object a line."""

    def __init__(self, view: View) -> None:
        self._view = view

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self) -> None:
        common.show([self._view.as_line()])

    def redraw(self) -> None:
        """Show it as the terminal is now."""

    def keyboard(self) -> int:
        """Return what keys are read from, or -1."""
        return -1

    def finish(self) -> None:
        """Show the end."""
        self.show()

    def pause(self) -> None:
        """Stop, as the signal would have done."""
        os.kill(os.getpid(), signal.SIGSTOP)


class _Blocks(_Lines):
    """One below the other, with an empty line between them."""

    def show(self) -> None:
        common.show([*self._view.as_text(table.screen()), ""])


class _InPlace(_Lines):
    """In place, on the terminal's other screen; the last one stays on the first."""

    def __enter__(self) -> Self:
        self._enter()
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()
        common.show(self._last())

    def _enter(self) -> None:
        """Take the other screen, and the keys one by one if we are in the foreground."""
        self._before = None
        with contextlib.suppress(termios.error):
            if os.isatty(0) and terminal.is_ours(0):
                self._before = termios.tcgetattr(0)
                tty.setcbreak(0, termios.TCSANOW)
        self._write(_ENTER)

    def _leave(self) -> None:
        self._write(_LEAVE)
        if self._before is not None and terminal.is_ours(0):
            with contextlib.suppress(termios.error):
                termios.tcsetattr(0, termios.TCSANOW, self._before)

    def keyboard(self) -> int:
        return 0 if self._before is not None and terminal.is_ours(0) else -1

    def _last(self) -> list[str]:
        return self._view.as_text(table.screen(), None if self._view.ended else self._height())

    def show(self) -> None:
        lines = self._view.as_text(table.screen(), self._height())
        self._write(_HOME + f"{_TO_END_OF_LINE}\r\n".join(lines) + _TO_END_OF_LINE + _TO_END)

    redraw = show

    def finish(self) -> None:
        """Leave it to the first screen."""

    def pause(self) -> None:
        """Give the terminal back while we are stopped."""
        self._leave()
        super().pause()
        self._enter()

    @staticmethod
    def _write(text: str) -> None:
        data = text.encode(sys.stdout.encoding, "backslashreplace")
        with contextlib.suppress(OSError):  # a terminal that is gone: SIGHUP tells of it
            sys.stdout.flush()
            while data:
                data = data[os.write(1, data) :]

    @staticmethod
    def _height() -> int:
        try:
            return os.get_terminal_size(1).lines or 24
        except OSError:
            return 24
