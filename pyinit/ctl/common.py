"""What the subcommands share."""

from __future__ import annotations

import argparse
import codecs
import contextlib
import json
import os
import signal
import sys
from typing import TYPE_CHECKING

from pyinit.kernel import proc
from pyinit.namespaces import found as namespaces
from pyinit.options import values

if TYPE_CHECKING:
    from collections.abc import Iterable


class CommandError(Exception):
    """It was not done; the text says why, ``code`` is the exit code."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


class UsageError(Exception):
    """The command line is wrong; the text says in what, and the usage is shown with it."""


def seconds(word: str) -> float:
    """Return a time, for argparse.  Raises ArgumentTypeError."""
    try:
        return values.seconds(word, "SECONDS")
    except values.UsageError as error:
        raise argparse.ArgumentTypeError(str(error).partition(": ")[2]) from None


def open_process(pid: int) -> int:
    """Return a pidfd of a process.  Raises CommandError, also where pidfd_open(2) is denied."""
    try:
        return namespaces.open_process(pid)
    except OSError as error:
        raise CommandError(error.strerror or str(error)) from None


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the option that every subcommand has which only reads."""
    parser.add_argument("--json", action="store_true", help="for programs: all that is known")


def add_sort(parser: argparse.ArgumentParser, orders: Iterable[str], what: str) -> None:
    """Add the option that chooses one of ``orders``, the first of which is the default."""
    words = [f"{each} (the oldest first)" if each == "start" else each for each in orders]
    parser.add_argument(
        "--sort",
        choices=[*orders],
        default=next(iter(orders)),
        help=f"show {what} in this order: {', '.join(words[:-1])} or {words[-1]} "
        "(default: %(default)s)",
    )


def need_own_proc() -> None:
    """Raise CommandError where /proc shows other processes than ours, or is missing."""
    if not proc.is_ours():
        raise CommandError(
            "/proc is missing, or shows another PID namespace than ours, whose "
            "numbers are other processes: mount it again (`mount -t proc proc /proc`, or "
            "`unshare --mount-proc`)"
        )


def show(lines: Iterable[str]) -> None:
    """Write lines to stdout.  Raises CommandError."""
    _write("".join(f"{line}\n" for line in lines))


def show_blocks(blocks: Iterable[bytes]) -> None:
    """Write lines to stdout as they come, in blocks that end anywhere.  Raises CommandError."""
    decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
    for block in blocks:
        _write(decoder.decode(block))


def _write(text: str) -> None:
    if sys.stdout is None:
        raise CommandError("cannot write to standard output: it is closed")
    encoding = sys.stdout.encoding
    # `pyinitctl tree | head` ends in silence, as other tools do; Python ignores SIGPIPE.
    before = signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        print(text.encode(encoding, "backslashreplace").decode(encoding), end="", flush=True)
    except OSError as error:
        # What is still in the buffer would be tried again at the end, and that be told too.
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        raise CommandError(f"cannot write to standard output: {error.strerror}") from None
    finally:
        signal.signal(signal.SIGPIPE, before)


def show_json(value: object) -> None:
    """Write ``value`` to stdout for programs.  Raises CommandError."""
    show([json.dumps(value, indent=2)])


def note(command: str, text: str) -> None:
    """Write to stderr what was left out: stdout is for what was asked for."""
    say(f"pyinitctl {command}: {text}")


def say(text: str) -> None:
    """Write a line to stderr, if that is open."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            print(text, file=sys.stderr, flush=True)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a question after the word of ``known`` that was meant, or nothing."""
    from pyinit.options.spelling import nearest

    near = nearest(word, list(known))
    return f": did you mean '{near}'?" if near else ""


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
