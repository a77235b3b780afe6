"""The command line: one table of options, which is parsed, validated and rendered as help.

Parsing stops at the first operand, so the command's own options need no ``--``
before them.  Every option has an environment variable; the command line wins.
Written out because importing argparse costs half of the start-up of PID 1,
which parses two or three words.  Without any option this module is not loaded.
"""

from pyinit.settings import Settings

USAGE = "pyinit [OPTION...] [--] COMMAND [ARG...]"

# Kinds of value.
ON = "on"
OFF = "off"
COUNT = "count"
SECONDS = "SECONDS"

# Attribute of Settings, long name, short name, kind, help.
Row = tuple[str, str, str, str, str]
TABLE: tuple[Row, ...] = (
    ("group", "group", "g", ON, "relay signals to the command's process group"),
    ("grace_s", "grace", "", SECONDS, "time between TERM and KILL for what outlives the command"),
    ("warn_on_reap", "warn-on-reap", "w", ON, "warn of every orphan that is reaped"),
    ("subreaper", "subreaper", "s", ON, "become a child subreaper (default when not PID 1)"),
    ("subreaper", "no-subreaper", "", OFF, "do not become one: orphans escape"),
    ("verbose", "verbose", "v", COUNT, "say more; twice: every signal and reaped orphan"),
    ("quiet", "quiet", "q", ON, "say nothing but errors"),
    ("help", "help", "h", ON, "print this help and exit"),
    ("version", "version", "", ON, "print the version and exit"),
)
# These are requests, not settings: no variable, and --no-subreaper is PYINIT_SUBREAPER=0.
NO_VARIABLE = frozenset(("help", "version", "no-subreaper"))
# With one of them on the command line, the variable of the other one does not count either.
OPPOSITES = ("quiet", "verbose")

TRUE = ("1", "yes", "true", "on")
FALSE = ("0", "no", "false", "off")

MAX_SECONDS = 1_000_000_000


class UsageError(Exception):
    """The command line or a variable is wrong; the text names the word and what would be right."""


def parse(arguments: list[str], environ: dict[bytes, bytes]) -> Settings:
    """Return the options in ``arguments`` (without argv[0]) and ``environ``.

    Raises `UsageError`, before anything was started.
    """
    options = Settings([])
    given: set[str] = set()
    options.command = _parse_words(options, arguments, given)
    if options.help or options.version:
        return options
    _parse_environ(options, environ, given)
    if not options.command:
        raise UsageError(f"no command given: expected {USAGE}")
    return options


def _parse_words(options: Settings, arguments: list[str], given: set[str]) -> list[str]:
    """Set the options in front of the first operand, and return the rest: the command."""
    index = 0
    while index < len(arguments):
        word = arguments[index]
        if word == "--":
            return arguments[index + 1 :]
        if word == "-" or not word.startswith("-"):
            break
        index += 1
        if word.startswith("--"):
            index += _parse_long(options, word, arguments[index : index + 1], given)
        else:
            _parse_bundle(options, word, given)
    return arguments[index:]


def _parse_long(options: Settings, word: str, following: list[str], given: set[str]) -> int:
    """Set the option in ``--name``, ``--name=value`` or ``--name value``.

    ``following`` is the next word, if there is one; return how many of it were taken.
    """
    name, equals, value = word[2:].partition("=")
    row = next((row for row in TABLE if row[1] == name), None)
    if row is None:
        raise UsageError(_unknown_long(name))
    if row[3] != SECONDS:
        if equals:
            raise UsageError(f"option '--{name}' takes no value: '{word}' should be '--{name}'")
        _set(options, row, "", given)
        return 0
    if equals:
        _set(options, row, value, given)
        return 0
    if not following:
        raise UsageError(f"option '--{name}' needs a value: expected --{name} {row[3]}")
    _set(options, row, following[0], given)
    return 1


def _parse_bundle(options: Settings, word: str, given: set[str]) -> None:
    """Set the options in a bundle of short ones, such as ``-gvv``."""
    for letter in word[1:]:
        row = next((row for row in TABLE if row[2] == letter), None)
        if row is None:
            raise UsageError(_unknown_short(letter, word))
        _set(options, row, "", given)


