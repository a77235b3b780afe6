"""The command line: one table of options, which is parsed, validated and rendered as help.

Parsing stops at the first operand, so the command's own options need no ``--``
before them.  Every option has an environment variable; the command line wins.
Written out because importing argparse costs half of the start-up of PID 1,
which parses two or three words.  Without any option this module is not loaded.
"""

from pyinit.options import values
from pyinit.options.values import UsageError
from pyinit.settings import NAMES, SESSION, Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

USAGE = "pyinit [OPTION...] [--] COMMAND [ARG...]"

# Kinds of options without a value; those with one are named by what stands for it.
ON = "on"
OFF = "off"
COUNT = "count"

# What a value stands for, the function that parses it, and whether the option may be repeated.
KINDS: "dict[str, tuple[Callable[[str, str], Any], bool]]" = {
    "SECONDS": (values.seconds, False),
    "SIGNAL": (values.received, False),
    "SIGNAL,...": (values.signals, False),
    "SIGNAL@SECONDS,...": (values.plan, True),
    "TIMEOUT": (values.kill_at, True),
    "FROM:TO,...": (values.rewrite, True),
    "CODE[:TO],...": (values.exit_codes, True),
    "MASK": (values.mask, False),
    "SHELL-COMMAND": (values.shell_command, False),
    "DIR": (values.directory, False),
    "USER[:GROUP]": (values.user, False),
    "NAME=VALUE": (values.assignment, True),
    "NAME": (values.variable, True),
    "ANSWER": (values.on_oom, False),
    "LEVEL": (values.log_level, False),
    "FORMAT": (values.log_format, False),
    "N": (values.descriptor, False),
    "PATH": (values.path, False),
    "PATH|fd:N": (values.place, False),
    "PROGRAM": (values.never, False),  # taken by `alias` before
}


class Option:
    """A row of the table: the attribute of Settings, the names, the kind, the help.

    ``default`` is that of the help text; ``example`` is what may stand before the command.
    """

    __slots__ = ("attribute", "default", "example", "kind", "name", "short", "text", "value")

    def __init__(
        self,
        attribute: str,
        names: str,
        kind: str,
        text: str,
        example: str,
        *,
        default: str = "",
        value: object = True,
    ) -> None:
        self.attribute = attribute
        self.name, _, self.short = names.partition(" ")
        self.kind = kind
        self.text = text
        self.example = example
        self.default = default
        self.value = value

    @property
    def takes_value(self) -> bool:
        """Whether a word follows."""
        return self.kind in KINDS

    @property
    def variable(self) -> str:
        """The environment variable that stands for the option, or nothing."""
        if self.name in NO_VARIABLE:
            return ""
        return "PYINIT_" + self.name.upper().replace("-", "_")


# These are requests, not settings: no variable.  --no-subreaper is PYINIT_SUBREAPER=0, and
# variables for variables would be a way round for what can be had directly.
NO_VARIABLE = frozenset(("help", "version", "no-subreaper", "as", "env", "unset-env"))

