"""What becomes 0, 1 and 2 of an init, and what is passed on besides."""

from __future__ import annotations

import errno
import os
from typing import IO, TYPE_CHECKING, Any

from pyinit.kernel import devpts
from pyinit.namespaces.kinds import NamespaceError

if TYPE_CHECKING:
    from collections.abc import Sequence

# As in `subprocess.Popen`: a number, a file, PIPE, DEVNULL, STDOUT, or None for ours.
File = int | IO[Any] | None


def form_of(*, text: bool, encoding: str | None, errors: str | None) -> dict[str, Any]:
    """Return which form the files at our ends of pipes have: keywords of `subprocess.Popen`.

    Binary ones have no buffer, so that select(2) tells what there is to read.
    """
    if text or encoding or errors:
        return {"text": True, "encoding": encoding, "errors": errors}
    return {"bufsize": 0}


class CommandFiles:
    """What becomes 0, 1 and 2 of the init, and what is passed on besides."""

    def __init__(
        self,
        stdin: File,
        stdout: File,
        stderr: File,
        pass_fds: Sequence[int],
        *,
        terminal: bool,
        form: dict[str, Any],
    ) -> None:
        self.pass_fds = tuple(pass_fds)
        self.form = form  # of the files at our ends of pipes: keywords of `subprocess.Popen`
        self.terminal: int | None = None
        self._inner: int | None = None
        if terminal:
            if (stdin, stdout, stderr) != (None, None, None):
                raise ValueError("terminal=True is stdin, stdout and stderr: expected none of them")
            self.terminal, self._inner = os.openpty()
            _give_our_size(self.terminal)
            stdin = stdout = stderr = self._inner
        self.standard = (stdin, stdout, stderr)

    def take(self, terminal: Sequence[int]) -> None:
        """Have the one ``terminal`` instead of that which was made here.

        Raises NamespaceError for none, as the kernel drops what there is no number for
        (unix(7)), and for what is no master of a terminal.
        """
        if not terminal:
            raise NamespaceError("recvmsg(SCM_RIGHTS)", errno.EMFILE, "no descriptor is free")
        fd = terminal[0]
        if self.terminal is None or not devpts.is_ptmx(os.fstat(fd)):
            os.close(fd)
            raise NamespaceError(
                "recvmsg(SCM_RIGHTS)",
                errno.ENOTTY,
                "the descriptor is not a terminal that we can use",
            )
        os.close(self.terminal)
        self.terminal = fd

    def close_inner(self) -> None:
        """Close the command's side of the terminal, for whoever has it now."""
        if self._inner is not None:
            os.close(self._inner)
            self._inner = None

    def close(self) -> None:
        """Close what was opened here."""
        self.close_inner()
        if self.terminal is not None:
            os.close(self.terminal)
            self.terminal = None


def _give_our_size(terminal: int) -> None:
    """Make a new terminal as large as ours, if we have one, before a command can ask."""
    import termios

    for fd in (0, 1, 2):
        try:
            columns, rows = os.get_terminal_size(fd)
            termios.tcsetwinsize(terminal, (rows, columns))
        except OSError:
            continue
        return
