"""``pyinitctl service``: ask the supervisor of ``pyinit --services FILE --control PATH``."""

from __future__ import annotations

import json
import os
import socket
from typing import TYPE_CHECKING, Any

from pyinit.ctl import common
from pyinit.options import values

if TYPE_CHECKING:
    import argparse

HELP = "show, start, stop or signal services"
DESCRIPTION = (
    "Ask the supervisor of 'pyinit --services FILE --control PATH'.  status: show where services "
    "stand (exit code 0: all are ready, 1: not all).  wait: the same, once they are ready or "
    "cannot be.  start, stop, restart: ask for it, and return at once.  reload: send the "
    "'reload-signal'.  signal: send the signal that is the first word.  logs: show the last lines "
    "of services with log 'prefix' or 'json'.  Without NAME: all, but for what changes something.  "
    "Exit code 3: there is no service NAME."
)

_ACTIONS = ("status", "wait", "start", "stop", "restart", "reload", "signal", "logs")
_READS = ("status", "wait", "logs")
_DEFAULT = "/run/pyinit.sock"
_VARIABLE = "PYINIT_CONTROL"
_TIME_S = 10.0
_BLOCK = 65536


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("action", choices=_ACTIONS, metavar="ACTION", help=", ".join(_ACTIONS))
    parser.add_argument("names", metavar="NAME", nargs="*", help="of a service")
    parser.add_argument(
        "--control",
        metavar="PATH",
        default=os.environ.get(_VARIABLE) or _DEFAULT,
        help=f"the socket (default: that of {_VARIABLE}, or {_DEFAULT})",
    )
    parser.add_argument(
        "--timeout", metavar="SECONDS", type=common.seconds, help="wait: at most so long"
    )
    common.add_json(parser)


def run(asked: argparse.Namespace) -> int:
    """Ask, show the answer, return its code.  Raises CommandError and UsageError."""
    names = list(asked.names)
    request: dict[str, object] = {"verb": asked.action, "names": names}
    if asked.action == "signal":
        if not names:
            raise common.UsageError("signal: expected a signal and a NAME, such as 'HUP web'")
        try:
            request["signal"] = values.signal(names.pop(0), "signal")
        except values.UsageError as error:
            raise common.UsageError(str(error)) from None
    if asked.action not in _READS and not names:
        raise common.UsageError(f"{asked.action}: expected a NAME")
    wait_s = asked.timeout if asked.action == "wait" else _TIME_S
    answer = _ask(asked.control, request, wait_s)
    if "error" in answer:
        raise common.CommandError(str(answer["error"]), int(answer["code"]))
    if asked.json:
        common.show_json(answer.get("services", answer.get("lines")))
    elif asked.action == "logs":
        common.show(_lines(answer["lines"]))
    else:
        width = max(len(row["name"]) for row in answer["services"])
        common.show(f"{row['name']:<{width}}  {_text(row)}" for row in answer["services"])
    return int(answer["code"])


def _ask(path: str, request: dict[str, object], wait_s: float | None) -> dict[str, Any]:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(wait_s)
            sock.connect(path)
            sock.sendall(json.dumps(request).encode() + b"\n")
            data = b""
            while block := sock.recv(_BLOCK):
                data += block
    except TimeoutError:
        raise common.CommandError(f"no answer within {wait_s:g} s") from None
    except OSError as error:
        raise common.CommandError(f"{path}: {error.strerror or error}") from None
    if not data:
        raise common.CommandError(
            f"{path}: it has hung up: expected root or the user of the supervisor, and services "
            "that run"
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