GROUPS: tuple[tuple[str, tuple[Option, ...]], ...] = (
    (
        "Signals",
        (
            Option("group", "group g", ON, "relay signals to the command's process group", "-g"),
            Option(
                "rewrite", "rewrite r", "FROM:TO,...",
                "relay signal TO instead of FROM, none if TO is 'ignore'; repeatable",
                "--rewrite WINCH:ignore",
            ),
            Option(
                "stop_signals", "stop-signals", "SIGNAL,...",
                "the signals that begin a stop", "--stop-signals TERM,RTMIN+3",
                default="TERM,INT,QUIT",
            ),
        ),
    ),
    (
        "Stopping",
        (
            Option(
                "drain_s", "drain", "SECONDS",
                "hold a stop signal back so long; a second one ends the wait", "--drain 5",
                default="0",
            ),
            Option(
                "pre_stop", "pre-stop", "SHELL-COMMAND",
                "run it when the drain begins, and end it with the drain",
                "--drain 5 --pre-stop 'touch /run/draining'",
            ),
            Option(
                "escalation", "escalate", "SIGNAL@SECONDS,...",
                "send SIGNAL to a command that lives so long after the stop signal; repeatable",
                "--escalate INT@20,KILL@28",
            ),
            Option(
                "escalation", "stop-timeout", "TIMEOUT",
                "short for --escalate KILL@TIMEOUT, in seconds", "--stop-timeout 28",
            ),
        ),
    ),
    (
        "The end",
        (
            Option(
                "grace_s", "grace", "SECONDS",
                "time between TERM and KILL for what outlives the command", "--grace 10",
                default="5",
            ),
            Option(
                "remap_exit", "remap-exit e", "CODE[:TO],...",
                "exit with TO, or 0, instead of CODE; a signal's name is 128+n; repeatable",
                "--remap-exit TERM",
            ),
        ),
    ),
    (
        "What the command gets",
        (
            Option(
                "user", "user u", "USER[:GROUP]",
                "run it as this user, with the user's groups, HOME, USER and LOGNAME",
                "--user app",
            ),
            Option("chdir", "chdir", "DIR", "run it in this directory", "--chdir /srv"),
            Option("env", "env", "NAME=VALUE", "set a variable; repeatable", "--env TZ=UTC"),
            Option(
                "env", "unset-env", "NAME", "remove a variable; repeatable", "--unset-env DEBUG"
            ),
            Option(
                "umask", "umask", "MASK", "its file mode creation mask, in octal", "--umask 027"
            ),
            Option(
                "no_new_privs", "no-new-privs", ON,
                "no program that it starts gains privileges", "--no-new-privs --user app",
            ),
            Option(
                "place", "session", ON,
                "a session of its own, with the controlling terminal if pyinit leads it",
                "--session", value=SESSION,
            ),
        ),
    ),
    (
        "The init",
        (
            Option(
                "parent_death_signal", "parent-death-signal p", "SIGNAL",
                "the signal that pyinit gets when its parent ends", "-p TERM",
            ),
            Option(
                "pause", "pause P", ON,
                "run no command: reap until TERM or INT, then end all and exit with 0",
                "--pause",
            ),
            Option(
                "notify", "notify", ON,
                "send READY=1 and STOPPING=1 to NOTIFY_SOCKET", "--notify",
            ),
            Option(
                "on_oom", "on-oom", "ANSWER",
                "'stop': stop as by a stop signal when the kernel's OOM killer kills any process",
                "--on-oom stop",
            ),
            Option(
                "subreaper", "subreaper s", ON,
                "adopt orphans when not PID 1, as PID 1 does; the default", "--subreaper",
            ),
            Option(
                "subreaper", "no-subreaper", OFF, "leave orphans to another init",
                "--no-subreaper",
            ),
            Option(
                "alias", "as", "PROGRAM",
                f"be {', '.join(NAMES[:-1])} or {NAMES[-1]}, whose options follow; comes first",
                "--as tini -s",
            ),
        ),
    ),
    (
        "Messages",
        (
            Option(
                "warn_on_reap", "warn-on-reap w", ON, "warn of every orphan that is reaped", "-w"
            ),
            Option(
                "verbose", "verbose v", COUNT,
                "say more; given twice, also every signal and every orphan", "-vv",
            ),
            Option("quiet", "quiet q", ON, "say nothing but errors", "-q"),
            Option(
                "verbose", "log-level", "LEVEL",
                "say all up to error, warning, info (-v) or debug (-vv)", "--log-level info",
                default="warning",
            ),
            Option(
                "log_format", "log-format", "FORMAT",
                "write the log as console, json or logfmt; without it console on a terminal, "
                "else json", "--log-format logfmt",
            ),
            Option(
                "log_to", "log-fd", "N", "write the log to this descriptor", "--log-fd 3",
                default="2",
            ),
            Option(
                "log_to", "log-file", "PATH", "append the log to this file",
                "--log-file /var/log/pyinit.log",
            ),
        ),
    ),
    (
        "What it saw",
        (
            Option(
                "report", "report", "PATH|fd:N",
                "at the end, write what happened there, as one JSON object",
                "--report /var/log/last-run.json",
            ),
            Option(
                "termination_log", "termination-log", ON,
                "at the end, write why in a line to /dev/termination-log, which Kubernetes shows",
                "--termination-log",
            ),
            Option(
                "status_file", "status-file", "PATH",
                "keep the state there, for 'pyinitctl status'", "--status-file /run/pyinit.json",
            ),
            Option(
                "metrics_file", "metrics-file", "PATH",
                "keep counts there, in the text format of Prometheus",
                "--metrics-file /metrics/pyinit.prom",
            ),
        ),
    ),
    (
        "Information",
        (
            Option("help", "help h", ON, "print this help and exit", "--help"),
            Option("version", "version", ON, "print the version and exit", "--version"),
        ),
    ),
)  # fmt: skip
TABLE = tuple(option for _, options in GROUPS for option in options)

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
    asked = Settings([])
    given: set[str] = set()
    asked.command = _parse_words(asked, arguments, given)
    if asked.help or asked.version:
        return asked
    parse_environ(asked, environ, given)
    check(asked)
    return asked


def check(asked: Settings) -> None:
    """Refuse what does not go together.  Raises UsageError."""
    if asked.pause and asked.command:
        raise UsageError(
            f"--pause (or PYINIT_PAUSE) runs no command: '{asked.command[0]}' is too much"
        )
    if not asked.pause and not asked.command:
        raise UsageError(f"no command given: expected {USAGE}")
    if asked.pre_stop and not asked.drain_s:
        raise UsageError(
            "--pre-stop (or PYINIT_PRE_STOP) runs during the drain, and there is none: "
            "expected --drain SECONDS too, such as --drain 5"
        )


def _parse_words(asked: Settings, arguments: list[str], given: set[str]) -> list[str]:
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
            index += _parse_long(asked, word, following, given)
        else:
            index += _parse_bundle(asked, word, following, given)
    return arguments[index:]


def _parse_long(asked: Settings, word: str, following: list[str], given: set[str]) -> int:
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
        _set(asked, option, value, f"option '--{name}'", given)
        return 0
    return _set_following(asked, option, f"--{name}", following, given)


