"""pyinit under the names of tini, docker-init, dumb-init and catatonit.

A name stands for that program's flags, environment variables, defaults and exit
codes.  Its flags are read as getopt_long(3) reads them up to the first operand.
What a flag or a variable of the program has set counts as given, so that the
variable of ours for the same has no say; what is only its default does not.
"""

import posix

from pyinit import __version__
from pyinit import settings as choices
from pyinit.compat.program import (
    CATATONIT,
    DUMB_INIT,
    Program,
    failure,
    family,
    help_text,
)
from pyinit.options import parser
from pyinit.options.values import UsageError
from pyinit.settings import Settings

# errno(3); the same on every architecture.
_ENOENT = 2

_LICENSE = """\
{name} is pyinit {version} under another name.
pyinit is free software under the MIT License; it comes without any warranty.
"""


def program(name: str) -> Program:
    """Return the program that is called ``name``; only its own module is loaded."""
    if family(name) == DUMB_INIT:
        from pyinit.compat import dumb_init

        return dumb_init.PROGRAM
    if family(name) == CATATONIT:
        from pyinit.compat import catatonit

        return catatonit.PROGRAM
    from pyinit.compat import tini

    return tini.PROGRAM


def parse(name: str, arguments: list[str], environ: dict[bytes, bytes]) -> Settings:
    """Return what is asked for in the words of the program ``name``.  Raises UsageError."""
    settings = Settings([])
    settings.alias = name
    settings.dies_with_us = False
    settings.leftovers = choices.LEAVE
    settings.subreaper = False
    given: set[str] = set()
    found = program(name)
    found.parse(settings, arguments, environ, given)
    if settings.help or settings.version or settings.license:
        return settings
    try:
        parser.parse_environ(settings, environ, given)
        parser.check(settings)
    except UsageError as error:
        raise failure(name, str(error)) from None
    settings.rewrite = found.rules(settings) | settings.rewrite
    if "grace_s" in given and "leftovers" not in given:
        settings.leftovers = choices.TREE
    return settings


def answer(settings: Settings) -> tuple[str, int]:
    """Return the help, version or license text that is asked for, and the descriptor it goes to."""
    name = settings.alias
    found = program(name)
    if settings.help:
        return help_text(name, found.version, found.help), found.help_fd
    if settings.version:
        return f"{found.version} - pyinit {__version__}\n", found.answer_fd
    return _LICENSE.format(name=name, version=__version__), found.answer_fd


def greeting(settings: Settings, *, is_reaper: bool) -> tuple[str, ...]:
    """Return the lines that the program writes before it starts its command.

    ``is_reaper`` says whether orphans come to us.
    """
    return program(settings.alias).greeting(settings, is_reaper)


def translate(settings: Settings, error: Exception) -> Exception:
    """Return what the program says, and how it exits, when its command was not started.

    ``error`` is a StartError of `pyinit.fork` or a UsageError; others are returned as they are.
    """
    name = settings.alias
    if isinstance(error, UsageError):
        return failure(name, str(error))
    code = getattr(error, "code", 0)
    if not code:
        return error
    if code not in (126, 127):
        return failure(name, str(error))
    number = getattr(error, "errno", None) or _ENOENT
    return program(name).not_started(name, settings.command[0], number, posix.strerror(number))
