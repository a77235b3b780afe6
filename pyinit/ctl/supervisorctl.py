"""``pyinitctl --as supervisorctl``: supervisorctl's words for services, for scripts that have them.

Output and exit codes are those of supervisor 4.3.  Options that say where a supervisord is are
taken, and say nothing here.
"""

from __future__ import annotations

import datetime as dt
import os
import time
from typing import TYPE_CHECKING, Any

from pyinit.ctl import common
from pyinit.ctl.commands import service
from pyinit.options import values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

NAME = "supervisorctl"

_FAILED, _INVALID, _NOT_RUNNING = 1, 2, 7
# Of `status` alone.
_STATUS_STOPPED, _STATUS_UNKNOWN = 3, 4

_WITH_VALUE = (
    *("-c", "--configuration", "-s", "--serverurl", "-u", "--username", "-p", "--password"),
    *("-r", "--history-file"),
)

# supervisord's states for ours.
_STATES = {
    "off": "STOPPED",
    "waiting": "STOPPED",
    "starting": "STARTING",
    "up": "RUNNING",
    "idle": "EXITED",
    "stopping": "STOPPING",
    "ending": "STOPPING",
    "killing": "STOPPING",
    "backoff": "BACKOFF",
    "done": "EXITED",
    "failed": "FATAL",
    "down": "STOPPED",
}
_STOPPED = ("STOPPED", "EXITED", "FATAL")
_RUNNING = ("RUNNING", "STARTING", "BACKOFF")
_STARTABLE = (*_STOPPED, "BACKOFF")
_SIGNALLED = ("RUNNING", "STARTING", "STOPPING")
_NOT_STARTED = (126, 127)
_TOO_QUICKLY = "Exited too quickly (process log may have details)"

_LOOK_S = 0.05
_LEAST_WIDTH = 30
_TAIL_BYTES = 1600
_NO_PRIORITY = (999, 999)
_VERSION = "4.3.0"  # whose words these are

_NO_PROCESS = "ERROR (no such process)"
_NO_GROUP = "ERROR (no such group)"

Row = dict[str, Any]


def main(words: Sequence[str]) -> int:
    """Do what the words ask for; return the exit code.  Raises CommandError."""
    wanted = _without_options(list(words))
    return _run(wanted) if wanted else _shell()


def _run(words: list[str]) -> int:
    """Do one action, and return the exit code."""
    action, *names = words
    client = Client(os.environ.get(service.VARIABLE) or service.DEFAULT)
    if action in _ALONE and names:
        common.show([f"Error: {action} accepts no arguments"])
    elif action in _ABSENT:
        common.show([f"{action}: ERROR ({_ABSENT[action]})"])
    elif action not in _ACTIONS:
        common.show([f"*** Unknown syntax: {' '.join(words)}"])
    else:
        try:
            return _ACTIONS[action](client, names)
        except common.CommandError as error:
            # Nobody answers; supervisorctl has this code for it.
            common.show([str(error)])
            return _NOT_RUNNING
    return _FAILED


def _shell() -> int:
    """Do what the lines of stdin say, up to its end or "exit"."""
    words = ["status"]
    while words[:1] not in (["exit"], ["quit"]):
        if words:
            _run(words)
        try:
            words = input("supervisor> ").split()
        except EOFError:
            common.show([""])
            break
    return 0


_ALONE = ("avail", "reload", "reread", "shutdown", "version")

# What there is not, and what is right instead.
_ABSENT = {
    "fg": "a service reads from nowhere: tail -f shows what it writes",
    "open": "there is one container: PYINIT_CONTROL is its socket",
    "reload": "the file is read once: restart the container",
}


def _without_options(words: list[str]) -> list[str]:
    while words and words[0].startswith("-"):
        word = words.pop(0)
        if word in _WITH_VALUE and words:
            words.pop(0)
    return words


