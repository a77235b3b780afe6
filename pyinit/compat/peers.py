"""pyinit under the names of tini, docker-init, dumb-init and catatonit.

A name stands for that program's flags, environment variables, defaults and exit
codes.  Its flags are read as getopt_long(3) reads them up to the first operand.
What a flag or a variable of the program has set counts as given, so that the
variable of ours for the same has no say; what is only its default does not.
"""

import _signal
import posix

from pyinit import __version__, settings, signals
from pyinit.options import parser, values
from pyinit.options.values import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyinit.settings import Settings

TINI = "tini"
DUMB_INIT = "dumb-init"
CATATONIT = "catatonit"

# The version that each of them stands in for, as it is asked for by others: `docker info`
# and podman read the beginning of this line.
_VERSIONS = {
    TINI: "tini version 0.19.0",
    DUMB_INIT: "dumb-init v1.2.5",
    CATATONIT: "tini version 0.1.7_catatonit",
}

# Severities in the words of tini and catatonit, by level of `pyinit.events`.
_SEVERITIES = ("ERROR", "WARN", "INFO", "DEBUG", "TRACE")

# What tini and catatonit keep from their commands: it stops background jobs.
_NOT_RELAYED = dict.fromkeys(signals.BACKGROUND_TTY, 0)
# What dumb-init makes of a terminal's stops, which an orphaned process group would not heed.
_TO_STOP = dict.fromkeys((_signal.SIGTSTP, *signals.BACKGROUND_TTY), int(_signal.SIGSTOP))

# errno(3); the same on every architecture.
_ENOENT = 2
_ENOEXEC = 8
_EACCES = 13

_DUMB_INIT_USAGE = "Usage: dumb-init [option] program [args]"
_DUMB_INIT_MORE = ("Try dumb-init --help for full usage.",)
_CATATONIT_USAGE = "usage: catatonit [-ghLPV] [--] <progname> [<arguments>...]"

_HELP = {
    TINI: """\
Usage: {name} [OPTION...] [--] COMMAND [ARG...]
       {name} --version

Be the init around COMMAND: relay signals to it, reap every orphan.

  -e CODE    exit with 0 where COMMAND's end would mean CODE; may be repeated
  -g         relay to COMMAND's whole process group [TINI_KILL_PROCESS_GROUP]
  -h         print this help and exit
  -l         print the license and exit
  -p SIGNAL  get this signal when the parent ends
  -s         be a child subreaper [TINI_SUBREAPER]
  -v         say more; up to three times [TINI_VERBOSITY=NUMBER, 1 without any]
  -w         warn of every orphan that is reaped
  --version  print the version and exit, as the only word

The variable in brackets does the same by being there; the number counts more
than -v.
""",
    DUMB_INIT: """\
Usage: dumb-init [OPTION...] [--] COMMAND [ARG...]

Be the init around COMMAND, which gets a session of its own: relay signals to
its process group, reap every orphan.

  -c, --single-child      no session, and relay to COMMAND alone [DUMB_INIT_SETSID=0]
  -r, --rewrite FROM:TO   relay TO instead of FROM, numbers or names; 0 drops it;
                          may be repeated
  -v, --verbose           tell what happens [DUMB_INIT_DEBUG=1]
  -h, --help              print this help and exit
  -V, --version           print the version and exit
""",
    CATATONIT: """\
usage: catatonit [-ghLPV] [--] <progname> [<arguments>...]

Be the init around a program: relay signals to it, reap every orphan.
CATATONIT_DEBUG in the environment makes it tell what happens.

  -g             relay to the program's whole process group
  -h             print this help and exit
  -L             print the license and exit
  -P             run no program: reap until INT or TERM
  -V, --version  print the version and exit
""",
}
_OURS = """
This is pyinit {version}. Its own options work through their variables, such as
PYINIT_GRACE=10, which also has it end what outlives the command; 'pyinit --help'
names them all.
"""
_LICENSE = """\
{name} is pyinit {version} under another name.
pyinit is free software under the MIT License; it comes without any warranty.
"""


