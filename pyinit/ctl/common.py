"""What the subcommands share."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING

from pyinit.kernel import proc

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable


class CommandError(Exception):
    """It was not done; the text says why, ``code`` is the exit code."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


def pid(word: str) -> int:
    """Return the number of a process, for argparse.  Raises ValueError."""
    number = int(word)
    if number < 1:  # 0 and less stand for other things in every system call
        raise ValueError
    return number


pid.__name__ = "PID"  # argparse says: invalid PID value


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the option that every subcommand has which only reads."""
    parser.add_argument("--json", action="store_true", help="for programs: all that is known")


def need_own_proc(subcommand: str) -> None:
    """Raise CommandError where /proc shows other processes than ours, or is missing."""
    if not proc.is_ours():
        raise CommandError(
            f"{subcommand}: /proc is missing, or shows another PID namespace than ours, whose "
            "numbers are other processes: mount it anew (`mount -t proc proc /proc`, or "
            "`unshare --mount-proc`)"
        )


def show(lines: Iterable[str]) -> None:
    """Write lines to stdout.  Raises CommandError."""
    if sys.stdout is None:
        return  # closed
    encoding = sys.stdout.encoding
    text = "".join(f"{line}\n" for line in lines)
    # `pyinitctl tree | head` ends in silence, as other tools do; Python ignores SIGPIPE.
    before = signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        print(text.encode(encoding, "backslashreplace").decode(encoding), end="", flush=True)
    except OSError as error:
        # What is still in the buffer would be tried again at the end, and that be told too.
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        raise CommandError(f"stdout: {error.strerror}") from None
    finally:
        signal.signal(signal.SIGPIPE, before)


def show_json(value: object) -> None:
    """Write ``value`` to stdout for programs.  Raises CommandError."""
    show([json.dumps(value, indent=2)])


def note(text: str) -> None:
    """Write to stderr what was left out: stdout is for what was asked for."""
    print(f"pyinitctl: {text}", file=sys.stderr)


def count(processes: int) -> str:
    """Return how many processes that is, in words."""
    return "1 process" if processes == 1 else f"{processes} processes"


def name_of(pid: int) -> str:
    """Return the name that the kernel keeps of a process, or ``?`` for one that has ended."""
    try:
        with open(f"/proc/{pid}/comm", "rb") as file:
            return os.fsdecode(file.read()[:-1])
    except OSError:
        return "?"