class Client:
    """Asks the supervisor of services at the socket ``path``; ``code`` is the exit code so far."""

    def __init__(self, path: str) -> None:
        self.code = 0
        self._path = path

    def answer(self, verb: str, *names: str, **more: int) -> dict[str, Any]:
        """Return an answer, which can be an error.  Raises CommandError if there is none."""
        request: dict[str, object] = {"verb": verb, "names": list(names), **more}
        return service.ask(self._path, request, 10.0)

    def ask(self, verb: str, *names: str, **more: int) -> dict[str, Any]:
        """Return an answer.  Raises CommandError."""
        answer = self.answer(verb, *names, **more)
        if "error" in answer:
            raise common.CommandError(str(answer["error"]))
        return answer

    def follow(self, name: str, stream: int) -> Iterator[bytes]:
        """Return the lines of a service as they come.  Raises CommandError."""
        return service.follow(self._path, {"names": [name], "stream": stream})

    def rows(self) -> list[Row]:
        """Return where all services stand, of the socket.  Raises CommandError."""
        found: list[Row] = self.ask("status")["services"]
        return found

    def row(self, name: str) -> Row:
        """Return where one stands.  Raises CommandError."""
        found: Row = self.ask("status", name)["services"][0]
        return found

    def rows_or_file(self) -> list[Row]:
        """Return where all services stand, of the socket or the status file."""
        request: dict[str, object] = {"verb": "status", "names": []}
        answer = service.status(self._path, request, "", [])
        if answer.get("problem"):
            self.code = _STATUS_UNKNOWN
        found: list[Row] = answer["services"]
        return found

    def say(self, name: str, text: str, code: int = 0) -> None:
        """Show a line of a service, and note its code."""
        common.show([f"{name}: {text}"])
        self.code = code or self.code

    def choose(self, names: list[str], code: int, states: tuple[str, ...]) -> list[Row]:
        """Return the services that are named; say which there are not, with ``code``.

        Of a group, and of all, those are left out that are not in ``states``.
        """
        rows = self.rows()
        if "all" in names:
            return [row for row in rows if _state(row) in states]
        found = []
        for name in names:
            those = self.named(rows, name, code)
            found += [row for row in those if not _is_group(name) or _state(row) in states]
        return found

    def named(self, rows: list[Row], name: str, code: int) -> list[Row]:
        """Return those of ``rows`` that ``name`` means; say, with ``code``, if it means none."""
        those = [row for row in rows if _matches(row, name)]
        if not those:
            self.say(name.removesuffix(":*"), _no_such(name), code)
        return those


def _state(row: Row) -> str:
    """Return supervisord's state.  An end that is ignored is no failure there."""
    ended = row["state"] == "failed" and "restarts" not in row and "exit_code" in row
    return "EXITED" if ended and row["exit_code"] not in _NOT_STARTED else _STATES[row["state"]]


def _no_such(name: str) -> str:
    return _NO_GROUP if _is_group(name) else _NO_PROCESS


def _is_group(name: str) -> bool:
    return name.endswith((":*", ":"))


def _full(row: Row) -> str:
    """Return the name as supervisord has it, with a group if that is called otherwise."""
    return f"{row['group']}:{row['name']}" if row.get("group") else str(row["name"])


def _matches(row: Row, name: str) -> bool:
    group = row.get("group") or row["name"]
    if _is_group(name):
        return bool(group == name.rpartition(":")[0])
    if ":" in name:
        return name == f"{group}:{row['name']}"
    return name == _full(row)


def _status(client: Client, names: list[str]) -> int:
    try:
        rows = client.rows_or_file()
    except common.CommandError as error:
        common.show([str(error)])
        return _STATUS_UNKNOWN
    if names and "all" not in names:
        rows = [row for name in names for row in client.named(rows, name, _STATUS_UNKNOWN)]
    width = max([_LEAST_WIDTH, *(len(_full(row)) for row in rows)]) + 3
    common.show(f"{_full(row):<{width}}{_state(row):<10}{_description(row)}" for row in rows)
    if any(_state(row) in _STOPPED for row in rows):
        client.code = _STATUS_STOPPED
    return client.code


def _description(row: Row) -> str:
    state = _state(row)
    if state == "RUNNING":
        return f"pid {row.get('pid', 0)}, uptime {dt.timedelta(seconds=int(row['up_s']))}"
    if state in ("BACKOFF", "FATAL"):
        return _TOO_QUICKLY
    if state not in _STOPPED:
        return ""
    if "ended_s" not in row:
        return "Not started"
    return time.strftime("%b %d %I:%M %p", time.localtime(time.time() - row["ended_s"]))