def parse(name: str, arguments: list[str], environ: dict[bytes, bytes]) -> "Settings":
    """Return what is asked for in the words of the program ``name``.  Raises UsageError."""
    asked = settings.Settings([])
    asked.alias = name
    asked.dies_with_us = False
    asked.leftovers = settings.LEAVE
    asked.subreaper = False
    given: set[str] = set()
    _PARSERS[family(name)](asked, arguments, environ, given)
    if asked.help or asked.version or asked.license:
        return asked
    try:
        parser.parse_environ(asked, environ, given)
        parser.check(asked)
    except UsageError as error:
        raise _failure(name, str(error)) from None
    if family(name) != DUMB_INIT:
        asked.rewrite = _NOT_RELAYED | asked.rewrite
    elif asked.place == settings.SESSION:
        asked.rewrite = _TO_STOP | asked.rewrite
    if "grace_s" in given:
        asked.leftovers = settings.END
    return asked


def family(name: str) -> str:
    """Return the program that ``name`` means: tini has several."""
    return name if name in (DUMB_INIT, CATATONIT) else TINI


def prefix(name: str, severity: str) -> str:
    """Return what stands before a message of the program ``name``."""
    program = family(name)
    if program == DUMB_INIT:
        return "[dumb-init] "
    if program == CATATONIT:
        return f"{severity} (catatonit:{posix.getpid()}): "
    return f"[{severity:5} tini ({posix.getpid()})] "


def severity(level: int) -> str:
    """Return the word for a level of `pyinit.events`."""
    return _SEVERITIES[level]


def answer(asked: "Settings") -> tuple[str, int]:
    """Return the help, version or license text that is asked for, and the descriptor it goes to."""
    name = asked.alias
    program = family(name)
    version = f"{_VERSIONS[program]} - pyinit {__version__}\n"
    # dumb-init answers on stderr, and catatonit's help goes there.
    fd = 2 if program == DUMB_INIT or (program == CATATONIT and asked.help) else 1
    if asked.help:
        return help_text(name), fd
    return (version if asked.version else _LICENSE.format(name=name, version=__version__)), fd


def help_text(name: str) -> str:
    """Return the help of the program ``name``."""
    program = family(name)
    version = f"{_VERSIONS[program]} - pyinit {__version__}"
    first = {TINI: f"{name} ({version})\n", DUMB_INIT: f"{version}\n", CATATONIT: ""}[program]
    return first + _HELP[program].format(name=name) + _OURS.format(version=__version__)


def greeting(asked: "Settings", *, is_reaper: bool) -> tuple[str, ...]:
    """Return the lines that the program writes before it starts its command.

    ``is_reaper`` says whether orphans come to us.
    """
    program = family(asked.alias)
    if program == TINI and not is_reaper and not asked.quiet:
        return (
            prefix(TINI, "WARN")
            + "Tini is not running as PID 1 and isn't registered as a child subreaper.",
            "Zombie processes will not be re-parented to Tini, so zombie reaping won't work.",
            "To change that, use the -s option, set TINI_SUBREAPER, or run it as PID 1.",
        )
    if program == DUMB_INIT and asked.verbose > 1 and asked.place == settings.SAME:
        return (f"{prefix(DUMB_INIT, '')}Not running in setsid mode.",)
    return ()


def translate(asked: "Settings", error: Exception) -> Exception:
    """Return what the program says, and how it exits, when its command was not started.

    ``error`` is a StartError of `pyinit.fork` or a UsageError; others are returned as they are.
    """
    name = asked.alias
    if isinstance(error, UsageError):
        return _failure(name, str(error))
    code = getattr(error, "code", 0)
    if not code:
        return error
    if code not in (126, 127):
        return _failure(name, str(error))
    number = getattr(error, "errno", None) or _ENOENT
    reason = posix.strerror(number)
    program = family(name)
    if program == DUMB_INIT:
        return _failure(name, f"{asked.command[0]}: {reason}", code=2)
    if program == CATATONIT:
        return _failure(name, f"failed to exec pid1: {reason}")
    codes = {_ENOENT: 127, _EACCES: 126, _ENOEXEC: 126}
    return _failure(name, f"exec {asked.command[0]} failed: {reason}", code=codes.get(number, 1))


def _failure(name: str, message: str, code: int = 1, more: tuple[str, ...] = ()) -> UsageError:
    """Return the error that the program ``name`` ends with."""
    worst = "FATAL" if family(name) == TINI else "ERROR"
    return UsageError(message, code, prefix(name, worst), more)