def _parse_bundle(asked: Settings, word: str, following: list[str], given: set[str]) -> int:
    """Set the options in a bundle of short ones: ``-gvv``, ``-gr TERM:QUIT``, ``-e143``.

    Return how many of ``following`` were taken.
    """
    for index, letter in enumerate(word[1:], 2):
        option = next((option for option in TABLE if option.short == letter), None)
        if option is None:
            raise UsageError(_unknown_short(letter, word))
        if not option.takes_value:
            _set(asked, option, "", "", given)
        elif word[index:]:
            _set(asked, option, word[index:], f"option '-{letter}'", given)
            return 0
        else:
            return _set_following(asked, option, f"-{letter}", following, given)
    return 0


def _set_following(
    asked: Settings, option: Option, name: str, following: list[str], given: set[str]
) -> int:
    if not following:
        raise UsageError(f"option '{name}' needs a value: expected {name} {option.kind}")
    _set(asked, option, following[0], f"option '{name}'", given)
    return 1


def _set(asked: Settings, option: Option, value: str, source: str, given: set[str]) -> None:
    """Set ``option``; the last one wins, except of those that add up."""
    attribute = option.attribute
    if option.kind == COUNT:
        setattr(asked, attribute, getattr(asked, attribute) + 1)
    elif not option.takes_value:
        setattr(asked, attribute, option.value if option.kind == ON else False)
    else:
        parser, adds_up = KINDS[option.kind]
        found = parser(value, source)
        if adds_up and attribute in given:
            found = _add(getattr(asked, attribute), found)
        setattr(asked, attribute, found)
    given.add(attribute)


def _add(old: "Any", new: "Any") -> "Any":
    """Return both: maps with the newer rule first, plans by time, variables in order."""
    if isinstance(old, dict):
        return old | new
    both = old + new
    return values.by_time(both) if isinstance(both[0][0], float) else both


def parse_environ(asked: Settings, environ: dict[bytes, bytes], given: set[str]) -> None:
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
        if not raw:
            continue
        value = raw.decode("utf-8", "surrogateescape")
        source = f"variable {option.variable}"
        if option.takes_value:
            _set(asked, option, value, source, given)
            continue
        given.add(option.attribute)
        if option.kind == COUNT:
            setattr(asked, option.attribute, values.count(value, source))
        else:
            default = getattr(Settings, option.attribute)
            off = False if isinstance(default, bool) else default
            on = values.boolean(value, source)
            setattr(asked, option.attribute, option.value if on else off)


def _unknown_long(name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, [option.name for option in TABLE], n=1)
    right = f"did you mean '--{near[0]}'?" if near else "'pyinit --help' lists those there are"
    return f"unknown option '--{name}': {right}"


def _unknown_short(letter: str, word: str) -> str:
    where = "" if word == f"-{letter}" else f" in '{word}'"
    return f"unknown option '-{letter}'{where}: 'pyinit --help' lists those there are"


# The help text's width, and where its second column begins.
_WIDTH = 90
_COLUMN = 32


def render_help() -> str:
    """Return the help text, made from `GROUPS`."""
    lines = [
        f"Usage: {USAGE}",
        "",
        "Start COMMAND, relay signals to it, reap every orphan, and when it ends, end what is left",
        "(TERM, then KILL after the grace) and exit with its status.",
    ]
    for title, options in GROUPS:
        lines += ["", f"{title}:"]
        for option in options:
            lines += _help_of(option)
    without = [f"--{each.name}" for each in TABLE if not each.variable and each.kind != OFF]
    lines += [
        "",
        "Each has a variable, which the command line overrides: PYINIT_STOP_TIMEOUT=28 does what",
        "--stop-timeout 28 does, PYINIT_GROUP=1 is --group, PYINIT_SUBREAPER=0 is --no-subreaper.",
        f"There is none for {', '.join(without)}.",
        "",
        "Exit status: that of COMMAND, or 128+n when signal n killed it; 125 when pyinit itself",
        "fails, 126 when COMMAND cannot be started, 127 when it is not found.",
        "",
        "'pyinitctl manual' has more, and 'pyinitctl completion' teaches all this to a shell.",
    ]
    return "\n".join(lines) + "\n"


def _help_of(option: Option) -> list[str]:
    label = f"  {'-' + option.short + ',' if option.short else '   '} --{option.name}"
    if option.takes_value:
        label += f" {option.kind}"
    notes = [f"default {option.default}"] if option.default else []
    # A switch is typed as it stands.
    if option.example not in (f"--{option.name}", f"-{option.short}"):
        notes.append(f"e.g. {option.example}")
    words = option.text.split()
    if notes:
        words.append(f"({', '.join(notes)})")
    text = _wrapped(words, _COLUMN)
    if len(label) + 2 > _COLUMN:
        return [label, *text]
    return [label + text[0][len(label) :], *text[1:]]


def _wrapped(words: list[str], column: int) -> list[str]:
    """Return lines of ``words``, each from ``column`` on."""
    indent = " " * column
    lines = [""]
    for word in words:
        if lines[-1] and column + len(lines[-1]) + 1 + len(word) > _WIDTH:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return [indent + line for line in lines]
