"""``pyinitctl service``: ask the supervisor of ``pyinit --services FILE --control PATH``.

Where services stand is in the init's status file as well.
"""

from __future__ import annotations

import itertools
import json
import os
import select
import socket
import struct
from typing import TYPE_CHECKING, Any

from pyinit.ctl import common
from pyinit.kernel import polls
from pyinit.options import values

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

HELP = "show, start, stop or signal services"
DESCRIPTION = (
    "Send a request to the supervisor of 'pyinit --services FILE --control PATH'.  status: show "
    "the states of services (exit code 0: all are ready, 1: not all).  wait: wait until they are "
    "ready or cannot become ready, then do the same.  start, stop, restart: request it, and "
    "return at once.  reload: send the 'reload-signal'.  signal: send the signal that the first "
    "NAME names.  logs: show the last lines of services with log 'prefix' or 'json', with "
    "--follow all that come from then on.  Without NAME, status, wait and logs mean all services.  "
    "Exit code 3: there is no service NAME.  Without a socket, status reads the file of "
    "'pyinit --status-file'."
)

_ACTIONS = ("status", "wait", "start", "stop", "restart", "reload", "signal", "logs")
_READS = ("status", "wait", "logs")
DEFAULT = "/run/pyinit.sock"
VARIABLE = "PYINIT_CONTROL"
_TIME_S = 10.0
_BLOCK = 65536


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("action", choices=_ACTIONS, metavar="ACTION", help=", ".join(_ACTIONS))
    parser.add_argument("names", metavar="NAME", nargs="*", help="the name of a service")
    parser.add_argument(
        "--control",
        metavar="PATH",
        default=os.environ.get(VARIABLE) or DEFAULT,
        help=f"the socket (default: that of {VARIABLE}, or {DEFAULT})",
    )
    parser.add_argument(
        "--status-file",
        metavar="PATH",
        default="",
        help="status: read this file of the init instead of asking on the socket",
    )
    parser.add_argument(
        "--timeout", metavar="SECONDS", type=common.seconds, help="wait: for at most this time"
    )
    parser.add_argument(
        "-f", "--follow", action="store_true", help="logs: go on with each line that comes"
    )
    common.add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Ask, show the answer, return its code.  Raises CommandError and UsageError."""
    names = list(args.names)
    request: dict[str, object] = {"verb": args.action, "names": names}
    if args.action == "signal":
        if not names:
            raise common.UsageError("signal: expected a signal and a NAME, such as 'HUP web'")
        try:
            request["signal"] = values.signal(names.pop(0), "signal")
        except values.UsageError as error:
            raise common.UsageError(str(error)) from None
    if args.action not in _READS and not names:
        raise common.UsageError(f"{args.action}: expected a NAME")
    wait_s = args.timeout if args.action == "wait" else _TIME_S
    if args.action == "logs" and args.follow:
        common.show_blocks(follow(args.control, request))
        return 0
    if args.action == "status":
        answer = status(args.control, request, args.status_file, names)
    else:
        answer = ask(args.control, request, wait_s)
    if "error" in answer:
        raise common.CommandError(str(answer["error"]), int(answer["code"]))
    if args.json:
        common.show_json(answer.get("services", answer.get("lines")))
    elif args.action == "logs":
        common.show(_lines(answer["lines"]))
    else:
        width = max(len(row["name"]) for row in answer["services"])
        common.show(f"{row['name']:<{width}}  {_text(row)}" for row in answer["services"])
    return int(answer["code"])


def status(
    path: str, request: dict[str, object], status_file: str, names: list[str]
) -> dict[str, Any]:
    """Return where services stand, by the socket or else by the status file."""
    refused: common.CommandError | None = None
    if not status_file:
        try:
            return ask(path, request, _TIME_S)
        except common.CommandError as error:
            refused = error
    from pyinit.ctl import inits
    from pyinit.ctl.status import services

    try:
        common.need_own_proc()
        answer = services.answer(inits.init_for(None), status_file, names)
    except common.CommandError as error:
        if refused is None or error.code == services.UNKNOWN:
            raise
        raise common.CommandError(f"{refused}; and no status file: {error}") from None
    if answer["problem"]:
        common.note("service", answer["problem"])
    return answer


def ask(path: str, request: dict[str, object], wait_s: float | None) -> dict[str, Any]:
    """Return the supervisor's answer on the socket ``path``.  Raises CommandError."""
    if wait_s == 0:
        request, wait_s = request | {"verb": "status"}, _TIME_S  # to wait for no time is a look
    return _understood(path, b"".join(_blocks(path, request, wait_s)))


def follow(path: str, request: dict[str, object]) -> Iterator[bytes]:
    """Return the lines of services as they come, in blocks.  Raises CommandError."""
    data = b""
    blocks = _blocks(path, request | {"verb": "follow"}, None)
    for block in blocks:
        data += block
        if b"\n" in data:
            break
    head, _, lines = data.partition(b"\n")
    answer = _understood(path, head)
    if "error" in answer:
        raise common.CommandError(str(answer["error"]), int(answer["code"]))
    return itertools.chain([lines], blocks)


def _blocks(path: str, request: dict[str, object], wait_s: float | None) -> Iterator[bytes]:
    """Return what comes for a request up to its end.  Raises CommandError."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            _connect(sock, path, wait_s)
            # Of a longer one CPython takes the last 32 bits of its milliseconds: any time at all.
            sock.settimeout(None if wait_s is None else min(wait_s, polls.MOST_S))
            sock.sendall(json.dumps(request).encode() + b"\n")
            yield from _received(sock, wait_s)
    except (TimeoutError, BlockingIOError):
        raise common.CommandError(f"no answer within {wait_s:g} s") from None
    except OSError as error:
        raise common.CommandError(f"{path}: {error.strerror or error}") from None


def _received(sock: socket.socket, wait_s: float | None) -> Iterator[bytes]:
    """Return what comes.  Raises TimeoutError when nothing does for so long."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    while polls.wait(poll, wait_s):
        if not (block := sock.recv(_BLOCK)):
            return
        yield block
    raise TimeoutError


def _connect(sock: socket.socket, path: str, wait_s: float | None) -> None:
    """Connect, and wait while the queue of the socket is full.  Raises OSError.

    With a time-out of Python's own that would fail at once, as a non-blocking connect(2) does; see
    EAGAIN there, and SO_SNDTIMEO in socket(7).
    """
    if wait_s is not None:
        seconds, microseconds = divmod(max(1, round(wait_s * 1e6)), 10**6)
        time_out = struct.pack("ll", min(seconds, 2**31), microseconds)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, time_out)
    sock.connect(path)


def _understood(path: str, data: bytes) -> dict[str, Any]:
    if not data:
        raise common.CommandError(
            f"{path}: the supervisor has closed the connection: expected root or the supervisor's "
            "user, and services that run"
        )
    found: dict[str, Any] = json.loads(data)
    return found


def _lines(found: dict[str, list[str]]) -> list[str]:
    many = len(found) > 1
    return [f"{name} | {line}" if many else line for name, lines in found.items() for line in lines]


def _text(row: dict[str, Any]) -> str:
    found = [row["state"]]
    if row.get("pid"):
        found.append(f"pid {row['pid']}")
    if "up_s" in row:
        found.append(f"for {row['up_s']:.0f} s")
    if "signal" in row:
        found.append(f"ended by {row['signal']}")
    elif "exit_code" in row:
        found.append(f"exited with {row['exit_code']}")
    if "restarts" in row:
        found.append(f"restarts: {row['restarts']}")
    return ", ".join(found)