def _set(options: Settings, row: Row, value: str, given: set[str]) -> None:
    attribute, name, _, kind, _ = row
    given.add(attribute)
    if kind == SECONDS:
        setattr(options, attribute, _seconds(value, f"option '--{name}'"))
    elif kind == COUNT:
        setattr(options, attribute, getattr(options, attribute) + 1)
    else:
        setattr(options, attribute, kind == ON)


def _parse_environ(options: Settings, environ: dict[bytes, bytes], given: set[str]) -> None:
    """Set from its variable every option that the command line did not set.

    An empty variable counts as none: that is what ``VARIABLE=${UNSET}`` in a
    file of settings comes to.
    """
    if not given.isdisjoint(OPPOSITES):
        given.update(OPPOSITES)
    for attribute, name, _, kind, _ in TABLE:
        if name in NO_VARIABLE or attribute in given:
            continue
        variable = variable_of(name)
        raw = environ.get(variable.encode())
        if not raw:
            continue
        value = raw.decode("utf-8", "surrogateescape")
        source = f"variable {variable}"
        if kind == SECONDS:
            setattr(options, attribute, _seconds(value, source))
        elif kind == COUNT:
            setattr(options, attribute, _count(value, source))
        else:
            setattr(options, attribute, _boolean(value, source))


def variable_of(name: str) -> str:
    """Return the environment variable of the option ``--name``."""
    return "PYINIT_" + name.upper().replace("-", "_")


def _seconds(value: str, source: str) -> float:
    whole, _, fraction = value.partition(".")
    digits = whole + fraction
    if not (digits.isascii() and digits.isdecimal()):
        raise UsageError(
            f"{source}: '{value}' is not a time in seconds: "
            "expected a number from 0 on, such as 5 or 0.5"
        )
    if float(value) > MAX_SECONDS:
        raise UsageError(f"{source}: '{value}' is too long: expected at most {MAX_SECONDS} seconds")
    return float(value)


def _count(value: str, source: str) -> int:
    """Return how often an option is given by a variable: a digit, or a truth value for once."""
    if len(value) == 1 and value.isascii() and value.isdecimal():
        return int(value)
    try:
        return int(_boolean(value, source))
    except UsageError:
        raise UsageError(
            f"{source}: '{value}' is not how often: expected a digit, such as 0, 1 or 2"
        ) from None


def _boolean(value: str, source: str) -> bool:
    word = value.lower()
    if word in TRUE:
        return True
    if word in FALSE:
        return False
    raise UsageError(
        f"{source}: '{value}' is neither 1 nor 0: expected 1 to switch it on, 0 to switch it off"
    )


def _unknown_long(name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, [row[1] for row in TABLE], n=1)
    right = f"did you mean '--{near[0]}'?" if near else "'pyinit --help' lists those there are"
    return f"unknown option '--{name}': {right}"


def _unknown_short(letter: str, word: str) -> str:
    where = "" if word == f"-{letter}" else f" in '{word}'"
    return f"unknown option '-{letter}'{where}: 'pyinit --help' lists those there are"


def render_help() -> str:
    """Return the help text, made from `TABLE` and the defaults of `Settings`."""
    lines = [
        f"Usage: {USAGE}",
        "",
        "Start COMMAND, relay signals to it, reap every orphan, and when it ends, end what",
        "is left (TERM, then KILL after the grace) and exit with its status.",
        "",
        "Options:",
    ]
    defaults = Settings([])
    for attribute, name, short, kind, text in TABLE:
        label = f"  {'-' + short + ',' if short else '   '} --{name}"
        if kind == SECONDS:
            label += f" {SECONDS}"
        lines.append(f"{label:<24} {text}")
        if name not in NO_VARIABLE:
            default = f" (default {getattr(defaults, attribute):g})" if kind == SECONDS else ""
            lines.append(f"{'':<24} [{variable_of(name)}]{default}")
    lines += [
        "",
        "Exit status: that of COMMAND, or 128+n when signal n killed it; 125 when pyinit",
        "itself fails, 126 when COMMAND cannot be started, 127 when it is not found.",
    ]
    return "\n".join(lines) + "\n"