def _changes(verb: str, usage_code: int) -> Callable[[Client, list[str]], int]:
    """Return what starts, stops or restarts: one after the other, and waits until it is so."""

    def run(client: Client, names: list[str]) -> int:
        if not names:
            common.show([f"Error: {verb} requires a process name"])
            return usage_code
        if verb != "start":
            for row in client.choose(names, _FAILED, _RUNNING):
                _stop(client, row)
        if verb != "stop":
            group_code = _INVALID if any(map(_is_group, names)) else _FAILED
            for row in client.choose(names, group_code, _STARTABLE):
                _start(client, row)
        return client.code

    return run


def _start(client: Client, row: Row) -> None:
    name = _full(row)
    if _state(row) in ("RUNNING", "STARTING"):
        client.say(name, "ERROR (already started)")
        return
    client.ask("start", row["name"])
    state = "STOPPED"
    while state not in ("RUNNING", "EXITED", "FATAL", "BACKOFF"):
        time.sleep(_LOOK_S)
        row = client.row(row["name"])
        state = _state(row)
        if state == "STOPPED" and row["state"] != "waiting":
            break  # somebody else has stopped it
    if state == "RUNNING" or row["state"] in ("done", "idle"):
        client.say(name, "started")
    elif state == "STOPPED":
        client.say(name, "ERROR (abnormal termination)", _NOT_RUNNING)
    else:
        client.say(name, "ERROR (spawn error)", _NOT_RUNNING)


def _stop(client: Client, row: Row) -> None:
    name = _full(row)
    if _state(row) not in _RUNNING:
        client.say(name, "ERROR (not running)")
        return
    client.ask("stop", row["name"])
    while _state(client.row(row["name"])) not in _STOPPED:
        time.sleep(_LOOK_S)
    client.say(name, "stopped")


def _signal(client: Client, words: list[str]) -> int:
    if len(words) < 2:
        common.show(["Error: signal requires a signal name and a process name"])
        return _FAILED
    word, *names = words
    try:
        number = values.signal(word, "signal")
    except values.UsageError:
        number = 0
    for row in client.choose(names, _FAILED, _SIGNALLED):
        if not number:
            client.say(_full(row), "ERROR (bad signal name)", _FAILED)
        elif _state(row) not in _SIGNALLED:
            client.say(_full(row), "ERROR (not running)", _NOT_RUNNING)
        else:
            client.ask("signal", row["name"], signal=number)
            client.say(_full(row), "signalled")
    return client.code


def _tail(client: Client, words: list[str]) -> int:
    is_long = len(words) > 3
    option = words.pop(0)[1:] if words and words[0].startswith("-") else str(_TAIL_BYTES)
    channel = words[-1].lower() if words[1:] else "stdout"
    wrong = ""
    if not words:
        wrong = "too few arguments"
    elif is_long:
        wrong = "too many arguments"
    elif channel not in _STREAMS:
        wrong = f"bad channel '{channel}'"
    elif option != "f" and not option.isdecimal():
        wrong = f"bad argument -{option}"
    if wrong:
        common.show([f"Error: {wrong}"])
        return _FAILED
    name, stream = words[0], _STREAMS.index(channel) + 1
    rows = [row for row in client.rows() if _matches(row, name)]
    if not rows:
        client.say(name, "ERROR (no such process name)", _FAILED)
        return client.code
    if option == "f":
        return _follow(client, rows[0]["name"], stream)
    found = client.ask("logs", rows[0]["name"], stream=stream)["lines"][rows[0]["name"]]
    if not found:
        client.say(name, "ERROR (no log file)", _FAILED)
        return client.code
    most = int(option)
    text = "".join(f"{line}\n" for line in found).encode()[-most:] if most else b""
    common.show([text.decode("utf-8", "replace")])
    return client.code


_STREAMS = ("stdout", "stderr")


def _follow(client: Client, name: str, stream: int) -> int:
    common.show(["==> Press Ctrl-C to exit <=="])
    try:
        common.show_blocks(client.follow(name, stream))
    except KeyboardInterrupt:
        common.show([""])
    return client.code


def _main_tail(client: Client, words: list[str]) -> int:
    """Say that the supervisor keeps no log of its own: it is the container's stderr."""
    del words
    client.say("supervisord", "ERROR (no log file)", _FAILED)
    return client.code


