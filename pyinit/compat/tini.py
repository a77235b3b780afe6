"""tini: its flags, its variables, its messages."""

from pyinit.compat.getopt import Words
from pyinit.compat.program import (
    DEBUG,
    INFO,
    TINI,
    TRACE,
    WARNING,
    Program,
    failure,
    help_text,
    no_job_control,
    prefix,
)
from pyinit.options import values
from pyinit.options.values import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyinit.compat.program import Lines
    from pyinit.settings import Settings

# errno(3); the same on every architecture.
_ENOENT = 2
_ENOEXEC = 8
_EACCES = 13

_VERSION = "tini version 0.19.0"

_HELP = """\
{name} ({version})
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
"""
_LINES: "dict[str, Lines]" = {
    "child_started": ((INFO, "Spawned child process '{program}' with pid '{pid}'"),),
    "signal_relayed": ((DEBUG, "Passing signal: '{text}'"),),
    "signal_rewritten": ((DEBUG, "Passing signal: '{text}'"),),
    "signal_ignored": (),
    "signal_dropped": ((WARNING, "Unexpected error when forwarding signal: '{reason}'"),),
    "orphan_reaped": ((DEBUG, "Reaped child with pid: '{pid}'"),),
    "orphan_killed": ((DEBUG, "Reaped child with pid: '{pid}'"),),
    "child_exited": (
        (DEBUG, "Reaped child with pid: '{pid}'"),
        (INFO, "Main child exited normally (with status '{exit_code}')"),
    ),
    "child_killed": (
        (DEBUG, "Reaped child with pid: '{pid}'"),
        (INFO, "Main child exited with signal (with signal '{text}')"),
    ),
    "exiting": ((TRACE, "Exiting: child has exited"),),
    "not_a_subreaper": ((WARNING, "Failed to register as child subreaper: {reason}"),),
}
_ON_REAP = ((WARNING, "Reaped zombie process with pid={pid}"),)


def _parse(
    settings: "Settings", arguments: list[str], environ: dict[bytes, bytes], given: set[str]
) -> None:
    """Set what is asked for in the words of tini.  Raises UsageError."""
    name = settings.alias
    usage = tuple(help_text(name, _VERSION, _HELP).splitlines())
    if arguments == ["--version"]:
        settings.version = True
        return
    words = Words(name, arguments, "ghlsvw", "ep", usage=usage)
    for flag, value in words:
        if flag in "hl":
            setattr(settings, {"h": "help", "l": "license"}[flag], True)
            return
        _set_flag(settings, flag, value, given)
    settings.command = words.rest
    if not settings.command and not environ.get(b"PYINIT_PAUSE"):
        raise UsageError(usage[0], 1, "", usage[1:])
    for attribute, variable in (
        ("subreaper", b"TINI_SUBREAPER"),
        ("group", b"TINI_KILL_PROCESS_GROUP"),
    ):
        if variable in environ:
            setattr(settings, attribute, True)
            given.add(attribute)
    if b"TINI_VERBOSITY" in environ:
        # It counts more than the flag, and starts from nothing instead of from warnings.
        number = _atoi(environ[b"TINI_VERBOSITY"])
        settings.quiet, settings.verbose = number < 1, max(number - 1, 0)
        given.add("verbose")


def _set_flag(settings: "Settings", flag: str, value: str, given: set[str]) -> None:
    attribute = {
        "e": "remap_exit",
        "g": "group",
        "p": "parent_death_signal",
        "s": "subreaper",
        "v": "verbose",
        "w": "warn_on_reap",
    }[flag]
    if flag == "e":
        settings.remap_exit = settings.remap_exit | {_code(settings.alias, value): 0}
    elif flag == "p":
        settings.parent_death_signal = _death_signal(settings.alias, value)
    elif flag == "v":
        settings.verbose += 1
    else:
        setattr(settings, attribute, True)
    given.add(attribute)


def _code(name: str, value: str) -> int:
    digits = value.lstrip()
    digits = digits[digits[:1] in ("+", "-") :]
    if not value or (digits.isascii() and digits.isdecimal() and 0 <= int(value) < 256):
        return int(value or "0")
    raise failure(name, f"Not a valid option for -e: {value}")


def _death_signal(name: str, value: str) -> int:
    try:
        return values.signal(value, "")
    except UsageError:
        raise failure(name, f"Not a valid option for -p: {value}") from None


def _atoi(value: bytes) -> int:
    """Return the number that ``value`` begins with, or 0, as atoi(3) does."""
    text = value.lstrip()
    negative = text.startswith(b"-")
    text = text[text[:1] in (b"+", b"-") :]
    digits = text[: len(text) - len(text.lstrip(b"0123456789"))]
    number = int(digits[:9] or b"0")
    return -number if negative else number


def _greeting(settings: "Settings", is_reaper: bool) -> tuple[str, ...]:  # noqa: FBT001
    """Return the lines that tini writes before it starts its command."""
    if is_reaper or settings.quiet:
        return ()
    return (
        prefix(TINI, "WARN")
        + "Tini is not running as PID 1 and isn't registered as a child subreaper.",
        "Zombie processes will not be re-parented to Tini, so zombie reaping won't work.",
        "To change that, use the -s option, set TINI_SUBREAPER, or run it as PID 1.",
    )


def _not_started(name: str, command: str, number: int, reason: str) -> UsageError:
    """Return the error that tini ends with when the command could not be started."""
    codes = {_ENOENT: 127, _EACCES: 126, _ENOEXEC: 126}
    return failure(name, f"exec {command} failed: {reason}", code=codes.get(number, 1))


PROGRAM = Program(
    version=_VERSION,
    help=_HELP,
    answer_fd=1,
    help_fd=1,
    lines=_LINES,
    parse=_parse,
    rules=no_job_control,
    greeting=_greeting,
    not_started=_not_started,
    on_reap=_ON_REAP,
)