def _tini(
    asked: "Settings", arguments: list[str], environ: dict[bytes, bytes], given: set[str]
) -> None:
    name = asked.alias
    usage = tuple(help_text(name).splitlines())
    if arguments == ["--version"]:
        asked.version = True
        return
    words = _Words(name, arguments, "ghlsvw", "ep", usage=usage)
    for flag, value in words:
        if flag in "hl":
            setattr(asked, {"h": "help", "l": "license"}[flag], True)
            return
        _tini_flag(asked, flag, value, given)
    asked.command = words.rest
    if not asked.command and not environ.get(b"PYINIT_PAUSE"):
        raise UsageError(usage[0], 1, "", usage[1:])
    for attribute, variable in (
        ("subreaper", b"TINI_SUBREAPER"),
        ("group", b"TINI_KILL_PROCESS_GROUP"),
    ):
        if variable in environ:
            setattr(asked, attribute, True)
            given.add(attribute)
    if b"TINI_VERBOSITY" in environ:
        # It counts more than the flag, and starts from nothing instead of from warnings.
        number = _atoi(environ[b"TINI_VERBOSITY"])
        asked.quiet, asked.verbose = number < 1, max(number - 1, 0)
        given.add("verbose")


def _tini_flag(asked: "Settings", flag: str, value: str, given: set[str]) -> None:
    attribute = {
        "e": "remap_exit",
        "g": "group",
        "p": "parent_death_signal",
        "s": "subreaper",
        "v": "verbose",
        "w": "warn_on_reap",
    }[flag]
    if flag == "e":
        asked.remap_exit = asked.remap_exit | {_tini_code(asked.alias, value): 0}
    elif flag == "p":
        asked.parent_death_signal = _tini_signal(asked.alias, value)
    elif flag == "v":
        asked.verbose += 1
    else:
        setattr(asked, attribute, True)
    given.add(attribute)


def _tini_code(name: str, value: str) -> int:
    digits = value.lstrip()
    digits = digits[digits[:1] in ("+", "-") :]
    if not value or (digits.isascii() and digits.isdecimal() and 0 <= int(value) < 256):
        return int(value or "0")
    raise _failure(name, f"Not a valid option for -e: {value}")


def _tini_signal(name: str, value: str) -> int:
    try:
        return values.signal(value, "")
    except UsageError:
        raise _failure(name, f"Not a valid option for -p: {value}") from None


def _atoi(value: bytes) -> int:
    """Return the number that ``value`` begins with, or 0, as atoi(3) does."""
    text = value.lstrip()
    negative = text.startswith(b"-")
    text = text[text[:1] in (b"+", b"-") :]
    digits = text[: len(text) - len(text.lstrip(b"0123456789"))]
    number = int(digits[:9] or b"0")
    return -number if negative else number


def _dumb_init(
    asked: "Settings", arguments: list[str], environ: dict[bytes, bytes], given: set[str]
) -> None:
    asked.group = True
    asked.synchronous = True
    asked.place = settings.SESSION
    asked.leftovers = settings.ASK
    single = environ.get(b"DUMB_INIT_SETSID") == b"0"
    long = {"single-child": "c", "rewrite": "r", "verbose": "v", "help": "h", "version": "V"}
    words = _Words(DUMB_INIT, arguments, "chvV", "r", long=long)
    for flag, value in words:
        if flag in "hV":
            setattr(asked, {"h": "help", "V": "version"}[flag], True)
            return
        if flag == "r":
            asked.rewrite = asked.rewrite | _dumb_init_rule(value)
            given.add("rewrite")
        elif flag == "c":
            single = True
        else:
            asked.verbose = 2
    asked.command = words.rest
    if not asked.command and not environ.get(b"PYINIT_PAUSE"):
        raise UsageError(_DUMB_INIT_USAGE, 1, "", _DUMB_INIT_MORE)
    if environ.get(b"DUMB_INIT_DEBUG") == b"1":
        asked.verbose = 2
    if asked.verbose:
        given.add("verbose")
    if single:
        asked.group = False
        asked.place = settings.SAME
        asked.leftovers = settings.LEAVE
        given.update(("group", "place"))