def _clear(client: Client, names: list[str]) -> int:
    if not names:
        common.show(["Error: clear requires a process name"])
        return _FAILED
    for row in client.choose(names, _FAILED, tuple(_STATES.values())):
        client.ask("clear", row["name"])
        client.say(_full(row), "cleared")
    return client.code


def _pid(client: Client, names: list[str]) -> int:
    """Show the PID of the init, which is what supervisord's is for, or those of services."""
    if not names:
        common.show([str(client.ask("status")["init"])])
        return client.code
    rows = client.rows()
    for name in names:
        those = rows if name == "all" else [row for row in rows if _matches(row, name)]
        if not those:
            common.show([f"No such process {name}"])
            client.code = _FAILED
        for row in those:
            common.show([str(row.get("pid", 0))])
            if name != "all" and not row.get("pid"):
                client.code = _NOT_RUNNING
    return client.code


def _shutdown(client: Client, names: list[str]) -> int:
    del names
    answer = client.answer("shutdown")
    common.show(["ERROR: already shutting down" if "error" in answer else "Shut down"])
    return client.code


def _avail(client: Client, names: list[str]) -> int:
    del names
    for row in client.rows():
        start = "auto" if row.get("autostart", True) else "manual"
        group, own = row.get("priority", _NO_PRIORITY)
        common.show([f"{_full(row):<32} {'in use':<9} {start:<9} {group}:{own}"])
    return client.code


def _reread(client: Client, names: list[str]) -> int:
    """Say that nothing has changed: services are what the file said at the start."""
    del names
    client.rows()
    common.show(["No config updates to processes"])
    return client.code


def _groups(client: Client) -> set[str]:
    return {str(row.get("group") or row["name"]) for row in client.rows()}


def _update(client: Client, names: list[str]) -> int:
    """Say which groups there are not; nothing has changed of the others."""
    known = {"all", *_groups(client)}
    unknown = set() if "all" in names else set(names) - known
    if unknown:
        common.show(f"ERROR: no such group: {name}" for name in sorted(unknown))
        client.code = _FAILED
    return client.code


def _add(client: Client, names: list[str]) -> int:
    known = _groups(client)
    for name in names:
        if name in known:
            common.show(["ERROR: process group already active"])
        else:
            common.show([f"ERROR: no such process/group: {name}"])
            client.code = _FAILED
    return client.code


def _remove(client: Client, names: list[str]) -> int:
    """Say which groups run; one that is stopped stays, because the file is read once."""
    rows = client.rows() if names else []
    for name in names:
        those = [row for row in rows if name == (row.get("group") or row["name"])]
        if not those:
            common.show([f"ERROR: no such process/group: {name}"])
        elif any(_state(row) not in _STOPPED for row in those):
            common.show([f"ERROR: process/group still running: {name}"])
        else:
            common.show([f"ERROR: {name} is stopped, and stays: the file is read once"])
        client.code = _FAILED
    return client.code


def _version(client: Client, names: list[str]) -> int:
    del names
    client.rows()
    common.show([_VERSION])
    return client.code


def _exit(client: Client, names: list[str]) -> int:
    del names
    common.show([""])
    return client.code


def _help(client: Client, names: list[str]) -> int:
    known = sorted({*_ACTIONS, *_ABSENT})
    if not names:
        common.show(["default commands (type help <topic>):", "=" * 37, " ".join(known)])
        return client.code
    if names[0] in known:
        common.show([f"{names[0]}: as in supervisor {_VERSION}, or why not"])
        return client.code
    common.show([f"*** No help on {names[0]}"])
    return client.code


_ACTIONS: dict[str, Callable[[Client, list[str]], int]] = {
    "add": _add,
    "avail": _avail,
    "clear": _clear,
    "exit": _exit,
    "help": _help,
    "maintail": _main_tail,
    "pid": _pid,
    "quit": _exit,
    "remove": _remove,
    "reread": _reread,
    "restart": _changes("restart", _FAILED),
    "shutdown": _shutdown,
    "signal": _signal,
    "start": _changes("start", _INVALID),
    "status": _status,
    "stop": _changes("stop", _FAILED),
    "tail": _tail,
    "update": _update,
    "version": _version,
}
