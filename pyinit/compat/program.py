"""The programs as whose stand-in pyinit can run: names, versions, how a message begins."""

import posix

from pyinit import __version__, signals
from pyinit.options.values import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pyinit.settings import Settings

    # Of an event: the level, and words with fields in braces.
    Lines = tuple[tuple[int, str], ...]

TINI = "tini"
DUMB_INIT = "dumb-init"
CATATONIT = "catatonit"

# Severities in the words of tini and catatonit, by level of `pyinit.events`.
_SEVERITIES = ("ERROR", "WARN", "INFO", "DEBUG", "TRACE")

# As in `pyinit.events`, which is above this.
WARNING = 1
INFO = 2
DEBUG = 3
TRACE = 4  # what tini has beyond those

_OURS = """
This is pyinit {version}. Its own options work through their variables, such as
PYINIT_GRACE=10, which also has it end what outlives the command; 'pyinit --help'
names them all.
"""


class Program:
    """What is particular to one of them.

    ``version`` is the line by which others know it: `docker info` and podman read its beginning.
    ``help`` has fields for ``name`` and ``version``.  ``answer_fd`` and ``help_fd`` are where
    the answers to --version and --help go.  ``lines`` are what it says of events: one that is not
    among them is written as event and fields.  ``parse`` sets what words and variables ask for,
    ``rules`` are what it makes of signals, unless told otherwise.  ``greeting`` are lines that it
    writes before the command is started (where ``is_reaper``, orphans come to us), and
    ``not_started`` is the error that it ends with where the command, by its errno and the text of
    that, could not be started.  ``on_reap`` are more lines for an orphan of which one asked to be
    warned; where there are none, those of the event become warnings.
    """

    __slots__ = (
        "answer_fd", "greeting", "help", "help_fd", "lines", "not_started", "on_reap", "parse",
        "rules", "version",
    )  # fmt: skip

    def __init__(
        self,
        *,
        version: str,
        help: str,  # noqa: A002 - it is one
        answer_fd: int,
        help_fd: int,
        lines: "dict[str, Lines]",
        parse: "Callable[[Settings, list[str], dict[bytes, bytes], set[str]], None]",
        rules: "Callable[[Settings], dict[int, int]]",
        greeting: "Callable[[Settings, bool], tuple[str, ...]]",
        not_started: "Callable[[str, str, int, str], UsageError]",
        on_reap: "Lines" = (),
    ) -> None:
        self.version = version
        self.help = help
        self.answer_fd = answer_fd
        self.help_fd = help_fd
        self.lines = lines
        self.parse = parse
        self.rules = rules
        self.greeting = greeting
        self.not_started = not_started
        self.on_reap = on_reap


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


def help_text(name: str, version: str, text: str) -> str:
    """Return the help of the program ``name``, of which ``text`` is its own part."""
    whole = f"{version} - pyinit {__version__}"
    return text.format(name=name, version=whole) + _OURS.format(version=__version__)


def no_job_control(_: "Settings") -> dict[int, int]:
    """Return the rules for what tini and catatonit keep from their commands: background jobs."""
    return dict.fromkeys(signals.BACKGROUND_TTY, 0)


def failure(name: str, message: str, code: int = 1, more: tuple[str, ...] = ()) -> UsageError:
    """Return the error that the program ``name`` ends with."""
    worst = "FATAL" if family(name) == TINI else "ERROR"
    return UsageError(message, code, prefix(name, worst), more)