def _dumb_init_rule(value: str) -> dict[int, int]:
    """Return the rule in ``FROM:TO``; one for a signal that cannot come is no mistake here."""
    before, colon, after = value.partition(":")
    before, after = (word.strip().removeprefix("+") for word in (before, after))
    try:
        if colon:
            to = 0 if after.lower() in ("0", "ignore") else values.signal(after, "")
            return {values.signal(before, ""): to}
    except UsageError:
        pass
    raise UsageError(
        "Usage: -r option takes <signum>:<signum>, where <signum> is between 1 and "
        f"{_signal.SIGRTMAX} or a name, and the second one may be 0: not '{value}'.",
        1,
        "",
        ("It may be repeated; --help tells more.",),
    )


def _catatonit(
    asked: "Settings", arguments: list[str], environ: dict[bytes, bytes], given: set[str]
) -> None:
    asked.subreaper = True
    if b"CATATONIT_DEBUG" in environ:
        asked.verbose = 2
        given.add("verbose")
    usage = (_CATATONIT_USAGE,)
    words = _Words(CATATONIT, arguments, "ghLPV", usage=usage, long={"version": "V"})
    for flag, _ in words:
        if flag in "hLV":
            setattr(asked, {"h": "help", "L": "license", "V": "version"}[flag], True)
            return
        attribute = {"g": "group", "P": "pause"}[flag]
        setattr(asked, attribute, True)
        given.add(attribute)
    # It takes no notice of a program to -P.
    asked.command = [] if asked.pause else words.rest
    if not words.rest and not asked.pause and not environ.get(b"PYINIT_PAUSE"):
        raise _failure(CATATONIT, "missing program name", more=usage)


_PARSERS = {TINI: _tini, DUMB_INIT: _dumb_init, CATATONIT: _catatonit}


class _Words:
    """The flags in front of the first operand, as (letter, value); then ``rest`` are the operands.

    ``plain`` are the letters without a value, ``valued`` those with one; ``long``
    maps long names to letters.  ``usage`` follows a message about a mistake.
    """

    def __init__(
        self,
        name: str,
        arguments: list[str],
        plain: str,
        valued: str = "",
        *,
        usage: tuple[str, ...] = (),
        long: dict[str, str] | None = None,
    ) -> None:
        self.rest = list(arguments)
        self._name = name
        self._plain = plain
        self._valued = valued
        self._usage = usage
        self._long = long

    def __iter__(self) -> "Iterator[tuple[str, str]]":
        """Yield one flag after the other.  Raises UsageError."""
        while self.rest and self.rest[0].startswith("-") and self.rest[0] != "-":
            word = self.rest.pop(0)
            if word == "--":
                return
            if word.startswith("--") and self._long is not None:
                yield self._find_long(word, self._long)
            else:
                yield from self._bundle(word[1:])

    def _bundle(self, letters: str) -> "Iterator[tuple[str, str]]":
        for index, letter in enumerate(letters, 1):
            if letter in self._plain:
                yield letter, ""
            elif letter in self._valued:
                yield (
                    letter,
                    letters[index:] or self._next(f"option requires an argument -- '{letter}'"),
                )
                return
            else:
                raise self._mistake(f"invalid option -- '{letter}'")

    def _find_long(self, word: str, long: dict[str, str]) -> tuple[str, str]:
        name, equals, value = word[2:].partition("=")
        found = [each for each in long if each.startswith(name)]
        if name in long:
            found = [name]
        if not found:
            raise self._mistake(f"unrecognized option '{word}'")
        if len(found) > 1:
            names = " ".join(f"'--{each}'" for each in found)
            raise self._mistake(f"option '{word}' is ambiguous; possibilities: {names}")
        letter = long[found[0]]
        if letter in self._valued:
            if not equals:
                value = self._next(f"option '--{found[0]}' requires an argument")
        elif equals:
            raise self._mistake(f"option '--{found[0]}' doesn't allow an argument")
        return letter, value

    def _next(self, missing: str) -> str:
        if not self.rest:
            raise self._mistake(missing)
        return self.rest.pop(0)

    def _mistake(self, message: str) -> UsageError:
        return UsageError(message, 1, f"{self._name}: ", self._usage)
