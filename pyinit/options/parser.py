"""The command line and the variables: words to settings, or the word that is wrong.

Parsing stops at the first operand, so the command's own options need no ``--``
before them.  Every option has an environment variable; the command line wins.
Written out because importing argparse costs half of the start-up of PID 1,
which parses two or three words.  Without any option this module is not loaded.
"""

from pyinit.options.table import COUNT, SWITCH, TABLE, Option
from pyinit.options.values import UsageError
from pyinit.settings import NAMES, Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

USAGE = "pyinit [OPTION...] [--] COMMAND [ARG...]"

# With one of them on the command line, the variable of the other one does not count either.
OPPOSITES = ("quiet", "verbose")


def alias(arguments: list[str]) -> tuple[str, list[str]]:
    """Return the program asked for by ``--as`` in the first place, or "", and the other words.

    Raises UsageError.
    """
    if not arguments or arguments[0].partition("=")[0] != "--as":
        return "", arguments
    _, equals, name = arguments[0].partition("=")
    rest = arguments[1:]
    if not equals:
        if not rest:
            raise UsageError("option '--as' needs a value: expected --as PROGRAM")
        name, rest = rest[0], rest[1:]
    if name not in NAMES:
        raise UsageError(
            f"option '--as': '{name}' is not known: expected one of {', '.join(NAMES)}"
        )
    return name, rest


def parse(arguments: list[str], environ: dict[bytes, bytes]) -> Settings:
    """Return the options in ``arguments`` (without argv[0]) and ``environ``.

    Raises `UsageError`, before anything was started.
    """
    settings = Settings([])
    given: set[str] = set()
    settings.command = _parse_words(settings, arguments, given)
    if settings.help or settings.version:
        return settings
    parse_environ(settings, environ, given)
    check(settings)
    return settings


def check(settings: Settings) -> None:
    """Refuse what does not go together.  Raises UsageError."""
    if settings.pause and settings.command:
        raise UsageError(
            f"--pause (or PYINIT_PAUSE) runs no command: '{settings.command[0]}' is too much"
        )
    if settings.pause and settings.services:
        raise UsageError(
            "--pause (or PYINIT_PAUSE) runs nothing: expected it without --services FILE"
        )
    if not settings.pause and not settings.command and not settings.services:
        raise UsageError(f"no command given: expected {USAGE}")
    if settings.wait_all:
        _check_wait(settings)
    if settings.pre_stop and not settings.drain_s:
        raise UsageError(
            "--pre-stop (or PYINIT_PRE_STOP) runs during the drain, and there is none: "
            "expected --drain SECONDS too, such as --drain 5"
        )


def _parse_words(settings: Settings, arguments: list[str], given: set[str]) -> list[str]:
    """Set the options in front of the first operand, and return the rest: the command."""
    index = 0
    while index < len(arguments):
        word = arguments[index]
        if word == "--":
            return arguments[index + 1 :]
        if word == "-" or not word.startswith("-"):
            break
        index += 1
        following = arguments[index : index + 1]
        if word.startswith("--"):
            index += _parse_long(settings, word, following, given)
        else:
            index += _parse_bundle(settings, word, following, given)
    return arguments[index:]


def _parse_long(settings: Settings, word: str, following: list[str], given: set[str]) -> int:
    """Set the option in ``--name``, ``--name=value`` or ``--name value``.

    ``following`` is the next word, if there is one; return how many of it were taken.
    """
    name, equals, value = word[2:].partition("=")
    option = next((option for option in TABLE if option.name == name), None)
    if option is None:
        raise UsageError(_unknown_long(name))
    if name == "as":
        raise UsageError("option '--as' has to be the first word: those after it are the program's")
    if not option.takes_value and equals:
        raise UsageError(f"option '--{name}' takes no value: '{word}' should be '--{name}'")
    if equals or not option.takes_value:
        _set(settings, option, value, f"option '--{name}'", given)
        return 0
    return _set_following(settings, option, f"--{name}", following, given)


