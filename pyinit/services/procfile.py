"""From a Procfile, as foreman and honcho read it, to `model.Services`."""

import shlex

from pyinit.services import model
from pyinit.services.problems import Problems

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")

# What a shell does itself: `exec` finds no program of this name.
_OF_SHELL = """
! . : [[ alias break bg case cd command continue eval exec exit export fg for function getopts
hash if jobs local read readonly return select set shift source time times trap type ulimit
umask unset until wait while {
"""

_PORT_STEP = 100  # honcho: between the PORT of one type of process and that of the next


def parse(text: str, source: str, environ: "Mapping[str, str]") -> model.Services:
    """Return the services that ``text`` describes, the content of the file ``source``.

    ``environ`` may have PORT.  Raises `pyinit.services.problems.ServicesError`.
    """
    problems = Problems(source)
    notes = []
    made: dict[str, model.Service] = {}
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        name, colon, command = (each.strip() for each in line.partition(":"))
        if not (colon and name and command and _NAME.issuperset(name)):
            notes.append(f"line {number} is left out: expected NAME: COMMAND")
        elif "\0" in command:
            problems.add("it has a NUL, which no program can be given", number)
        elif name in made:
            problems.add(f"'{name}' is here a second time: expected another name", number)
        else:
            made[name] = _service(name, command, _port(environ, len(made)))
    if not made:
        problems.add("it has no process: expected a line such as 'web: gunicorn app:app'")
    problems.raise_any()
    services = model.Services(list(made.values()), source)
    services.notes = notes
    return services


def _service(name: str, command: str, port: int | None) -> model.Service:
    service = model.Service(name, ("/bin/sh", "-c", with_exec(command)))
    service.stdout = service.stderr = model.PREFIX
    if port is not None:
        service.env = (("PORT", str(port)),)
    return service.settle()


def _port(environ: "Mapping[str, str]", index: int) -> int | None:
    """Return the PORT of the process with this index, or None if there is none to count from."""
    word = environ.get("PORT", "")
    is_number = word.isascii() and word.isdecimal() and len(word) < 6
    return int(word) + index * _PORT_STEP if is_number else None


def with_exec(command: str) -> str:
    """Return a shell's command that leaves no shell behind, where it is one program alone.

    Others stay as they are: the shell has to wait for their ends.
    """
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.commenters = ""
    try:
        words = list(lexer)
    except ValueError:
        return command  # the shell says what is wrong
    if any(_joins(word) for word in words) or "`" in command:
        return command
    first = words[0] if words else ""
    return command if first in _OF_SHELL.split() or "=" in first else f"exec {command}"


def _joins(word: str) -> bool:
    """Return whether a word joins commands; a redirection such as ``>&`` does not."""
    if not word or not set(word) <= set("();|&<>"):
        return False
    return word[0] not in "<>" or bool(set(word) & set("();|"))