def _parse_bundle(settings: Settings, word: str, following: list[str], given: set[str]) -> int:
    """Set the options in a bundle of short ones: ``-gvv``, ``-gr TERM:QUIT``, ``-e143``.

    Return how many of ``following`` were taken.
    """
    for index, letter in enumerate(word[1:], 2):
        option = next((option for option in TABLE if option.short == letter), None)
        if option is None:
            raise UsageError(_unknown_short(letter, word))
        if not option.takes_value:
            _set(settings, option, "", "", given)
        elif word[index:]:
            _set(settings, option, word[index:], f"option '-{letter}'", given)
            return 0
        else:
            return _set_following(settings, option, f"-{letter}", following, given)
    return 0


def _set_following(
    settings: Settings, option: Option, name: str, following: list[str], given: set[str]
) -> int:
    if not following:
        raise UsageError(f"option '{name}' needs a value: expected {name} {option.kind.name}")
    _set(settings, option, following[0], f"option '{name}'", given)
    return 1


def _set(settings: Settings, option: Option, value: str, source: str, given: set[str]) -> None:
    """Set ``option`` as the command line has it."""
    found: Any
    if option.kind is COUNT:
        found = getattr(settings, option.attribute) + 1
    elif option.kind is SWITCH:
        found = option.value
    else:
        found = option.kind.parse(value, source)
    option.put(settings, found, given)


def parse_environ(settings: Settings, environ: dict[bytes, bytes], given: set[str]) -> None:
    """Set from its variable every option that the command line did not set.

    An empty variable counts as none: that is what ``VARIABLE=${UNSET}`` in a
    file of settings comes to.  ``given`` are the attributes that were set, and
    gets those that are set here.  Raises `UsageError`.
    """
    if not given.isdisjoint(OPPOSITES):
        given.update(OPPOSITES)
    settled = frozenset(given)
    for option in TABLE:
        if not option.variable or option.attribute in settled:
            continue
        raw = environ.get(option.variable.encode())
        if raw:
            value = raw.decode("utf-8", "surrogateescape")
            found = option.kind.parse(value, f"variable {option.variable}")
            if option.kind is SWITCH:
                found = option.switched(on=found)
            option.put(settings, found, given)
    misspelt = _misspelt(environ)
    if misspelt:
        settings.misspelt = misspelt


def _misspelt(environ: dict[bytes, bytes]) -> tuple[tuple[str, str], ...]:
    """Return the variables that belong to no option, each with the one that was meant."""
    known = {option.variable.encode() for option in TABLE}
    unknown = [name for name in environ if name.startswith(b"PYINIT_") and name not in known]
    if not unknown:
        return ()
    from pyinit.options.spelling import nearest

    found = []
    # Of an option without a variable it is no slip, but that of --no-subreaper has another name.
    meant = {option.name: option.variable for option in TABLE} | {
        "no-subreaper": "PYINIT_SUBREAPER"
    }
    for name in unknown:
        word = name.decode("utf-8", "surrogateescape")
        near = meant.get(nearest(word.removeprefix("PYINIT_").lower().replace("_", "-"), meant))
        if near:
            found.append((word, near))
    return tuple(found)


def _check_wait(settings: Settings) -> None:
    word = "--wait-all (or PYINIT_WAIT_ALL)"
    if settings.pause:
        raise UsageError(
            f"{word} waits after a command, and --pause runs none: expected one of them"
        )
    if settings.services:
        raise UsageError(
            f"{word} waits for daemons, which --services has none of: expected one of them, "
            "and services that stay in the foreground"
        )
    if not settings.subreaper:
        raise UsageError(
            f"{word} waits for orphans, which do not come to pyinit with --no-subreaper: "
            "expected one of them"
        )


def _unknown_long(name: str) -> str:
    from pyinit.options.spelling import nearest

    near = nearest(name, [option.name for option in TABLE])
    right = f"did you mean '--{near}'?" if near else "'pyinit --help' lists those there are"
    return f"unknown option '--{name}': {right}"


def _unknown_short(letter: str, word: str) -> str:
    where = "" if word == f"-{letter}" else f" in '{word}'"
    return f"unknown option '-{letter}'{where}: 'pyinit --help' lists those there are"
